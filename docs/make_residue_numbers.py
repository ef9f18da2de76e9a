"""Write docs/residue-numbers.md: residues against a positional code with the same converters, measured.

Run it by hand after changing the residue or the block-floating-point engine; it takes a minute or two.
"""

import functools
import itertools
import platform
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import photonics
from photonics.residue.phase import levels_variance, misread_probability
from photonics.residue.redundancy import decoding_operations

PAGE = Path(__file__).with_name("residue-numbers.md")
MEASURED = "2026-11-23"
# One layer: tokens, inputs (four tiles of 128), outputs.
TOKENS, INPUTS, OUTPUTS = 256, 512, 128
BITS = (4, 5, 6, 7, 8)
GAINS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# A positional converter is enough where it adds this much to the error of the operands.
ENOUGH = 1.1
# Above it the cascade of segments is what misreads phases; below, light and offsets.
SEGMENT_ERRORS_RAD = (1e-4, 3e-4, 5e-4, 1e-3, 3e-3)
ENOB_LOSSES = (0.0, 0.1, 0.2, 0.3, 0.5)
MACHINES = ("residue-2024", "lightmatter-2025", "lightening-dota-b", "optical-transformers", "free-space-1024")

_QUIET: dict[str, Any] = {
    "readout.shot_noise": False,
    "readout.fixed_pattern": False,
    "receiver.capacitance_f": 0.0,
    "core.segment_error_rad": 0.0,
}
_QUIET_POSITIONAL: dict[str, Any] = {
    "channels.fixed_pattern": False,
    "photodetector.shot_noise": False,
    "photodetector.dark_current_a": 0.0,
    "adc.enob_loss": 0.0,
    "operating_point.laser_power_w": 1e3,
}

TEXT = """# Residue numbers

A sum of products modulo m needs no more bits than m has. [`residue-2024`](hardware.md) computes every product modulo
several coprime numbers, each as the phase of a path of light that winds back at 2 pi by itself, and puts the number
together again: with converters of 6 bits and the moduli 63, 62, 61, 59 the sums of 128 products of 6-bit codes come
out exactly. A positional machine with the same converters keeps the upper bits of a sum and loses the others.

This page is written by `python docs/make_residue_numbers.py`. One layer, normal operands ({tokens} x {inputs} times
{inputs} x {outputs}), fan-in 128; the error is the rms of y - x w over the rms of x w. Measured {measured}, Python
{python}, jax {jax}.

## The same converters, no noise

Operands and ADC of b bits, scales per vector and tile in both; the positional code is the block floating point of
`lightmatter-2025` at the gain that serves it best ({gains}). Neither has any noise.

{same}

The error of the residues is that of the operands alone; nothing is lost behind them. A gain clips rare sums to spend
the converter on the others, and wins back most of what is lost.

## What a positional converter needs instead

ADC bits that a positional code needs for at most {enough:.0%} of that error, and what they cost beside the conversions
of the residues, at 1 GHz under the same energy model (`largest`, 16 nm). Recovery is the digital arithmetic of one
output and tile, {operation:.1f} pJ an operation.

{instead}

Against a positional converter that may not clip (gain 1) the conversions of the residues are many times cheaper, and
from 5 bits on so is everything with the recovery. The published comparison goes further: it asks the positional
converter for every bit of the sum, 18 of them for 6-bit codes. Against one with a gain, residues need more energy up to
6 bits, where conversions cost the survey's floor whatever their bits; about as much at 7, and a third at 8. With the
recovery they then cost more everywhere; light, drives and products come as often as there are moduli, too. That
recovery is arithmetic of 6 to 8 bits, which the {operation:.1f} pJ of a 16-bit operation overcharge: at 8 bits it would
have to cost half, at 7 a twentieth.

## What it asks of the phase

A phase read wrongly by one level moves the result by 1.8 to 6.4 million, beyond every sum that can occur (123,008), so
the read-out has to be right, not good. Results that cannot occur are erased (`encoding.erases`). Two redundant moduli
correct one wrong residue out of six, for half as much again of light and conversions and {redundant} operations per
output and tile instead of {plain}.

{segments}

{loss}

The converter is the tightest: the published count takes effective bits for bits, and with half a bit less one residue
in ten is wrong, because one level of a residue is one step of the converter. The 768 segments that light passes at 128
inputs have to be right to a third of a milliradian each.

## Engines as they stand

The same layer on engines of the catalogue, each with its own noise, rates and parts; energy is everything at the wall
of an engine that never pauses.

{machines}

`residue-2024` is charged for four cores, for two receivers and one conversion per path (`readout.conversions=2`
charges one for each quadrature), and for a switched phase segment per bit, product and modulus. Its segments (0.01 dB,
42 fJ, 0.3 mrad) are assumptions that no array of this depth has shown; with the 450 fJ of a silicon modulator a product
would take {silicon:.0f} pJ.
"""


