"""The page of published machines says of each case what the file of cases says, and some values are computed again."""

import importlib.util
from pathlib import Path

import pytest

from experiments.validate import computed_values
from experiments.validate_cases import SHIPPED, read_cases
from experiments.validate_output import Computed, row, summary
from experiments.validate_request import engines_of

_SCRIPT = Path(__file__).parents[2] / "docs" / "make_validation.py"
# Values of milliseconds, from several rooms and families.
_COMPUTED_AGAIN = ("O3-thermal", "O15-engines-2048", "O9-power-4bit", "O12-modelled-power", "O21-albireo-tia")
_RUN_AGAIN = "run: exalight validate --slow --out RUN && python docs/make_validation.py RUN"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_validation", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cases():
    return {case.id: case for case in read_cases(SHIPPED)[0]}


@pytest.fixture(scope="module")
def lines(script):
    return script.PAGE.read_text("utf-8").splitlines()


def row_of(script, lines, case) -> list[str]:
    start = f"| **{case.id}** "
    (line,) = (line for line in lines if line.startswith(start))
    return [cell.strip() for cell in line.replace("\\|", "\0").strip("| ").split(" | ")]


def test_every_case_stands_on_the_page_as_in_the_file(script, cases, lines):
    for case in cases.values():
        expected = script.cells(row(Computed(case, reason="not here")))
        there = row_of(script, lines, case)
        for place in (0, 1, 2, 7, 8):
            assert there[place].replace("\0", "|") == expected[place], _RUN_AGAIN
        assert script.tolerance(case.tolerance.to_dict()) == str(case.tolerance)
        assert there[6].endswith(f"({case.tolerance})")
        assert there[3].count("<br>") == there[4].count("<br>") == there[5].count("<br>")


@pytest.mark.parametrize("name", _COMPUTED_AGAIN)
def test_values_are_computed_again(script, cases, lines, name):
    case = cases[name]
    (value,) = computed_values(case, engines_of(case), None)
    assert row_of(script, lines, case)[4] == script.shown(value, case.unit), _RUN_AGAIN


def test_the_page_counts_what_passes_by_construction(script, cases, lines):
    verdicts = [row_of(script, lines, case)[6] for case in cases.values()]
    given = sum(verdict.startswith("passes by construction") for verdict in verdicts)
    passed = sum(verdict.startswith("passes") for verdict in verdicts)
    assert any(
        line.startswith(f"{passed} of {len(cases)} cases pass, of which {given} are arithmetic") for line in lines
    )


def test_misses_are_named_with_their_reason(script, cases, lines):
    failed = [case for case in cases.values() if row_of(script, lines, case)[6].startswith("**fails**")]
    start = lines.index("## Misses")
    misses = "\n".join(lines[start:])
    for case in failed:
        assert case.why, f"{case.id} fails and does not say why"
        assert f"- **{case.id}**" in misses and case.why in misses
    # A reason without a miss would be a case that has been mended since.
    assert {case.id for case in cases.values() if case.why} == {case.id for case in failed}


def test_a_page_is_made_of_passes_misses_and_what_was_skipped(script, cases):
    failed, passed = Computed(cases["O12-modelled-power"], (8.0,)), Computed(cases["O3-thermal"], (3.1e-15,))
    given = Computed(cases["O6-energy"], (1.21e-12,))
    computed = (failed, passed, given, Computed(cases["O2-mnist"], reason="no data"))
    entries, counts = [row(one) for one in computed], summary(computed)
    text = script.page({"cases": entries, "summary": counts}, "Computed now.")
    assert "2 of 4 cases pass, of which 1 are arithmetic on published figures or parameters read from" in text
    assert "the same data; 1 fail, 1 were skipped. Computed now." in text
    assert (
        "| passes by construction (0.5 %) |" in text and "*by construction:* the published power is an argument" in text
    )
    assert "8 TOPS/W for 330 TOPS/W, a ratio of 0.02424." in text
    assert "- **O2-mnist** no data" in text and "3.1 fJ" in text


def test_a_run_of_some_cases_is_refused(script, tmp_path):
    (tmp_path / "result.json").write_text('{"config": {"only": "O1"}}')
    for argv in ([], [str(tmp_path)]):
        with pytest.raises(SystemExit, match="run of"):
            script.main(argv)
