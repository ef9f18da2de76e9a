"""Physical constants (exact, SI 2019) and the decibel, the only two things that need a conversion."""

import math

PLANCK_J_S = 6.62607015e-34
LIGHT_SPEED_M_PER_S = 299_792_458.0
ELEMENTARY_CHARGE_C = 1.602176634e-19
BOLTZMANN_J_PER_K = 1.380649e-23


def ratio_from_db(value_db: float) -> float:
    """A power ratio from decibels: 10^(dB/10)."""
    return 10.0 ** (value_db / 10.0)


def db_from_ratio(ratio: float) -> float:
    """Decibels of a power ratio: 10 log10(ratio)."""
    return 10.0 * math.log10(ratio)
