"""Files of the family: the catalogue engine, overrides, refusals."""

import pytest

from photonics.catalogue import apply_overrides, read_engine_file
from photonics.optical_transformer.rows import FAMILY

NAME = "optical-transformers"


def test_the_catalogue_engine_is_complete_and_honest_about_memory():
    file = read_engine_file(NAME)
    assert file.family == FAMILY.name and set(file.values) == set(FAMILY.row_of)
    for path in ("panel.hold_power_w", "receiver.sample_energy_j", "source.modulation_energy_j"):
        assert "from memory" in file.sources[path].title + (file.sources[path].note or "")
    for path in ("dac.reference_energy_j", "adc.walden_fom_j"):
        assert "third party" in file.sources[path].title + (file.sources[path].note or "")


def test_a_loss_may_be_given_in_decibels():
    assert read_engine_file(NAME).values["panel.transmission"] == pytest.approx(10**-0.3)
    changed = apply_overrides(read_engine_file(NAME), ["panel.insertion_loss_db=10"])
    assert changed.values["panel.transmission"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("adc.enob_loss=7.5", "leave at least 1 effective bit, so be at most 7"),
        ("adc.bits=12", "beyond all converters built"),
        ("quantiser.levels=2", r"a whole number in \[4, 65536\]"),
        ("quantiser.floor=1", r"a number in \[0, 1\)"),
        ("encoding.signs=offset", "one of rails, passes"),
        ("panel.bits=8", "unknown"),
    ],
)
def test_what_does_not_fit_is_refused(override, message):
    with pytest.raises(ValueError, match=message):
        apply_overrides(read_engine_file(NAME), [override])
