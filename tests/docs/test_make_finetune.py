"""The page about fine-tuning has the tables that its script prints, and its arms are options of the command."""

import dataclasses

import pytest

from docs import make_finetune
from experiments.finetune_config import FinetuneConfig, check_options


def test_the_page_is_up_to_date():
    assert make_finetune.PAGE.read_text("utf-8") == make_finetune.page()


def parsed(options: list[str]) -> FinetuneConfig:
    import tyro

    return tyro.cli(FinetuneConfig, args=options)


@pytest.mark.parametrize("study", ["characters", "smollm2"])
def test_every_arm_is_a_call_of_the_command_that_differs_in_one_thing(study):
    arms = make_finetune.arms(study)
    whole = dataclasses.asdict(parsed(arms["all on"]))
    for name, options in arms.items():
        config = parsed(options)
        check_options(config)
        changed = {key for key, value in dataclasses.asdict(config).items() if value != whole[key]}
        assert bool(changed) == (name != "all on"), name
        # Without an engine there is no light to spread, without noise the teacher has nothing to say, and a method has
        # a learning rate of its own.
        allowed = {"no noise: clean training on the text": 3, "noise from histograms": 2}.get(name, 1)
        assert len(changed - {"learning_rate"}) <= allowed, (name, changed)


def test_a_row_is_what_the_runs_say():
    def optical(scale: float) -> list[dict]:
        told = {"loss_nats": 3.0 + scale, "kl_nats_spread": 0.1, "runs": [{}] * 15}
        return [told | {"laser_power_w": power_w, "kl_nats": scale / power_w} for power_w in (0.01, 0.005)]

    result = {
        "before": {"digital": {"loss_nats": 3.0}, "optical": optical(0.004)},
        "after": {"digital": {"loss_nats": 3.05}, "optical": optical(0.002)},
        "energy_saving": {"factor": 2.0, "at_least": True},
        "recovery": {"kl": 0.5, "kl_standard_error": 0.01},
        "curve": [{}] * 7,
        "seconds": 12.3,
    }
    row = {"arm": "all on", **make_finetune._row(result)}
    facts = {"date": "2026-11-24", "python": "3.11", "packages": {"jax": "0.10"}, "cores": 2}
    lines = make_finetune.table({"rows": [row], **facts}).splitlines()
    assert lines[2] == "| before any training | 0.400 | 0.800 | 3.004 | 3.000 | | | |"
    assert lines[3] == "| all on | 0.200 | 0.400 | 3.002 | 3.050 | 50 +- 1 % | at least 2.00 x | 12 |"
    assert "Means over 15 runs" in lines[-1] and "7 steps" in lines[-1]
