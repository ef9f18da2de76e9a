"""The schema against the stages it describes, and what its rows accept."""

import dataclasses
import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonics.schema import DECIBELS, RECEIVER_KIND, RECEIVERS, ROWS, nearest, paths

# Unit of a field by the end of its name; the siemens of a transconductance are the exception in `_SIEMENS`.
_SUFFIXES = {
    "_j_per_byte": "J/byte",
    "_per_hz": "1/Hz",
    "_per_root_s": "1/sqrt(s)",
    "_f_per_m2": "F/m^2",
    "_w": "W",
    "_hz": "Hz",
    "_k": "K",
    "_j": "J",
    "_m": "m",
    "_s": "s",
    "_a": "A",
    "_v": "V",
    "_f": "F",
    "_ohm": "ohm",
    "_byte": "byte",
}
_SIEMENS = "receiver.transconductance_siemens"


def _stage_fields() -> dict[str, dataclasses.Field]:
    from photonics.free_space import FreeSpaceEngine
    from photonics.receiver import IntegratingReceiver, TransimpedanceReceiver

    fields: dict[str, dataclasses.Field] = {}
    for group in dataclasses.fields(FreeSpaceEngine):
        if group.name == "name":
            continue
        both = (TransimpedanceReceiver, IntegratingReceiver)
        stages: tuple[Any, ...] = both if group.name == "receiver" else (group.type,)
        for stage in stages:
            fields |= {f"{group.name}.{field.name}": field for field in dataclasses.fields(stage)}
    return fields


def test_the_schema_has_exactly_the_fields_of_the_stages():
    assert set(ROWS) - {RECEIVER_KIND} == set(_stage_fields())


def test_types_are_those_of_the_stages():
    for path, field in _stage_fields().items():
        row, static = ROWS[path], field.metadata.get("static", False)
        expected = {"int": int, "bool": bool}.get(row.type)
        if expected is not None:
            assert field.type is expected and static, path
        elif row.type == "choice":
            assert set(row.choices) == set(get_args(field.type)) and static, path
        else:
            # A physical value is a leaf; the percentiles of the encoding are static numbers.
            assert not static or field.type is float, path


def test_every_receiver_kind_gives_the_fields_of_its_class():
    from photonics.receiver import IntegratingReceiver, TransimpedanceReceiver

    classes = {"transimpedance": TransimpedanceReceiver, "integrating": IntegratingReceiver}
    assert set(classes) == set(RECEIVERS) == set(ROWS[RECEIVER_KIND].choices)
    for kind, stage in classes.items():
        names = {f"receiver.{field.name}" for field in dataclasses.fields(stage)}
        assert {path for path in paths(kind) if path.startswith("receiver.")} == names | {RECEIVER_KIND}
        assert set(paths(kind)) - names == set(paths(None))


def test_units_agree_with_the_names():
    for path, row in ROWS.items():
        ending = next((suffix for suffix in _SUFFIXES if path.endswith(suffix)), None)
        if path == _SIEMENS:
            assert row.unit == "S"
        elif ending is not None:
            assert row.unit == _SUFFIXES[ending], path
        else:
            assert row.unit in ("", "1", "%"), path


def test_rows_refuse_what_lies_outside_their_interval():
    power = ROWS["operating_point.laser_power_w"]
    assert power.read(1) == 1.0 and isinstance(power.read(1), float)
    for wrong in (0, -1.0, math.inf, -math.inf, math.nan, True, "1", None, 10**400):
        with pytest.raises(ValueError, match=r"operating_point\.laser_power_w is .*a number in \[1e-24, 1e\+24\] W"):
            power.read(wrong)
    bits = ROWS["adc.bits"]
    assert bits.read(2) == 2 and bits.read(12) == 12
    for wrong in (1, 13, 8.0, True, "8"):
        with pytest.raises(ValueError, match=r"adc\.bits is .*a whole number in \[2, 12\]"):
            bits.read(wrong)


def test_infinity_is_a_value_where_the_interval_is_closed_there():
    assert ROWS["panel.extinction_ratio"].read(math.inf) == math.inf
    infinite = {path for path, row in ROWS.items() if row.interval.endswith("inf]")}
    assert infinite == {"panel.extinction_ratio", "modulator.extinction_ratio"}


@given(st.sampled_from([row for row in ROWS.values() if row.type == "float"]), st.floats())
def test_a_row_accepts_a_number_exactly_when_it_lies_in_the_interval(row, value):
    low, high = (float(end) for end in row.interval[1:-1].split(","))
    inside = (
        low < value < high or (value == low and row.interval[0] == "[") or (value == high and row.interval[-1] == "]")
    )
    if inside:
        assert row.read(value) == value
        assert row.parse(repr(value)) == value
    else:
        with pytest.raises(ValueError, match="it should be"):
            row.read(value)


def test_text_becomes_a_value_of_the_right_type():
    assert ROWS["dac.bits"].parse(" 8 ") == 8
    assert ROWS["operating_point.laser_power_w"].parse("3e-2") == 0.03
    assert ROWS["panel.extinction_ratio"].parse("inf") == math.inf
    assert ROWS["encoding.rotate"].parse("False") is False
    assert ROWS["source.noise"].parse("common") == "common"
    for path, text, right in (
        ("dac.bits", "8.5", "a whole number"),
        ("dac.bits", "eight", "a whole number"),
        ("dac.bits", "13", "a whole number"),
        ("encoding.rotate", "1", "true or false"),
        ("source.noise", "comon", "independent, common, none"),
        ("adc.enob_loss", "nan", "a number"),
    ):
        with pytest.raises(ValueError, match=rf"{path} is .*{text}.*{right}"):
            ROWS[path].parse(text)


def test_decibels_stand_for_ratios():
    assert DECIBELS["panel.insertion_loss_db"].ratio(10.0) == pytest.approx(0.1)
    assert DECIBELS["panel.extinction_ratio_db"].ratio(20.0) == pytest.approx(100.0)
    assert DECIBELS["source.rin_db_per_hz"].ratio(-140.0) == pytest.approx(1e-14)
    assert DECIBELS["panel.extinction_ratio_db"].ratio(math.inf) == math.inf
    for key, decibel in DECIBELS.items():
        assert decibel.path in ROWS and key not in ROWS and "db" in key
        assert decibel.decibels(decibel.ratio(3.0)) == pytest.approx(3.0)


def test_the_nearest_name_is_the_most_similar():
    assert nearest("adc.bit", ROWS) == "adc.bits"
    assert nearest("anything", []) == ""
