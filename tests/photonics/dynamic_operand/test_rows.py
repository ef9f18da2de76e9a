"""Files of the family: what they may say, spellings in decibels, and combinations that nobody can build."""

import pytest

import photonics
from photonics.catalogue import read_engine_file


def test_eight_bits_differ_in_converters_and_light_only():
    four, eight = (read_engine_file(name).values for name in ("lightening-dota-b", "lightening-dota-b-8bit"))
    differing = {path for path in four if four[path] != eight[path]}
    assert differing == {"operating_point.laser_power_w", "dac.bits", "adc.bits", "ranging.sigmas"}


def test_losses_may_be_given_in_decibels(dota):
    lossy = photonics.load_engine("lightening-dota-b", ["link.modulator_loss_db=10"])
    assert lossy.link.modulator_transmission == pytest.approx(0.1)  # pyright: ignore[reportAttributeAccessIssue]
    assert dota.link.router_transmission == pytest.approx(10**-0.093)


def test_a_converter_that_nobody_has_built_is_refused():
    with pytest.raises(ValueError, match="beyond all converters built"):
        photonics.load_engine("lightening-dota-b", ["adc.bits=12"])
    # Three symbols for each conversion make it slow enough.
    photonics.load_engine("lightening-dota-b", ["adc.bits=12", "core.accumulated_symbols=3"])
