"""What is told of a computed case."""

import dataclasses

import pytest

from experiments.validate_case import Tolerance
from experiments.validate_cases import read_cases
from experiments.validate_output import Computed, briefly, point_rows, print_summary, row, shown, summary
from tests.experiments.validation import one, written


@pytest.fixture
def case(tmp_path):
    return read_cases(written(tmp_path, one()))[0][0]


def test_a_curve_is_judged_by_all_its_values(case):
    good = Computed(case, simulated=(2.676e-13, 4.2e-13))
    bad = Computed(case, simulated=(2.676e-13, 5e-13))
    assert good.passed is True and bad.passed is False
    assert row(bad)["relative_error"] == pytest.approx(5 / 4.19 - 1)
    assert bad.worst == 1 and "FAILS" in briefly(bad)
    assert [point["pass"] for point in point_rows(bad)] == [True, False]
    assert point_rows(good)[1]["ratio_low"] == pytest.approx(0.99)


def test_the_value_furthest_beyond_its_tolerance_is_told(case):
    tolerance = Tolerance("absolute", 1e-13)
    computed = Computed(dataclasses.replace(case, tolerance=tolerance), simulated=(3.5e-13, 5.25e-13))
    # +31 % of the first is within 1e-13, +25 % of the second is not.
    assert computed.worst == 1


def test_what_was_not_computed_has_no_values(case):
    skipped, broken = Computed(case, reason="no data"), Computed(case, error="ValueError: x")
    assert skipped.passed is None and broken.passed is False
    assert row(skipped)["simulated"] is None and row(skipped)["skipped"] is True
    assert row(broken)["relative_error"] is None and "ValueError" in briefly(broken)
    assert summary([skipped, broken]) == {
        **{"cases": 2, "passed": 0, "failed": 1, "skipped": 1},
        "by_construction": 0,
    }


def test_cases_that_pass_by_construction_are_counted_apart(case, capsys):
    given = dataclasses.replace(case, by_construction="the number went in")
    right, wrong = (2.676e-13, 4.2e-13), (2.676e-13, 5e-13)
    computed = [
        Computed(case, right),
        Computed(given, right),
        Computed(given, wrong),
        Computed(given, reason="no data"),
    ]
    counts = summary(computed)
    # One that fails, or was not computed, did not pass by construction.
    assert counts == {"cases": 4, "passed": 2, "failed": 1, "skipped": 1, "by_construction": 1}
    assert row(computed[1])["by_construction"] == "the number went in" and row(computed[0])["by_construction"] == ""
    assert [point["by_construction"] for one in computed[:2] for point in point_rows(one)] == [False, False, True, True]
    assert briefly(computed[1]).endswith("passes by construction") and briefly(computed[0]).endswith("passes")
    print_summary(computed)
    lines = capsys.readouterr().out.splitlines()
    first_words = [line.split()[0] for line in lines if "murmann" in line and "bits" in line]
    assert first_words == ["ok", "given", "FAILS", "skipped"]
    assert lines[-1] == "2 of 4 cases pass, 1 of them by construction (given), 1 fail, 1 skipped"


def test_nothing_published_has_no_relative_error(case):
    none = dataclasses.replace(case, at=(), over=None, published=(0.0,), tolerance=Tolerance("absolute", 1e-5))
    computed = Computed(none, simulated=(1e-6,))
    assert computed.passed and row(computed)["relative_error"] is None
    assert row(computed)["published"] == 0.0 and row(computed)["simulated"] == 1e-6


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1.23456e-15, "J", "1.235 fJ"), (0.5, "1", "0.5"), (60.3e-6, "m^2", "6.03e-05 m^2"), (0.0, "J", "0 J")],
)
def test_values_are_shown_with_units(value, unit, text):
    assert shown(value, unit) == text
