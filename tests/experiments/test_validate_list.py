"""`exalight validate --list`: every quantity with its unit and arguments, and the cases."""

from experiments.validate_quantities import QUANTITIES
from tests.experiments.validation import command, written


def test_everything_that_a_case_may_ask_for_is_listed():
    status, out, err = command("--list")
    assert status == 0 and err == ""
    text = " ".join(out.split())
    for quantity in QUANTITIES.values():
        assert f"{quantity.name} [{quantity.unit}]" in text
        for argument in quantity.arguments:
            assert f"{argument.name}: " in text or f"{argument.name} [" in text
    assert "measured by others" in text and "from memory, not verified" in text
    assert "O2-mnist" in text and "(needs mnist)" in text and "(slow)" in text


def test_only_chosen_cases_of_a_file_are_listed(tmp_path):
    _, out, _ = command("--list", "--cases", str(written(tmp_path)), "--only", "engines_needed")
    assert "Cases (1)" in out and "murmann" not in out
