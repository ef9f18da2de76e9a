import dataclasses

import pytest

from experiments.engines_config import EnginesConfig
from experiments.errors import RequestError
from experiments.sweep_experiments import EXPERIMENTS, EngineOptions, experiment, load_sweepable
from experiments.sweepable import Sweepable


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_loaded(name):
    swept: Sweepable = load_sweepable(EXPERIMENTS[name].loader)
    assert swept.experiment == name
    assert swept.objective
    assert swept.points_per_chunk >= 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_a_sweep_has_itself_is_no_axis(name):
    fields = EXPERIMENTS[name].fields()
    assert not {"set", "out", "seed"} & set(fields)
    assert EXPERIMENTS[name].has_engine()


def test_engines_have_the_options_of_their_command():
    own = {field.name: field.default for field in dataclasses.fields(EngineOptions)}
    command = {field.name: field.default for field in dataclasses.fields(EnginesConfig)}
    assert own["laser_power_w"] == command["laser_power_w"]


def test_unknown_experiments_are_refused():
    with pytest.raises(RequestError, match=r"did you mean accuracy\?"):
        experiment("acuracy")
    with pytest.raises(RequestError, match="sweep needs an experiment"):
        experiment(None)
