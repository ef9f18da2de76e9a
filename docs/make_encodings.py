"""Write docs/encodings.md: what each encoding takes and gives, measured on one product of free-space-1024.

Run it by hand after a change of the optical path; it takes minutes. A test compares everything that is counted with the
page, and measures one row again.
"""

import datetime
import importlib.metadata
import math
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

import photonics
from photonics.engine import Engine
from photonics.work import Contraction, Work

PAGE = Path(__file__).with_name("encodings.md")
ENGINE, LASER_POWER_W = "free-space-1024", 3e-2
# Vectors measured, vectors that range the converters, fan-in, outputs. With 65,536 outputs of normal noise the SNR is
# known to 0.02 dB.
TOKENS, SAMPLE, INPUTS, OUTPUTS = 256, 256, 1024, 256
# The deployment whose energy is compared: full panels, many vectors.
WORK = Work((Contraction(name="", batch=1, m=4096, k=1024, n=1024, count=1, weights=True),))

_OFFSET = "offset"
ENCODINGS: dict[str, dict[str, object]] = {
    "two rails, two passes subtracted (default)": {},
    "two rails, a conversion per pass": {"encoding.conversion": "pass"},
    "two rails, offset activations": {"encoding.activation_sign": _OFFSET},
    "offset weights, two passes subtracted": {"encoding.weight_sign": _OFFSET},
    "offset weights, a conversion per pass": {"encoding.weight_sign": _OFFSET, "encoding.conversion": "pass"},
    "offset weights and activations": {"encoding.weight_sign": _OFFSET, "encoding.activation_sign": _OFFSET},
    "activations in 2 digits": {"encoding.activation_slices": 2},
    "weights in 2 digits": {"encoding.weight_slices": 2},
    "both in 2 digits": {"encoding.activation_slices": 2, "encoding.weight_slices": 2},
    "everything shown 4 times": {"encoding.repetitions": 4},
}

_OPENING = """# Encodings, compared by measurement

Light is never negative, so signed operands need an encoding (`photonics/encoding.py`, laws in
[physics.md](physics.md)). Every row below is the same machine, [`free-space-1024`](hardware.md), with another
encoding and nothing else changed; `--set encoding.weight_sign=offset` and the like choose it in every command. The
page is written by `python docs/make_encodings.py`.

Operands are normal vectors and matrices ({tokens} x {inputs} times {inputs} x {outputs}), which is what rotation
makes of real ones. SNR is 10 log10(sum y^2 / sum error^2) against the exact product, operand rounding and pixel
errors included. Energy is that of a full resident panel, everything at the wall, host included.
"""

_CLOSING = """
How to read it:

- **A conversion per pass** digitises twice, each time with a range of its own signal. It costs another conversion
  and, here, no accuracy: what a machine needs whose receivers cannot subtract two symbols.
- **Offsets** leave a pedestal. With offset weights and subtracted passes it is half the sum of the activations, which
  the machine knows, but its photons are there (four times as many per MAC, though the light of an output is not split
  between two rails), pixel errors act on it, and the signal is worth half. With offset activations it never cancels:
  the converter's range goes to it, and both together are left with the light of a thousand half-open pixels under a
  signal of a few. `exalight engines {engine} --set encoding.weight_sign=offset --set encoding.activation_sign=offset`
  says what else that means: the panel absorbs more than it may, and photodiodes and receivers leave their range,
  which this table does not charge unless `photodetector.saturates` and `readout.saturates` are on.
- **Digits** let converters and pixels have about half of the bits, for twice the passes or panels. The noise of the
  high digit is multiplied by its weight, so at equal light the SNR falls: they buy coarse parts, not precision.
- **Repetition** averages what changes from symbol to symbol and nothing else: time and energy go up in proportion,
  static errors stay. At this point more light is the cheaper way.
- Energy at equal light is about the time that host, control and lasers are on: one symbol instead of two halves it.
"""


_HEADINGS = (
    "| encoding | passes | panels | photodiodes per output | conversions per output | bits of DAC / pixel "
    "| photoelectrons per MAC | SNR (dB) | energy (fJ/MAC) | laser power at equal energy (mW) "
    "| SNR at equal energy (dB) |"
)


class Row(NamedTuple):
    """One encoding: what it takes, and what was measured."""

    name: str
    passes: int
    panels: int
    photodiodes: int
    conversions: int
    bits: str
    electrons_per_mac: float
    snr_db: float
    energy_j_per_mac: float
    equal_power_w: float | None
    equal_snr_db: float | None


