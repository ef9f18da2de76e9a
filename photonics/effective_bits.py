"""What bits, lost bits and rate of an ADC have to be together; read by the families' checks. No JAX."""

from collections.abc import Mapping
from typing import Any

from photonics.adc_front import check_front


def check_effective_bits(values: Mapping[str, Any], rate_hz: float) -> None:
    """Raise ValueError where the ADC keeps less than one effective bit, or more than has been built at `rate_hz`.

    Reads "adc.bits" and "adc.enob_loss" of the values of an engine file; `rate_hz` is that of one converter's
    conversions.
    """
    enob = values["adc.bits"] - values["adc.enob_loss"]
    if enob < 1.0:
        raise ValueError(
            f"adc.enob_loss is {values['adc.enob_loss']:g} of adc.bits = {values['adc.bits']}; "
            f"it should leave at least 1 effective bit, so be at most {values['adc.bits'] - 1}"
        )
    check_front(enob, rate_hz)
