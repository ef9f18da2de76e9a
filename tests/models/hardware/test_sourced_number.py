import re

import pytest

from models.hardware.sourced_number import Number, check_keys, number, text

GOOD = {"value": 2, "kind": "vendor", "source": "a data sheet"}


def test_a_number_is_what_its_table_says():
    entry = {**GOOD, "kind": "projection", "low": 1, "high": 3.5, "note": "guessed", "url": "here"}
    expected = Number(
        value=2.0, kind="projection", source="a data sheet", note="guessed", url="here", low=1.0, high=3.5
    )
    assert number({"tdp_w": entry}, "machine.x", "tdp_w") == expected


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (700, "machine.x.tdp_w is 700; it should be a table"),
        ({**GOOD, "vaule": 2}, "unknown key 'machine.x.tdp_w.vaule'; the nearest is 'value'"),
        ({"value": 2, "kind": "vendor"}, "machine.x.tdp_w lacks source"),
        ({**GOOD, "source": " "}, "machine.x.tdp_w.source is ' '; it should be a text"),
        ({**GOOD, "kind": "rumour"}, "machine.x.tdp_w is of kind 'rumour'; it should be one of measured"),
        ({**GOOD, "value": 0}, "machine.x.tdp_w has value = 0; it should be a positive number"),
        ({**GOOD, "value": True}, "machine.x.tdp_w has value = True; it should be a positive number"),
        ({**GOOD, "low": 1}, "machine.x.tdp_w should state both low and high"),
        ({**GOOD, "kind": "projection"}, "machine.x.tdp_w should state both low and high"),
        ({**GOOD, "low": 3, "high": 4}, "machine.x.tdp_w is 2.0, outside its low = 3.0 and high = 4.0"),
    ],
)
def test_a_number_that_cannot_be_trusted_is_refused(entry, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        number({"tdp_w": entry}, "machine.x", "tdp_w")


def test_keys_are_needed_or_allowed():
    check_keys("a", {"b": 1, "c": 2}, ("b",), ("c", "d"))
    with pytest.raises(ValueError, match="a lacks b"):
        check_keys("a", {"c": 2}, ("b",), ("c",))
    with pytest.raises(ValueError, match="the file lacks b"):
        check_keys("", {}, ("b",))


def test_text_is_text():
    assert text({"name": "H100"}, "a", "name") == "H100"
    with pytest.raises(ValueError, match=r"a\.name is 3; it should be a text"):
        text({"name": 3}, "a", "name")
