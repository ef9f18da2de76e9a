"""Files of cases: what is refused and how, and that those shipped are whole."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import RequestError
from experiments.validate_cases import SHIPPED, chosen_cases, read_cases
from experiments.validate_quantities import QUANTITIES
from experiments.validate_request import engines_of
from tests.experiments.validation import PASSES, command, one, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("case = 1", "holds no cases"),
        ("[[case]", "is not a TOML file"),
        ("[[cases]]", "unknown key 'cases'"),
        ("", "holds no cases"),
        (one("toleranse = 1"), "unknown key 'toleranse'; the nearest is 'tolerance'"),
        (one(without="kind"), "it lacks kind"),
        (one(without="engine"), "it lacks engine"),
        (one('quantity = "adc_enrgy"', "quantity"), "no quantity 'adc_enrgy'; the nearest is 'adc_energy'"),
        (one('quantity = "adc_enrgy"', "quantity"), "relative_noise"),
        (one('unit = "pJ"', "unit"), "unit is 'pJ'; adc_energy is given in 'J'"),
        (one('kind = "guessed"', "kind"), "one of measured, vendor, derived, simulated"),
        (one('confidence = "sure"', "confidence"), "one of read, computed, third party, inferred, memory"),
        (one('engine = "free-space-1204"', "engine"), "(the catalogue has aoc-2025"),
        (one("overrides = { adc.bit = 8 }", "overrides"), "'adc.bits'"),
        (one("overrides = { adc.bits = [8] }", "overrides"), "should be a number, a switch or a word"),
        (one("operating_point = { power = 1 }"), "operating_point.power"),
        (one("arguments = { rate = 1e9 }"), "has no argument 'rate'; the nearest is 'rate_hz'"),
        (one('arguments = { rate_hz = "fast" }'), "argument rate_hz is 'fast'; it should be a number of 1 or more"),
        (
            one("tolerance = [0.1]", "tolerance"),
            "tolerance is [0.1]; it should be a number, which is relative, or a table",
        ),
        (one('overrides = ["adc.bits"]', "overrides"), "it should be a table of values by path"),
        (one("tolerance = { relative = -1 }", "tolerance"), "0 or more"),
        (one("tolerance = { factor = 0.5 }", "tolerance"), "1 or more"),
        (one("tolerance = { relative = 1, factor = 2 }", "tolerance"), "one of relative, absolute and factor"),
        (one('tolerance = { relative = 1, bound = "above" }', "tolerance"), "at least, at most"),
        (one("published = 1.0", "published"), "published is one value"),
        (one("published = [1, 2]", "published"), "a list of [place, value]"),
        (one("published = [[6, nan]]", "published"), "a list of [place, value]"),
        (one(without="over ="), "over should name"),
        (one('over = "adc.bitz"', "over ="), "'adc.bits'"),
        (one('over = "rate"', "over ="), "has no argument 'rate'"),
        (one('id = "a b"', "id"), "letters, digits"),
        (one("title = 1", "title"), "title is 1; it should be a text"),
        (one('slow = "yes"'), "true or false"),
        (one("by_construction = true"), "by_construction is True; it should be a text"),
        (one() + "\n" + one(), "two cases called murmann"),
        (one(text=PASSES.replace("adc_energy", "residue_range_bits").replace('"J"', '"1"')), "of the family residue"),
        (one(text=PASSES.replace("adc_energy", "albireo_power").replace('"J"', '"W"')), "is asked of no engine"),
        (
            one(text=PASSES.replace("adc_energy", "engines_needed").replace('"J"', '"1"')),
            "needs the argument throughput",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_is_right(tmp_path, text, expected):
    status, out, err = command("--cases", str(written(tmp_path, text)))
    assert status == 2 and out == "" and err.count("\n") == 1
    assert expected in err


def test_spellings_of_the_same_case_are_the_same(tmp_path):
    nested, _ = read_cases(written(tmp_path, one("operating_point = { temperature_k = 290.0 }")))
    given = 'overrides = ["adc.energy_model=murmann", "adc.enob_loss = 0.0"]\noperating_point.temperature_k = 290.0'
    listed = read_cases(written(tmp_path, one(given, "overrides")))[0]
    assert listed[0].engine_set(6) == nested[0].engine_set(6)
    shorter = one("operating_point = { temperature_k = 290.0 }\ntolerance = 0.01", "tolerance")
    assert read_cases(written(tmp_path, shorter))[0] == nested
    quoted = one(
        'overrides = { "adc.energy_model" = "murmann", "adc.enob_loss" = 0.0 }\noperating_point.temperature_k = 290.0',
        "overrides",
    )
    assert read_cases(written(tmp_path, quoted))[0] == nested
    assert nested[0].engine_set(6) == (
        "adc.energy_model=murmann",
        "adc.enob_loss=0.0",
        "operating_point.temperature_k=290.0",
        "adc.bits=6",
    )


def test_a_curve_may_go_over_an_argument(tmp_path):
    text = one('over = "rate_hz"\npublished = [[1e9, 1e-12]]', "over =").replace("published = [[6", "#")
    (case,) = read_cases(written(tmp_path, text))[0]
    assert case.arguments_at(case.at[0]) == {"rate_hz": 1e9}
    with pytest.raises(RequestError, match="leave one of them out"):
        read_cases(written(tmp_path, text + "\narguments = { rate_hz = 1e8 }"))


@pytest.fixture(scope="module")
def shipped():
    return read_cases(SHIPPED)[0]


def test_shipped_cases_are_whole(shipped):
    for case in shipped:
        assert case.title and case.group and case.equation, case.id
        files = engines_of(case)
        assert len(files) == (len(case.published) if QUANTITIES[case.quantity].family != "" else 0)


def test_shipped_cases_hold_every_case_of_the_references(shipped):
    # O1 to O23; what each of them is stands in the title of its case.
    numbers = {case.id.partition("-")[0] for case in shipped}
    assert {f"O{number}" for number in range(1, 24)} <= numbers


def test_cases_are_found_by_id_quantity_and_engine(shipped):
    assert {case.id for case in chosen_cases(shipped, "^O6-")} == {"O6-throughput", "O6-efficiency", "O6-energy"}
    assert {case.quantity for case in chosen_cases(shipped, "^adc_energy$")} == {"adc_energy"}
    assert {case.engine for case in chosen_cases(shipped, "^homodyne$")} == {"homodyne"}


@given(st.data())
def test_damaged_files_are_refused_in_one_way(tmp_path_factory, data):
    lines = PASSES.strip().splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    odd = st.sampled_from(
        ["-1", "1" + "0" * 400, "nan", "[]", "[[]]", "{}", "[{}]", '""', "true", '[["a", 1]]', "[[{}, 1]]"]
    )
    lines[place] = f"{lines[place].partition('=')[0]}= {data.draw(odd)}"
    path = written(tmp_path_factory.mktemp("damaged"), "[[case]]\n" + "\n".join(lines))
    with contextlib.suppress(RequestError):
        for case in read_cases(path)[0]:
            engines_of(case)


def test_arithmetic_on_published_figures_is_said_to_be_that():
    cases = read_cases(SHIPPED)[0]
    marked = {case.id for case in cases if case.by_construction}
    # A published power given as an argument leaves nothing to be found but a quotient.
    assert {case.id for case in cases if "power_w" in (*case.arguments, case.over)} <= marked
    assert {case.kind for case in cases if "power_w" in (*case.arguments, case.over)} == {"derived"}
    assert {"O7-signal", "O7-residual", "O7-gain-spread"} <= marked
    # A miss is not given by what went in.
    assert not [case.id for case in cases if case.why and case.by_construction]
