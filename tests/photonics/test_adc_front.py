"""What has been built lies inside the front; what has not is refused."""

import math

import pytest

from photonics.adc_front import FRONT_JITTER_S, check_front, front_enob

# Rate [1/s] and ENOB of the best parts of the ADC survey: rev 2025-06-09 first, then older ones at high ENOB.
_BUILT = [
    (2.7e9, 7.33),
    (2.5e9, 7.15),
    (4.8e9, 7.07),
    (1.8e9, 9.7),
    (10e9, 6.63),
    (8e9, 6.75),
    (52e9, 5.42),
    (200e9, 5.70),
    (24e9, 4.5),
    (0.45e9, 12.80),
    (0.5e9, 10.06),
    (1e9, 10.27),
    (1.8e9, 12.10),
    (5e9, 9.42),
    (10e9, 8.84),
    (24e9, 7.43),
]


@pytest.mark.parametrize(("rate_hz", "enob"), _BUILT)
def test_every_part_of_the_survey_lies_inside(rate_hz, enob):
    check_front(enob, rate_hz)


def test_the_front_is_no_wider_than_the_best_part():
    assert min(front_enob(rate_hz) - enob for rate_hz, enob in _BUILT) < 0.02


def test_the_front_is_the_jitter_of_a_sine_at_half_the_rate():
    rate_hz = 3e9
    sndr_db = 6.0206 * front_enob(rate_hz) + 1.7609
    assert sndr_db == pytest.approx(-20 * math.log10(2 * math.pi * (rate_hz / 2) * FRONT_JITTER_S), abs=1e-9)
    assert front_enob(rate_hz) - front_enob(2 * rate_hz) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("rate_hz", "enob"), [(10e9, 10.5), (200e9, 6.0), (5e9, 12.0)])
def test_beyond_the_front_is_refused(rate_hz, enob):
    with pytest.raises(ValueError, match=r"beyond all converters built.*lower adc\.bits"):
        check_front(enob, rate_hz)
