"""An engine explained: its three budgets as data, what one conversion amounts to, and remarks on what is amiss."""

import dataclasses
import math
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.stats import norm

from photonics.adc import Adc
from photonics.explanation import Electrons, Explanation
from photonics.loaded_panel import LoadedPanel
from photonics.noise_budget import (
    NoiseTerm,
    TypicalConversion,
    conversions,
    typical_full_scale,
    typical_signal_electrons,
    weight_light,
)
from photonics.remarks import Facts, Filling, fill_share, remarks
from photonics.stage import stage, static

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine
    from photonics.work import Work

# What reaches the converter is everything but its own rounding.
_ROUNDING = "ADC rounding"
# Normal signals stay within this many deviations but for 6e-5 of them.
_REACH = 4.0


def explain(
    engine: "FreeSpaceEngine",
    *,
    work: "Work | None" = None,
    sample: Array | None = None,
    w: Array | LoadedPanel | None = None,
    chosen: Collection[str] = (),
) -> Explanation:
    """Budgets of an engine at its operating point, and what is amiss; see `Explanation`.

    Typical operands are those of `photonics.operands`. With activations `sample` (..., k) and weights `w`, the use of
    the converter's range is measured on them instead: `w` is a panel, with the ranges that it has, or a matrix (k, n),
    whose ranges are then set from the same sample. `work` adds how well its shapes fit the panel; of
    the settings in `chosen` it is a warning, and the reason is told, if they have no effect.

    Concrete engines only, no tracers. Raises ValueError for a sample without weights, for shapes that do not fit
    and, as `cost` does, for a converter that nobody has built.
    """
    if (sample is None) != (w is None):
        raise ValueError("to measure clipping, explain needs both: sample (..., k), and w, weights (k, n) or a panel")
    at = engine.operating_point
    noise = tuple(engine.noise_budget())
    power_w = {part: float(watt) for part, watt in engine.power_budget().items()}
    signal, deviation = typical_signal_electrons(engine), math.sqrt(sum(term.variance_electrons2 for term in noise))
    full_scale = typical_full_scale(engine) * float(engine.gain_electrons())
    typical = conversions(engine)
    measured = None if sample is None or w is None else measured_filling(engine, sample, w)
    snr_db = 20 * math.log10(signal / deviation) if deviation and signal else None
    facts = Facts(
        engine=engine,
        noise={term.origin: term.variance_electrons2 for term in noise},
        power_w=power_w,
        signal_electrons=signal,
        diode_electrons=_diode_electrons(engine, typical),
        pass_electrons=_pass_electrons(engine, typical),
        absorbed_w=float(engine.absorbed_power_w()),
        filling=None if engine.adc.ideal else measured or _typical_filling(engine, typical, noise),
        work=work,
        chosen=chosen,
    )
    encoding = engine.encoding
    return Explanation(
        engine=engine.name,
        laser_power_w=float(at.laser_power_w),
        symbol_rate_hz=float(at.symbol_rate_hz),
        link=tuple(engine.link_budget()),
        noise=noise,
        power_w=dict(sorted(power_w.items(), key=lambda item: -item[1])),
        electrons=Electrons(
            signal_rms=signal,
            noise_rms=deviation,
            full_scale=full_scale,
            lsb=full_scale / engine.adc.levels(),
            per_joule=float(engine.photodetector.electrons_per_joule(engine.source.photon_energy_j())),
        ),
        snr_db=snr_db,
        effective_bits=None if snr_db is None else (snr_db - 1.76) / 6.02,
        photons_per_mac=facts.diode_electrons
        / engine.source.count
        * encoding.passes
        * encoding.rails
        * encoding.panels,
        absorbed_w=facts.absorbed_w,
        filling=facts.filling,
        fill=None if work is None else fill_share(engine, work),
        warnings=remarks(facts),
    )