def engine_of(name: str, laser_power_w: float = LASER_POWER_W) -> Engine:
    """The engine with one of the encodings."""
    return photonics.load_engine(ENGINE).replace(**ENCODINGS[name]).at(laser_power_w=laser_power_w)


def energy_j_per_mac(engine: Engine) -> float:
    """Energy of one logical MAC of full panels, everything included [J]."""
    return float(engine.cost(WORK).energy_j_per_mac)


def laser_power_w_for(engine: Engine, target_j_per_mac: float) -> float | None:
    """Laser power at which a MAC costs that much, None where it costs more without any light [W].

    Energy is affine in the light: threshold and everything else stay.
    """
    low_w, high_w = 1e-4, 1e-1
    low_j, high_j = (energy_j_per_mac(engine.at(laser_power_w=power_w)) for power_w in (low_w, high_w))
    slope = (high_j - low_j) / (high_w - low_w)
    power_w = low_w + (target_j_per_mac - low_j) / slope
    return power_w if power_w > 0 else None


def measure(engine: Engine, tokens: int = TOKENS) -> tuple[float, float]:
    """SNR [dB] and photoelectrons per MAC of one product of normal operands."""
    keys = jax.random.split(jax.random.key(850), 4)
    x, sample = jax.random.normal(keys[0], (tokens, INPUTS)), jax.random.normal(keys[1], (SAMPLE, INPUTS))
    w = jax.random.normal(keys[2], (INPUTS, OUTPUTS))
    panel, exact = engine.load_panel(w, sample=sample), x @ w
    error = engine.matmul(keys[3], x, panel) - exact
    snr_db = 10.0 * math.log10(float(jnp.sum(jnp.square(exact)) / jnp.sum(jnp.square(error))))
    return snr_db, float(engine.detected_electrons(x, panel)) / (x.size * OUTPUTS)


def counted(name: str) -> tuple[int, int, int, int, str]:
    """Passes, panels, photodiodes and conversions of one output, and bits of DAC and pixel."""
    engine = engine_of(name)
    encoding = engine.encoding
    bits = f"{encoding.drive_bits(engine.dac.bits)} / {encoding.pixel_bits(engine.panel.bits)}"
    photodiodes = encoding.rails * encoding.panels
    return encoding.passes, encoding.panels, photodiodes, encoding.conversions * encoding.panels, bits


def rows() -> Iterator[Row]:
    """Every encoding, measured at equal laser power and at the energy per MAC of the default."""
    target = energy_j_per_mac(engine_of(next(iter(ENCODINGS))))
    for name in ENCODINGS:
        engine = engine_of(name)
        snr_db, electrons = measure(engine)
        power_w = laser_power_w_for(engine, target)
        equal_db = measure(engine.at(laser_power_w=power_w))[0] if power_w else None
        yield Row(name, *counted(name), electrons, snr_db, energy_j_per_mac(engine), power_w, equal_db)


def cells(row: Row) -> str:
    """One line of the table."""
    equal = ("-", "-") if row.equal_power_w is None else (f"{row.equal_power_w * 1e3:.3g}", f"{row.equal_snr_db:.1f}")
    counts = (row.passes, row.panels, row.photodiodes, row.conversions, row.bits)
    measured = (f"{row.electrons_per_mac:.1f}", f"{row.snr_db:.1f}", f"{row.energy_j_per_mac * 1e15:.1f}", *equal)
    return "| " + " | ".join(str(cell) for cell in (row.name, *counts, *measured)) + " |"


def main() -> None:
    """Measure and write the page."""
    opening = _OPENING.format(tokens=TOKENS, inputs=INPUTS, outputs=OUTPUTS)
    target = energy_j_per_mac(engine_of(next(iter(ENCODINGS))))
    table = [_HEADINGS, "|---" * (_HEADINGS.count("|") - 1) + "|", *(cells(row) for row in rows())]
    versions = f"Python {platform.python_version()}, jax {importlib.metadata.version('jax')}"
    note = (
        f"Equal laser power is {LASER_POWER_W * 1e3:g} mW per source, equal energy {target * 1e15:.1f} fJ/MAC, that of "
        "the default there; a dash: it costs more in the dark. "
        f"Measured {datetime.date.today()}, {versions}, 2 cores."
    )
    PAGE.write_text(
        "\n".join([opening, *table, "", note, _CLOSING.format(engine=ENGINE).rstrip(), ""]), encoding="utf-8"
    )
    print(PAGE)


if __name__ == "__main__":
    main()
