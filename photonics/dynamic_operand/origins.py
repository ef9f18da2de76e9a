"""Where the noise of a dynamic-operand engine comes from: variance of one output by origin, for typical operands."""

from typing import TYPE_CHECKING

import numpy as np

from photonics import operands
from photonics.noise_budget import NoiseTerm, ranked

if TYPE_CHECKING:
    from photonics.dynamic_operand.engine import DynamicOperandEngine


def noise_budget(engine: "DynamicOperandEngine") -> list[NoiseTerm]:
    """Variance of one conversion of a full dot product [electrons^2 of the signal], largest first.

    With K terms, mean square q of the operands and gain g = 2 e_p:

        shot e_p 2 K q,   operands g^2 K q^2 v,   rounding g^2 2 K q / (12 Q^2),   leaning g^2 sum e^2 var(x^2) / 2

    Rounding and leaning are static errors that count with the variance they have over outputs. Left out: clipping.
    """
    core, noise, detection, at = engine.core, engine.operand_noise, engine.detection, engine.operating_point
    terms, gain = engine.inputs, float(engine.gain_electrons())
    vector = np.asarray(operands.typical(terms), np.float64)
    q, fourth = float(np.mean(vector**2)), float(np.mean(vector**4))
    signal2, symbols = gain**2 * terms * q**2, core.symbols(terms)
    imbalance = np.asarray(engine.dispersion.imbalance(terms, core.wavelengths), np.float64)
    shot = float(detection.shot_noise)
    origins = {
        "shot noise of the signal light": shot * gain / 2 * float(noise.power_factor()) * 2 * terms * q,
        "shot noise of the dark current": shot * symbols * float(detection.dark_electrons(at, core.cores_per_tile)),
        "receiver": symbols * float(detection.readout_variance(at)),
        "magnitude of the operands": float(noise.magnitude_variance()) * signal2,
        "phase of the operands": float(noise.phase_variance()) * signal2,
        "dispersion of the couplers": gain**2 * float(np.sum(imbalance**2)) * (fourth - q**2) / 2,
    }
    moving = sum(origins.values()) - origins["dispersion of the couplers"]
    origins["variation of the outputs"] = float(noise.output_deviation) ** 2 * (signal2 + moving)
    if not engine.dac.ideal:
        origins["rounding of the operands"] = gain**2 * 2 * terms * q / (12 * engine.dac.levels() ** 2)
    if not engine.adc.ideal:
        origins["rounding of the outputs"] = (engine.typical_full_scale_electrons() / engine.adc.levels()) ** 2 / 12
    return ranked(origins)
