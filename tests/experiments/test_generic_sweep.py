import dataclasses

import pytest

from experiments.errors import RequestError
from experiments.generic_sweep import GenericSweep, flattened
from experiments.sweepable import Failed, Point

ENGINE = ("optics.crosstalk=false", "panel.fixed_pattern=false")


def point(model, seed=0, **options) -> Point:
    options = {"model": str(model), "prompt": "the cat", "max_new_tokens": 2, "rotate": "off", **options}
    return Point("generate", options, ENGINE, seed, None, GenericSweep("generate").facts(options, ENGINE))


@pytest.mark.slow
def test_a_run_of_generate_is_a_row(tiny_model_folder, capsys):
    asked = [point(tiny_model_folder, seed=3)]
    ((answered, row),) = GenericSweep("generate").evaluate(asked)
    assert answered is asked[0]
    assert not isinstance(row, Failed), row
    assert isinstance(row["simulated.decode.energy_j_per_token"], float)
    assert isinstance(row["prompts.0.optical.text"], str)
    assert not any(column.startswith(("config", "wall", "seed")) for column in row)
    assert GenericSweep("generate").objective in row
    assert capsys.readouterr().out == ""


def test_the_experiment_is_run_in_a_folder_that_is_thrown_away(tiny_model_folder, monkeypatch, capsys):
    folders = []

    def run(request, argv):
        print("on the terminal")
        folders.append(request.folder.path)
        request.folder.open()
        return request.folder.write_json("result.json", {"seed": 0, "seen": request.config.seed})

    monkeypatch.setattr("experiments.generate.run_generate", run)
    asked = [point(tiny_model_folder, seed=3), point(tiny_model_folder, seed=4)]
    assert [row for _, row in GenericSweep("generate").evaluate(asked)] == [{"seen": 3}, {"seen": 4}]
    assert len(set(folders)) == 2
    assert not any(folder.exists() for folder in folders)
    assert capsys.readouterr().out == ""


def test_what_the_experiment_refuses_is_refused_before(tiny_model_folder):
    with pytest.raises(RequestError, match="--max-new-tokens 0"):
        point(tiny_model_folder, max_new_tokens=0)


def test_an_error_fails_the_point(tiny_model_folder):
    good = point(tiny_model_folder)
    bad = Point("generate", {**good.options, "model": "nowhere"}, (), 0, None, {})
    ((_, found),) = GenericSweep("generate").evaluate([bad])
    assert isinstance(found, Failed)
    assert found.error.startswith("RequestError: --model")


def test_facts_tell_models_apart(tiny_model_folder):
    assert point(tiny_model_folder).facts != point(tiny_model_folder, laser_power_w=0.01).facts
    assert point(tiny_model_folder).facts == point(tiny_model_folder, seed=5).facts


def test_other_files_than_those_of_the_plan_fail_the_point(tiny_model_folder):
    planned = dataclasses.replace(point(tiny_model_folder), facts={"document": "of another model"})
    ((_, found),) = GenericSweep("generate").evaluate([planned])
    assert found == Failed("RequestError: files that the options name are not those of the plan")


def test_nested_tables_become_columns():
    result = {
        "experiment": "generate",
        "seed": 3,
        "wall": {"s": 1.0},
        "a": {"b": {"c": 1}, "seed": 2},
        "list": [1, 2],
        "tables": [{"x": None}, {"x": "y"}],
    }
    assert flattened(result) == {"a.b.c": 1, "a.seed": 2, "tables.0.x": None, "tables.1.x": "y"}
