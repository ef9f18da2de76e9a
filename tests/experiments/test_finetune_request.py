import dataclasses

import pytest

from experiments.errors import RequestError
from experiments.finetune_config import FinetuneConfig
from experiments.finetune_request import CHECKPOINTS, check_request


@pytest.fixture
def config(tiny_model_folder, tmp_path):
    return FinetuneConfig(model=str(tiny_model_folder), context=16, tokens=32, out=str(tmp_path / "run"))


def test_the_laser_power_is_that_of_the_engine_or_the_one_that_is_asked_for(config):
    told = check_request(config)
    assert told.config.laser_power_w == told.engine_file.values["operating_point.laser_power_w"] == 0.03
    asked = check_request(dataclasses.replace(config, laser_power_w=0.01))
    assert asked.engine_file.values["operating_point.laser_power_w"] == 0.01
    assert asked.engine_file.values["encoding.rotate"] is True
    assert check_request(dataclasses.replace(config, rotate="off")).engine_file.values["encoding.rotate"] is False


def test_how_a_run_goes_does_not_make_it_another(config):
    other = dataclasses.replace(config, plot=False, checkpoint_minutes=1.0, out=None)
    first, second = (check_request(one).folder for one in (dataclasses.replace(config, out=None), other))
    assert first.path == second.path and first.document == second.document
    more = check_request(dataclasses.replace(config, out=None, steps=3)).folder
    assert more.path != first.path


def test_a_file_is_told_from_another_by_its_content(config, tmp_path):
    hashes = []
    for text in ("one", "two"):
        (tmp_path / "text.txt").write_text(text)
        hashes.append(
            check_request(dataclasses.replace(config, data=str(tmp_path / "text.txt"))).folder.document["data"]
        )
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"engine": "homodyne"}, "add --no-learn-ranges"),
        ({"set": ("encoding.rotate=false",)}, "rotation has an option of its own"),
        ({"context": 129, "tokens": 129}, "more than the 128 tokens"),
        ({"data": "absent.txt"}, "--data absent.txt cannot be read"),
        ({"resume": True}, "holds no run"),
        ({"model": "absent"}, "--model"),
    ],
)
def test_what_does_not_fit_is_refused_before_jax_is_needed(config, change, expected):
    with pytest.raises(RequestError) as refusal:
        check_request(dataclasses.replace(config, **change))
    assert expected in str(refusal.value) and "\n" not in str(refusal.value)


def test_ranges_that_are_not_learned_need_no_family(config):
    assert (
        check_request(dataclasses.replace(config, engine="homodyne", learn_ranges=False)).engine_file.family
        == "homodyne"
    )


def test_a_begun_run_is_not_begun_again(config):
    request = check_request(config)
    request.folder.open()
    check_request(config)  # nothing but the configuration is there
    (request.folder.path / CHECKPOINTS / "last").mkdir(parents=True)
    with pytest.raises(RequestError, match="add --resume"):
        check_request(config)
    check_request(dataclasses.replace(config, resume=True))
