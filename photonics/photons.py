"""Photons and the electrons that they free: what every source and every photodiode has in common."""

from photonics.stage import OperatingPoint, Scalar
from photonics.units import ELEMENTARY_CHARGE_C, LIGHT_SPEED_M_PER_S, PLANCK_J_S


def photon_energy_j(wavelength_m: Scalar) -> Scalar:
    """Energy of one photon of this vacuum wavelength: h c / lambda [J]."""
    # Written so that no intermediate leaves the range of float32.
    return (PLANCK_J_S * LIGHT_SPEED_M_PER_S * 1e19) / wavelength_m * 1e-19


def electrons_per_joule(quantum_efficiency: Scalar, photon_j: Scalar) -> Scalar:
    """Photoelectrons per joule of light on a photodiode: QE / (h nu), for photons of `photon_j` [1/J]."""
    # In units of 1e-19 J: the square of a photon energy, which the gradient divides by, would leave float32.
    return quantum_efficiency / (photon_j * 1e19) * 1e19


def dark_electrons(dark_current_a: Scalar, at: OperatingPoint) -> Scalar:
    """Mean dark electrons of one photodiode in one symbol: I_d / (q f)."""
    # Two quotients: the product of charge and rate may leave float32 in a gradient.
    return (dark_current_a / ELEMENTARY_CHARGE_C) / at.symbol_rate_hz
