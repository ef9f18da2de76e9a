"""Noise of one output of an `optical-transformer` engine by origin, for typical operands."""

import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from photonics import operands
from photonics.noise_budget import NoiseTerm, ranked
from photonics.optical_transformer.photon_budget import electrons_per_path, typical_electrons

if TYPE_CHECKING:
    from photonics.optical_transformer.engine import OpticalTransformerEngine


def noise_budget(engine: "OpticalTransformerEngine") -> list[NoiseTerm]:
    """Variance of one output of a full tile [electrons^2 of the signal], largest first; rounding counts as noise."""
    count, path = engine.panel.inputs, float(electrons_per_path(engine))
    signal = count * operands.mean_square(count) * path**2
    full_scale = typical_full_scale_electrons(engine)
    times, adc, receiver = engine.encoding.conversions, engine.adc, engine.receiver
    lsb = 0.0 if adc.ideal else full_scale / adc.levels()
    rounded, lifted = _weight_errors(engine)
    return ranked(
        {
            "shot noise of the signal light": receiver.shot_noise * float(typical_electrons(engine)),
            "receiver": times * float(receiver.readout_variance(engine.operating_point)),
            "ADC rounding": times * lsb**2 / 12,
            "ADC noise beyond rounding": 0.0 if adc.ideal else times * float(adc.noise_variance(full_scale)),
            "random rounding": times * float(engine.quantiser.output_variance(lsb)),
            "activation rounding": 0.0 if engine.dac.ideal else signal / engine.dac.levels() ** 2 / 12,
            "weight rounding": signal * rounded,
            "least transmission of weights": signal * lifted,
        }
    )


def _weight_errors(engine: "OpticalTransformerEngine") -> tuple[float, float]:
    """Mean square error of a typical weight from its levels, and what the floor adds."""
    if engine.quantiser.ideal:
        return 0.0, 0.0
    rounded = 1.0 / (engine.quantiser.codes() - 1) ** 2 / 12
    vector = jnp.asarray(operands.typical(engine.panel.inputs), jnp.float32)
    error = np.asarray(engine.quantiser.weights(vector), float) - np.asarray(jnp.clip(vector, -1.0, 1.0), float)
    return rounded, max(float(np.mean(error**2)) - rounded, 0.0) if float(engine.quantiser.floor) > 0 else 0.0


def typical_signal_electrons(engine: "OpticalTransformerEngine") -> float:
    """Rms signal of one output of a full tile of typical operands [electrons]."""
    count = engine.panel.inputs
    return float(electrons_per_path(engine)) * math.sqrt(count) * operands.mean_square(count)


def typical_full_scale_electrons(engine: "OpticalTransformerEngine") -> float:
    """Half range of one converter for the same operands [electrons]."""
    vector = jnp.asarray(operands.typical(engine.panel.inputs), jnp.float32)
    full_scale = engine.full_scale_of(None, {"v": vector[None, :, None]})
    return float(full_scale[0, 0]) * float(electrons_per_path(engine))
