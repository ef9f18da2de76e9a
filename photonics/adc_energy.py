"""What an analog-to-digital conversion costs; which converters have been built stands in `photonics.adc_front`."""

import jax.numpy as jnp
from jax import Array

from photonics.stage import Scalar

# B. Murmann, ADC Performance Survey 1997-2025, rev 2025-06-09, energy envelope: mean of the three best parts at
# the low- and the high-resolution end. Low-speed parts, so a floor.
_MURMANN_FLAT_J = 0.267e-12
_MURMANN_THERMAL_J = 0.145e-18

# Where the rate-aware energy stops falling with fewer bits: 2.82913 / ((0.60206 - 0.322051) ln 10) = 4.39.
_LEAST_ENOB = 4.4


def murmann_energy_j(enob: Scalar) -> Scalar:
    """Best measured energy per conversion at any rate: 0.267 pJ + 0.145 aJ 4^ENOB [J]."""
    return _MURMANN_FLAT_J + _MURMANN_THERMAL_J * 4.0**enob


def sndr_db(enob: Scalar) -> Scalar:
    """Signal over noise and distortion of a full-scale sine: 6.0206 ENOB + 1.7609 dB."""
    return 6.0206 * enob + 1.7609


def andrulis_energy_j(enob: Scalar, rate_hz: Scalar, technology_m: Scalar) -> Array:
    """Rate-aware energy per conversion, a regression over the same survey [J].

        FOM_S = min(213.78 - 2.8719 ln f, 128.3068 + 3.22051 ENOB)                                 [dB]
        E     = 10^(-(FOM_S - SNDR)/10) / 2 * exp(26.0496 + 1.88004 ln(node/nm) - 2.82913 ln ENOB - 1.47020)  [pJ]

    The original looks the second limit up at the next whole ENOB, which would make 8.1 bits cheaper than 8.0; the
    regression itself is this line, and both agree at whole bits. Below 4.4 bits, where it turns round, 4.4 are
    charged. Nodes under 16 nm extrapolate: there the Murmann envelope wins in `conversion_energy_j`.

    Andrulis, Chen, Lee, Emer, Sze, Modeling Analog-Digital-Converter Energy and Area for Compute-In-Memory
    Accelerator Design, 2024 (arXiv 2404.06553), coefficients of hwcomponents-adc. Left out: the scatter of real
    parts, a factor of two or more to the worse (16 nm, 0.5 GS/s, ENOB 10.06: 5.6 pJ measured, 2.6 pJ here).
    """
    enob = jnp.maximum(enob, _LEAST_ENOB)
    by_rate_db = 213.78 - 2.8719 * jnp.log(rate_hz)
    by_enob_db = 128.3068 + 3.22051 * enob
    figure_of_merit_db = jnp.minimum(by_rate_db, by_enob_db)
    survey_j = 0.5 * 10.0 ** ((sndr_db(enob) - figure_of_merit_db) / 10.0)
    node_nm = jnp.asarray(technology_m) * 1e9
    # exp(...) of the published form carries joules to picojoules; the factors stay inside float32 in this order.
    correction_pj = jnp.exp(26.0496 + 1.88004 * jnp.log(node_nm) - 2.82913 * jnp.log(enob) - 1.47020)
    return survey_j * correction_pj * 1e-12


def conversion_energy_j(enob: Scalar, rate_hz: Scalar, technology_m: Scalar) -> Array:
    """Energy charged per conversion: the larger of the Murmann envelope and the rate-aware model [J]."""
    return jnp.maximum(murmann_energy_j(enob), andrulis_energy_j(enob, rate_hz, technology_m))
