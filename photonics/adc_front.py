"""Which converters have been built at all: the front of the ADC survey in rate and effective bits."""

import math

# Smallest sampling jitter among the best entries of the survey (B. Murmann, ADC Performance Survey 1997-2025,
# rev 2025-06-09): 200 GS/s at ENOB 5.70 (5 nm, 2024) gives 25.0 fs if it holds up to half the rate. Next come
# 33 fs (1.8 GS/s, 74.6 dB), 57 fs (10 GS/s, 55 dB at 4 GHz) and 63 fs (24 GS/s, 46.5 dB). The survey's own
# aperture plot draws the mean of its three best jitters at the measured input frequency, in the figure only.
FRONT_JITTER_S = 24.9e-15


def front_enob(rate_hz: float) -> float:
    """Largest ENOB that has been built at `rate_hz` conversions per second, for an input at half that rate.

        SNDR = 6.0206 ENOB + 1.7609 dB <= -20 log10(2 pi (f/2) t_jitter)

    Jitter limits fast converters. Slow ones are limited by thermal noise, which `photonics.adc_energy` prices; they
    have no bound here. Lenient by design: no published part lies outside.
    """
    jitter_db = -20.0 * math.log10(math.pi * rate_hz * FRONT_JITTER_S)
    return (jitter_db - 1.7609) / 6.0206


def check_front(enob: float, rate_hz: float) -> None:
    """Raise ValueError where ENOB and rate together lie beyond what has been built."""
    limit = front_enob(rate_hz)
    if enob > limit:
        raise ValueError(
            f"adc.bits - adc.enob_loss asks for {enob:.2f} effective bits at {rate_hz:.3g} conversions/s, beyond all "
            f"converters built ({limit:.2f} at this rate); lower adc.bits or the symbol rate, or raise adc.enob_loss"
        )
