"""Photons of a dot product: how many the operating point gives, and which accuracy shot noise leaves.

A product of parts |x_k| |v_k| puts e_p |x_k| |v_k| electrons on one of the detectors of its output, so for every output

    N = e_p sum_k |x_k| |v_k|        electrons of one dot product,      N / K of one multiply-accumulate
    y = sum_k x_k v_k,               shot noise  sqrt(N) / e_p

Non-negative operands have y = N / e_p: the relative error is 1 / sqrt(N), whatever the length K. Operands of zero mean
have an rms y of sqrt(K) s_x s_v, which grows more slowly than N: the error depends on N / K. That a constant N for a
dot product is enough for any width, hence an optical energy of 1 / width for a multiply-accumulate, is what Anderson et
al. (TMLR 2024, arXiv 2302.10360) found for trained Transformers; it does not follow from the noise.
"""

import math
from typing import TYPE_CHECKING

from photonics import operands
from photonics.stage import Scalar

if TYPE_CHECKING:
    from photonics.optical_transformer.engine import OpticalTransformerEngine


def electrons_per_path(engine: "OpticalTransformerEngine") -> Scalar:
    """Photoelectrons e_p that one source puts on one detector in one symbol, weight fully open.

    QE P eta / (h nu f columns)
    """
    at = engine.operating_point
    # Joules over joules first: a symbol holds 1e-13 J and a photon 1e-19 J, so their quotient stays in range.
    symbol_j = at.laser_power_w / at.symbol_rate_hz
    return symbol_j * engine.electrons_per_joule() * engine.panel.transmission / engine.panel.columns()


def typical_electrons(engine: "OpticalTransformerEngine") -> Scalar:
    """Photoelectrons N of one full dot product of typical operands (`photonics.operands`), rounding left out."""
    return electrons_per_path(engine) * engine.panel.inputs * operands.mean_magnitude(engine.panel.inputs) ** 2


def with_electrons(engine: "OpticalTransformerEngine", electrons: Scalar) -> "OpticalTransformerEngine":
    """The same machine with the laser power that gives `electrons` for a full dot product of typical operands."""
    return engine.at(laser_power_w=engine.operating_point.laser_power_w * (electrons / typical_electrons(engine)))


def error_of_non_negative(electrons: Scalar) -> Scalar:
    """Relative standard deviation of a dot product of non-negative operands: 1 / sqrt(N). O1 of the references."""
    return 1.0 / electrons**0.5


def error_of_zero_mean(electrons: Scalar, length: Scalar) -> Scalar:
    """Error over the rms product of normal operands of zero mean, N electrons and K products: (2 / pi) sqrt(K / N).

    With E|x| = sqrt(2/pi) s_x: N = e_p K (2/pi) s_x s_v, hence sqrt(N) / e_p over sqrt(K) s_x s_v.
    """
    return 2.0 / math.pi * (length / electrons) ** 0.5