def measured_filling(engine: "FreeSpaceEngine", sample: Array, w: Array | LoadedPanel) -> Filling:
    """Use of the converter's range by activations (..., k) on weights (k, n), noise included: one draw of each signal.

    The product itself is run, with converters that count what they see; so any encoding is measured as it is.
    """
    panel = w if isinstance(w, LoadedPanel) else engine.load_panel(w, sample=sample)
    seen: list[tuple[Array, Array]] = []
    fields = {field.name: getattr(engine.adc, field.name) for field in dataclasses.fields(engine.adc)}
    adc = _CountingAdc(**{**fields, "ideal": False}, count=lambda *shares: seen.append(shares))
    jax.block_until_ready(dataclasses.replace(engine, adc=adc).matmul(jax.random.key(0), sample, panel))
    jax.effects_barrier()
    clipped, square = (float(sum(values) / len(seen)) for values in zip(*seen, strict=True))
    return Filling(1 / math.sqrt(square) if square else math.inf, clipped, measured=True)


@stage
class _CountingAdc(Adc):
    """A converter that also tells `count` the share of clipped signals, and their mean square over full scale."""

    count: Callable[[Array, Array], None] = static()

    def convert(self, signal: Array, full_scale: Array) -> Array:
        level = jnp.abs(signal) / full_scale
        jax.debug.callback(self.count, jnp.mean(level > 1.0), jnp.mean(jnp.square(level)))
        return super().convert(signal, full_scale)


def _typical_filling(
    engine: "FreeSpaceEngine", typical: list[TypicalConversion], noise: tuple[NoiseTerm, ...]
) -> Filling:
    """Normal signals with the noise that reaches the converter: P(|z| > FS) = Q((FS - mean)/s) + Q((FS + mean)/s)."""
    gain, rows = float(engine.gain_electrons()), engine.source.count
    arriving = sum(term.variance_electrons2 for term in noise if term.origin != _ROUNDING)
    # The budget weighs every conversion by what it is worth in the output; here it is one conversion alone.
    worth = sum(conversion.weight**2 for conversion in typical) / engine.encoding.repetitions
    clipped = filled = 0.0
    for conversion in typical:
        full_scale = typical_full_scale(engine, conversion.digit)
        middle = full_scale if engine.unipolar() else 0.0
        drive, weight = np.asarray(conversion.exposure.meant), weight_light(engine, conversion)
        mean = (drive.mean() + float(conversion.exposure.base)) * weight.mean() * rows
        mean += float(engine.constant_signal(rows)) - middle
        deviation = math.sqrt(drive.var() * np.mean(weight**2) * rows + arriving / worth / gain**2)
        clipped += float(norm.sf(full_scale - mean, scale=deviation) + norm.sf(full_scale + mean, scale=deviation))
        filled += float(mean**2 + deviation**2) / full_scale**2
    count = len(typical)
    return Filling(math.sqrt(count / filled) if filled else math.inf, clipped / count, measured=False)


def _diode_electrons(engine: "FreeSpaceEngine", typical: list[TypicalConversion]) -> float:
    """Photoelectrons of one photodiode in one pass, mean over passes, rails and panels."""
    light = np.mean([part.mean() for conversion in typical for part in conversion.lights])
    transmission = np.mean([part.mean() for conversion in typical for part in conversion.rails])
    return float(engine.electrons_per_path()) * engine.source.count * float(light * transmission)


def _pass_electrons(engine: "FreeSpaceEngine", typical: list[TypicalConversion]) -> float:
    """Largest signal that a receiver has to follow in one pass: mean and four deviations [electrons]."""
    path, rows, reach = float(engine.electrons_per_path()), engine.source.count, 0.0
    for conversion in typical:
        weight = weight_light(engine, conversion) * (1.0 - float(engine.panel.floor()))
        for light in conversion.lights:
            mean, square = light.mean() * weight.mean(), np.mean(light**2) * np.mean(weight**2)
            # Not below 0, where rounding of equal numbers may lead.
            deviation = math.sqrt(rows * max(square - mean**2, 0.0))
            reach = max(reach, path * (rows * abs(mean) + _REACH * deviation))
    return float(reach)
