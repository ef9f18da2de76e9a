"""Where the noise of a homodyne engine comes from: variance of one output by origin, for typical operands."""

import math
from typing import TYPE_CHECKING

import numpy as np

from photonics import operands
from photonics.noise_budget import NoiseTerm, ranked

if TYPE_CHECKING:
    from photonics.homodyne.engine import HomodyneEngine


def noise_budget(engine: "HomodyneEngine") -> list[NoiseTerm]:
    """Variance of one output of a full tile of typical operands, largest first [electrons^2 of the signal].

    What is random is divided by the repetitions, what is fixed is not. Rounding of the converter is counted as random.
    """
    repetitions = engine.encoding.repetitions
    terms = {origin: variance / repetitions for origin, variance in _random(engine).items()}
    return ranked(terms | _fixed(engine))


def signal_variance(engine: "HomodyneEngine") -> float:
    """Variance of one output for typical operands [electrons^2]: (2 a b)^2 K ms^2, ms their mean square."""
    by_weights, by_drives = (float(electrons) for electrons in engine.electrons_per_symbol())
    rows = engine.array.integration
    return 4.0 * by_weights * by_drives * rows * operands.mean_square(rows) ** 2


def typical_full_scale(engine: "HomodyneEngine") -> float:
    """Half range of one converter for typical operands [electrons]."""
    by_weights, by_drives = (float(electrons) for electrons in engine.electrons_per_symbol())
    vector = np.asarray(operands.typical(engine.array.integration), np.float32)[None, :, None]
    normalised = engine.full_scale_of(None, {"signal": vector})  # pyright: ignore[reportArgumentType]
    return 2.0 * math.sqrt(by_weights * by_drives) * float(normalised[0, 0])


def _random(engine: "HomodyneEngine") -> dict[str, float]:
    """Variance from draw to draw."""
    at, rows, pair = engine.operating_point, engine.array.integration, engine.pair
    mean_square, floor = operands.mean_square(rows), _floor(engine)
    by_weights, by_drives = (float(electrons) for electrons in engine.electrons_per_symbol())
    counted = rows * (by_weights + by_drives) * pair.shot_noise
    full_scale, adc = typical_full_scale(engine), engine.adc
    rin = float(engine.laser.relative_variance(at))
    # Fourth moments of normal operands: <p^2> = 3 ms^2.
    unbalanced = (3.0 * (by_weights**2 + by_drives**2) + 2.0 * by_weights * by_drives) * rows * mean_square**2
    imbalance = float(pair.imbalance_residual) ** 2 / 4.0 * pair.fixed_pattern
    moments, twist = engine.phase.moments(), math.exp(-2.0 * _phase_variance(engine))
    power = mean_square + (1.0 - mean_square) * floor
    in_phase = mean_square - (1.0 - mean_square) * floor
    jitter = float(moments.power) * power**2 + float(moments.twice) * twist * in_phase**2
    return {
        "shot noise of the operands' light": counted * mean_square,
        "shot noise of the extinction floor": counted * (1.0 - mean_square) * floor,
        "shot noise of the dark current": 2.0 * rows * float(pair.dark_electrons(at)) * pair.shot_noise,
        "reset of the capacitor": float(engine.integrator.reset_variance(at, engine.diodes_f())),
        "amplifier": float(engine.integrator.amplifier_variance(at, engine.diodes_f())),
        "laser intensity": rin * (signal_variance(engine) + imbalance * unbalanced),
        "phase jitter": 4.0 * by_weights * by_drives * rows * jitter,
        "ADC rounding": 0.0 if adc.ideal else (full_scale / adc.levels()) ** 2 / 12,
        "ADC noise beyond rounding": 0.0 if adc.ideal else float(adc.noise_variance(full_scale)),
    }


def _fixed(engine: "HomodyneEngine") -> dict[str, float]:
    """Mean square error that averaging does not remove."""
    rows, pair, signal = engine.array.integration, engine.pair, signal_variance(engine)
    mean_square, floor = operands.mean_square(rows), _floor(engine)
    by_weights, by_drives = (float(electrons) for electrons in engine.electrons_per_symbol())
    per_product2 = 4.0 * by_weights * by_drives
    along, phase = float(engine.phase.moments().along), _phase_variance(engine)
    turned_away = 1.0 - 2.0 * along * math.exp(-phase / 2) + along**2 * (1.0 + math.exp(-2.0 * phase)) / 2.0
    across = along**2 * (1.0 - math.exp(-2.0 * phase)) / 2.0
    leaked = 2.0 * rows * mean_square * (1.0 - mean_square) * floor
    vector = np.asarray(operands.typical(rows))
    open_ = np.sqrt(np.maximum(1.0 - vector**2, 0.0))
    mean, power = float(np.mean(open_)), float(np.mean(open_**2))
    leaks = floor**2 * ((rows * (1.0 - mean**2)) ** 2 + rows * (power**2 - mean**4))
    unbalanced = ((by_weights + by_drives) * rows * mean_square * (1.0 - floor)) ** 2
    there = float(pair.fixed_pattern)
    share = _settling_share(engine)
    settled = ((1.0 - share) ** 2 - 1.0) ** 2 + 2.0 * (share * (1.0 - share)) ** 2 + share**4
    return {
        "activation rounding": 0.0 if engine.dac.ideal else _rounding(per_product2, rows, engine.dac.levels()),
        "weight rounding": 0.0
        if engine.weight_dac.ideal
        else _rounding(per_product2, rows, engine.weight_dac.levels()),
        "phase residuals": signal * turned_away + per_product2 * across * leaked,
        "leak times leak": per_product2 * leaks,
        "gain residuals": there * float(pair.gain_residual) ** 2 * signal,
        "imbalance of the photodiodes": there * float(pair.imbalance_residual) ** 2 / 4.0 * unbalanced,
        "settling of the modulators": settled * signal,
    }


def _rounding(per_product2: float, rows: int, levels: int) -> float:
    return per_product2 * rows * operands.mean_square(rows) / levels**2 / 12.0


def _floor(engine: "HomodyneEngine") -> float:
    return 1.0 / float(engine.modulator.extinction_ratio) if engine.modulator.leaks else 0.0


def _phase_variance(engine: "HomodyneEngine") -> float:
    phase = engine.phase
    walk2 = float(phase.drift_rad_per_root_s) ** 2 * float(engine.operating_point.age_s)
    return (float(phase.residual_rad) ** 2 + walk2) * phase.fixed_pattern


def _settling_share(engine: "HomodyneEngine") -> float:
    modulator, at = engine.modulator, engine.operating_point
    if not modulator.settling:
        return 0.0
    return math.exp(-2.0 * math.pi * float(modulator.bandwidth_hz) / float(at.symbol_rate_hz))
