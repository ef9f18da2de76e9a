import pytest

from experiments.words import engineering


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.234e-3, "1.23 mW"),
        (0.9999, "1 W"),
        (999.9, "1 kW"),
        (0.3, "300 mW"),
        (5e-22, "0.0005 aW"),
        (0.0, "0 W"),
        (-2e-6, "-2 uW"),
        (float("inf"), "inf W"),
        (None, "-"),
    ],
)
def test_engineering(value, text):
    assert engineering(value, "W") == text
