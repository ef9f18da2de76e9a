"""Bits that a converter keeps: at least one, and no more than has been built."""

import pytest

from photonics.effective_bits import check_effective_bits


def test_converters_that_nobody_has_built_are_refused():
    check_effective_bits({"adc.bits": 8, "adc.enob_loss": 1.5}, 1e9)
    with pytest.raises(ValueError, match="at least 1 effective bit, so be at most 7"):
        check_effective_bits({"adc.bits": 8, "adc.enob_loss": 7.5}, 1e9)
    with pytest.raises(ValueError, match="beyond all converters built"):
        check_effective_bits({"adc.bits": 12, "adc.enob_loss": 0.0}, 1e11)