@functools.cache
def operands() -> tuple[jax.Array, jax.Array]:
    """The layer: x (tokens, inputs), w (inputs, outputs)."""
    x = jax.random.normal(jax.random.key(1), (TOKENS, INPUTS))
    return x, jax.random.normal(jax.random.key(2), (INPUTS, OUTPUTS))


def error(engine: Any) -> float:
    """Rms of y - x w over the rms of x w; ranges from a sample of its own, for engines that take one."""
    x, w = operands()
    sample = jax.random.normal(jax.random.key(3), (64, INPUTS))
    y = engine.matmul(jax.random.key(0), x, engine.load_panel(w, sample=sample))
    return float(jnp.sqrt(jnp.mean(jnp.square(y - x @ w)) / jnp.mean(jnp.square(x @ w))))


@functools.cache
def residue(bits: int) -> Any:
    """The engine with converters and operands of `bits` bits, in as few moduli as they need."""
    for moduli in itertools.count(1):
        try:
            settings = {"encoding.residue_bits": bits, "adc.bits": bits, "dac.bits": bits, "encoding.moduli": moduli}
            return photonics.load_engine("residue-2024", [f"{path}={value}" for path, value in settings.items()])
        except ValueError:
            continue
    raise AssertionError


def positional(bits: int, adc_bits: int, gain: float) -> Any:
    """Block floating point with operands of `bits` and an ADC of `adc_bits` bits, without noise, at 1 GHz."""
    settings = {"dac.bits": bits, "weights.bits": bits, "adc.bits": adc_bits, "channels.gain": gain}
    at = {"operating_point.symbol_rate_hz": 1e9}
    return photonics.load_engine("lightmatter-2025").replace(**{**_QUIET_POSITIONAL, **settings, **at})


def conversion_pj(engine: Any) -> float:
    """Energy of one conversion [pJ]."""
    return float(engine.adc.conversion_energy_j(1e9)) * 1e12


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def same_converters() -> str:
    """Error against converter bits, residues and positional code."""
    rows = []
    for bits in BITS:
        engine = residue(bits).replace(**_QUIET)
        errors = {gain: error(positional(bits, bits, gain)) for gain in GAINS}
        best = min(errors, key=lambda gain: errors[gain])
        moduli = ", ".join(map(str, engine.encoding.all_moduli()))
        rows.append(
            [str(bits), moduli, f"{error(engine):.4f}", f"{errors[1.0]:.4f}", f"{errors[best]:.4f} (gain {best:.0f})"]
        )
    return table(["bits", "moduli", "residues", "positional, gain 1", "positional, best gain"], rows)


def bits_needed(bits: int, limit: float, gains: tuple[float, ...]) -> int | None:
    """Fewest ADC bits of the positional code whose error is within `limit` at any of the gains."""
    for adc_bits in range(bits, 13):
        if min(error(positional(bits, adc_bits, gain)) for gain in gains) <= limit:
            return adc_bits
    return None


