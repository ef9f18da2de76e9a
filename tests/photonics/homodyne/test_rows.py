"""Files of the family: values that do not fit together are refused, published ones say where they stand."""

import pytest

import photonics
from photonics.catalogue import read_engine_file


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("adc.enob_loss=9.5", "effective bit"),
        ("array.units_per_adc=20000", "units_per_adc"),
        ("array.weight_share=1", "weight_share"),
        ("adc.enob_loss=0", "beyond all converters"),
    ],
)
def test_values_that_do_not_fit_are_refused(setting, message):
    fast = ["array.integration=1", "array.units_per_adc=128"] if "enob_loss=0" in setting else []
    with pytest.raises(ValueError, match=message):
        photonics.load_engine("homodyne", [*fast, setting])


def test_the_published_core_states_what_is_published():
    file = read_engine_file("homodyne-2026")
    for path in ("array.rows", "array.columns", "operating_point.symbol_rate_hz"):
        assert file.sources[path].kind == "paper" and "2604.18496" in file.sources[path].title
    assert (file.values["array.rows"], file.values["array.columns"]) == (100, 256)
