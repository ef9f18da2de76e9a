"""What an analog-to-digital conversion costs, by any of five models; which parts exist stands in `adc_front`.

No model is right for every part: `docs/converters.md` shows each against what has been built.
"""

from typing import Literal

import jax.numpy as jnp
from jax import Array

from photonics.stage import Scalar

EnergyModel = Literal["largest", "murmann", "schreier", "andrulis", "walden"]

# B. Murmann, ADC Performance Survey 1997-2025, rev 2025-06-09, energy envelope: mean of the three best parts at
# the low- and the high-resolution end. Low-speed parts, so a floor.
_MURMANN_FLAT_J = 0.267e-12
_MURMANN_THERMAL_J = 0.145e-18

# The same survey, rev 2026-08-01, its file plots/foms_plot.json: mean of the five best figures of merit at high input
# frequency, and the rate above which that envelope falls by 10 dB per decade.
_SCHREIER_BEST_DB = 186.72
_SCHREIER_CORNER_HZ = 46.73e6

# Where the rate-aware energy stops falling with fewer bits: 2.82913 / ((0.60206 - 0.322051) ln 10) = 4.39.
_LEAST_ENOB = 4.4


def conversion_energy_j(
    model: EnergyModel, enob: Scalar, rate_hz: Scalar, technology_m: Scalar, walden_fom_j: Scalar
) -> Scalar:
    """Energy charged per conversion under the named model [J]; arguments that a model lacks are not read.

    largest    the larger of murmann and andrulis: neither extrapolates below the other
    murmann    best measured energy at any rate
    schreier   the same envelope, which rises with the rate
    andrulis   regression over parts, by rate and process node
    walden     FOM 2^ENOB
    """
    if model == "murmann":
        return murmann_energy_j(enob)
    if model == "schreier":
        return schreier_energy_j(enob, rate_hz)
    if model == "walden":
        return walden_energy_j(enob, walden_fom_j)
    if model == "andrulis":
        return andrulis_energy_j(enob, rate_hz, technology_m)
    return jnp.maximum(murmann_energy_j(enob), andrulis_energy_j(enob, rate_hz, technology_m))


def murmann_energy_j(enob: Scalar) -> Scalar:
    """Best measured energy per conversion at any rate: 0.267 pJ + 0.145 aJ 4^ENOB [J]."""
    return _MURMANN_FLAT_J + _MURMANN_THERMAL_J * 4.0**enob


def schreier_energy_j(enob: Scalar, rate_hz: Scalar) -> Array:
    """Best measured energy per conversion at a rate: what noise asks for, on top of the survey's floor [J].

        FOM_S = 186.72 dB - 10 log10 sqrt(1 + (f / 46.73 MHz)^2)
        E     = 0.267 pJ + 10^((SNDR - FOM_S)/10) / 2,   SNDR = 6.0206 ENOB + 1.7609 dB

    Far below the corner the second term is 0.160 aJ 4^ENOB, the Murmann envelope within its choice of parts. Both
    terms are envelopes of the survey; adding them is ours, because the figure of merit alone would let a conversion
    of few bits cost next to nothing.
    """
    least_j = 0.5 * 10.0 ** ((sndr_db(enob) - _SCHREIER_BEST_DB) / 10.0)
    return _MURMANN_FLAT_J + least_j * jnp.sqrt(1.0 + (rate_hz / _SCHREIER_CORNER_HZ) ** 2)


def walden_energy_j(enob: Scalar, fom_j: Scalar) -> Scalar:
    """FOM 2^ENOB [J], `fom_j` per conversion step: how data sheets are compared; holds near the part it comes from.

    R. H. Walden, Analog-to-digital converter survey and analysis, IEEE J. Sel. Areas Commun. 17, 539 (1999).
    """
    return fom_j * 2.0**enob


def sndr_db(enob: Scalar) -> Scalar:
    """Signal over noise and distortion of a full-scale sine: 6.0206 ENOB + 1.7609 dB."""
    return 6.0206 * enob + 1.7609


def andrulis_energy_j(enob: Scalar, rate_hz: Scalar, technology_m: Scalar) -> Array:
    """Rate-aware energy per conversion, a regression over the same survey [J].

        FOM_S = min(213.78 - 2.8719 ln f, 128.3068 + 3.22051 ENOB)                                 [dB]
        E     = 10^(-(FOM_S - SNDR)/10) / 2 * exp(26.0496 + 1.88004 ln(node/nm) - 2.82913 ln ENOB - 1.47020)  [pJ]

    The last term takes the regression to the best fifth of the parts. The original looks the second limit up at the
    next whole ENOB, which would make 8.1 bits cheaper than 8.0; the regression itself is this line, and both agree at
    whole bits. Below 4.4 bits, where it turns round, 4.4 are charged. Nodes under 16 nm extrapolate to energies below
    any measured one, which `largest` does not follow.

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