def instead() -> str:
    """Conversions of the residues against the one that a positional code needs."""
    rows = []
    for bits in BITS:
        engine = residue(bits)
        limit, moduli = ENOUGH * error(engine.replace(**_QUIET)), engine.encoding.moduli
        cells = [f"{moduli} x {bits} bits: {moduli * conversion_pj(engine):.2f} pJ"]
        for gains in ((1.0,), GAINS):
            needed = bits_needed(bits, limit, gains)
            cells.append("more than 12" if needed is None else f"{needed}: {_energy_pj(bits, needed):.2f} pJ")
        operations = decoding_operations(moduli, 0)
        cells.append(f"{operations} operations: {operations * float(engine.digital.op_energy_j) * 1e12:.1f} pJ")
        rows.append([str(bits), *cells])
    return table(["operand bits", "residues", "ADC bits, gain 1", "ADC bits, best gain", "recovery"], rows)


def _energy_pj(bits: int, adc_bits: int) -> float:
    return conversion_pj(positional(bits, adc_bits, 1.0).replace(**{"adc.technology_m": 16e-9}))


def misreads() -> tuple[str, str]:
    """Error against what moves phases: errors of segments, lost bits of the converter."""
    engine, tables = residue(6), []
    for path, values, name in (
        ("core.segment_error_rad", SEGMENT_ERRORS_RAD, "error of one segment (rad)"),
        ("adc.enob_loss", ENOB_LOSSES, "effective bits that the converter loses"),
    ):
        rows = []
        for value in values:
            plain = engine.replace(**{path: value})
            redundant = plain.replace(**{"encoding.redundant_moduli": 2})
            offset = levels_variance(plain.readout.offset_variance(plain.operating_point), 63)
            share = float(misread_probability(jnp.sqrt(plain.level_variance(63) + offset)))
            kept = plain.replace(**{"encoding.erases": False})
            errors = [f"{error(one):.3g}" for one in (kept, plain, redundant)]
            rows.append([f"{value:g}", f"{share:.1e}", *errors])
        header = [name, "residues misread", "error, nothing erased", "error, erased", "error, 2 redundant moduli"]
        tables.append(table(header, rows))
    return tables[0], tables[1]


def machines() -> str:
    """Engines of the catalogue on the same layer."""
    rows = []
    for name in MACHINES:
        engine: Any = photonics.load_engine(name)
        energy_fj = float(sum(engine.power_budget().values())) / float(engine.macs_per_s()) * 1e15
        adc_fj = float(engine.power_budget()["adc"]) / float(engine.macs_per_s()) * 1e15
        enob = engine.enob()
        bits = f"{engine.adc.bits}" + ("" if enob is None or enob == engine.adc.bits else f" ({float(enob):.1f})")
        cells = [str(engine.inputs), bits, f"{error(engine):.3f}", f"{adc_fj:.0f}", f"{energy_fj:.0f}"]
        rows.append([f"`{name}`", *cells])
    return table(["engine", "fan-in", "ADC bits (effective)", "error", "ADC (fJ/MAC)", "all (fJ/MAC)"], rows)


def silicon_pj_per_mac() -> float:
    """Energy of a product with segments of 450 fJ [pJ]."""
    engine: Any = photonics.load_engine("residue-2024", ["core.segment_energy_j=4.5e-13"])
    return float(sum(engine.power_budget().values())) / float(engine.macs_per_s()) * 1e12


def page() -> str:
    """The whole page; takes a minute or two."""
    segments, loss = misreads()
    return TEXT.format(
        tokens=TOKENS,
        inputs=INPUTS,
        outputs=OUTPUTS,
        measured=MEASURED,
        python=platform.python_version(),
        jax=jax.__version__,
        gains=", ".join(f"{gain:.0f}" for gain in GAINS),
        enough=ENOUGH,
        operation=float(residue(6).digital.op_energy_j) * 1e12,
        same=same_converters(),
        instead=instead(),
        segments=segments,
        loss=loss,
        machines=machines(),
        silicon=silicon_pj_per_mac(),
        redundant=decoding_operations(4, 2),
        plain=decoding_operations(4, 0),
    )


if __name__ == "__main__":
    PAGE.write_text(page())
