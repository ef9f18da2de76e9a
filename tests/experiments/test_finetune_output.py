import io

import pytest
from rich.console import Console

from experiments.accuracy_request import checked_engine_file
from experiments.finetune_output import _recovery, _saving, print_summary
from photonics.catalogue import build_engine
from photonics.work import Contraction, Work


def arm(scale: float, digital: float) -> dict:
    powers = [(0.03, 1.0), (0.015, 0.5), (0.0075, 0.25)]
    optical = [
        {
            "laser_power_w": power_w,
            "laser_power_factor": factor,
            "loss_nats": 3.0 + scale / factor,
            "kl_nats": scale / factor,
            "kl_nats_spread": 0.01,
            "top1_agreement": 0.7,
            "runs": [{"kl_nats": scale / factor - 0.01}, {"kl_nats": scale / factor + 0.01}],
        }
        for power_w, factor in powers
    ]
    return {"digital": {"loss_nats": digital, "kl_nats": 0.0, "top1_agreement": 1.0}, "optical": optical}


def told(after_scale: float) -> dict:
    before, after = arm(0.4, 3.0), arm(after_scale, 3.05)
    engine = build_engine(checked_engine_file("free-space-1024", ()))
    work = Work((Contraction("layer", 1, 8, 1024, 1024, weights=True),))
    return {
        "before": before,
        "after": after,
        "recovery": _recovery(before, after),
        "energy_saving": _saving(engine, work, 8, before, after, ()),
        "curve": [{}] * 3,
        "tokens": 96,
        "seconds": 61.0,
    }


def printed(result: dict, folder) -> str:
    stream = io.StringIO()
    print_summary(Console(file=stream, width=200), result, folder)
    return stream.getvalue()


def test_recovery_and_saving_are_those_of_the_numbers(tmp_path):
    result = told(0.2)
    assert result["recovery"]["kl"] == pytest.approx(0.5) and result["recovery"]["loss"] == pytest.approx(0.5)
    assert result["recovery"]["digital_loss_change_nats"] == pytest.approx(0.05)
    saving = result["energy_saving"]
    # KL goes as 1 / power, so that half the divergence is half the light.
    assert saving["laser_power_w"] == pytest.approx(0.015) and saving["factor"] == pytest.approx(2.0)
    # Light is a part of the energy: halving it saves some, and less than half.
    assert 1.0 < saving["energy_factor"] < 2.0
    text = printed(result, tmp_path)
    assert "Recovered 50.0" in text and "2.00 times less light" in text and "3 steps, 96 tokens, 1 min 1 s" in text


def test_a_model_that_got_worse_is_told_as_such(tmp_path):
    result = told(0.5)
    assert result["energy_saving"]["energy_factor"] is None and result["recovery"]["kl"] < 0
    assert "no light is saved" in printed(result, tmp_path)


def test_what_was_not_measured_is_a_bound(tmp_path):
    result = told(0.05)
    assert result["energy_saving"]["at_least"]
    assert "at least 4.00 times less light" in printed(result, tmp_path)
