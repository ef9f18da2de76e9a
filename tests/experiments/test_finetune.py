import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from calibration.training import Training
from experiments.cli import main
from experiments.finetune_checkpoints import Checkpoints
from experiments.tables import read_table
from models.transformer.save_adapter import load_adapter
from models.transformer.save_huggingface import saved_metadata

# No crosstalk because its pre-distortion is slow to compile; dim enough that noise is felt.
SMALL = ("--set", "optics.crosstalk=false", "source.count=32", "panel.outputs=64", "--laser-power-w", "0.003")
SHORT = ("--context", "16", "--batch", "2", "--tokens", "32", "--seeds", "2", "--judged-machines", "2", "--no-plot")
STEPS = 4


def arguments(model: Path, out: Path, *more: str) -> list[str]:
    return ["finetune", "--model", str(model), *SMALL, *SHORT, "--steps", str(STEPS), "--out", str(out), *more]


def exalight(*argv: str) -> tuple[int, str, str]:
    """The command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv)
    return status, out.getvalue(), err.getvalue()


def parameters(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model" / "model.safetensors")


def same_bits(one: Path, other: Path) -> bool:
    pairs = parameters(one), parameters(other)
    return pairs[0].keys() == pairs[1].keys() and all(
        np.array_equal(pairs[0][name], pairs[1][name]) for name in pairs[0]
    )


@pytest.fixture(scope="module")
def finished(tiny_model_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("finetune") / "run"
    status, text, notes = exalight(*arguments(tiny_model_folder, out))
    assert status == 0, notes
    return out, text, notes


def result_of(out: Path) -> dict:
    return json.loads((out / "result.json").read_text())


def test_result_holds_what_was_promised(finished):
    out = finished[0]
    result = result_of(out)
    assert {"before", "after", "recovery", "energy_saving", "curve", "seconds", "tokens"} <= result.keys()
    assert result["tokens"] == STEPS * 2 * 16 and len(result["curve"]) == STEPS
    for arm in ("before", "after"):
        assert {"loss_nats", "perplexity", "kl_nats", "top1_agreement"} <= result[arm]["digital"].keys()
        rows = result[arm]["optical"]
        assert [row["laser_power_w"] for row in rows] == [0.003, 0.0015, 0.00075]
        for row in rows:
            kl = [run["kl_nats"] for run in row["runs"]]
            assert len({(run["machine"], run["seed"]) for run in row["runs"]}) == len(kl) == 4
            assert row["kl_nats"] == pytest.approx(np.mean(kl))
            assert row["kl_nats_spread"] == pytest.approx(np.std(kl, ddof=1))
    assert result["before"]["digital"]["kl_nats"] == pytest.approx(0.0, abs=1e-6)
    assert result["before"]["digital"]["top1_agreement"] == 1.0
    ratio = result["after"]["optical"][0]["kl_nats"] / result["before"]["optical"][0]["kl_nats"]
    assert result["recovery"]["kl"] == pytest.approx(1.0 - ratio)
    assert result["data"]["held_out_tokens"] == 32 and result["data"]["windows"] > 0


def test_less_light_costs_more_divergence_and_less_energy(finished):
    result = result_of(finished[0])
    kl = [row["kl_nats"] for row in result["before"]["optical"]]
    assert kl == sorted(kl)
    saving = result["energy_saving"]
    if saving["factor"] is not None:
        assert saving["energy_per_token_after_j"] < saving["energy_per_token_before_j"]


def test_the_folder_is_whole_and_its_model_runs(finished, tmp_path):
    out, text, _ = finished
    assert not list(out.rglob("*.part"))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in (out / "model").iterdir()}
    metadata = saved_metadata(out / "model")
    assert json.loads(metadata["exalight.engine"])["operating_point.laser_power_w"] == 0.003
    assert "layers/mlp/down" in json.loads(metadata["exalight.ranges"])
    assert read_table(out, "curve").height == STEPS and read_table(out, "points").height == 6
    assert str(out / "model") in text
    argv = ["accuracy", "--model", str(out / "model"), "--tokens", "16", "--context", "16"]
    status, _, notes = exalight(*argv, *SMALL, "--rotate", "on", "--out", str(tmp_path / "accuracy"))
    assert status == 0, notes


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_and_the_run_goes_on_bit_for_bit(
    finished, tiny_model_folder, tmp_path, monkeypatch, number, expected
):
    step = Training.step

    def interrupted(self, trained, moments, which, tokens):
        if which == 1:
            os.kill(os.getpid(), number)
        return step(self, trained, moments, which, tokens)

    argv = arguments(tiny_model_folder, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", interrupted)
        status, _, notes = exalight(*argv)
    assert status == expected
    assert "--resume goes on" in notes.splitlines()[-1]
    assert not (tmp_path / "run" / "result.json").exists()
    assert exalight(*argv)[0] == 2  # a begun run is not begun again by mistake
    status, _, notes = exalight(*argv, "--resume")
    assert status == 0, notes
    assert f"going on behind step 2 of {STEPS}" in notes
    assert same_bits(finished[0], tmp_path / "run")
    curves = [[row["loss_nats"] for row in result_of(out)["curve"]] for out in (finished[0], tmp_path / "run")]
    assert curves[0] == curves[1]
    assert result_of(finished[0])["after"] == result_of(tmp_path / "run")["after"]


def test_killed_without_warning_it_loses_at_most_what_came_after_the_checkpoint(finished, tiny_model_folder, tmp_path):
    argv = arguments(tiny_model_folder, tmp_path / "run", "--checkpoint-minutes", "0.000001")
    environment = os.environ | {"JAX_DEBUG_NANS": "1"}  # as in the run that this one is compared with
    process = subprocess.Popen(
        [sys.executable, "-c", "from experiments.cli import main; raise SystemExit(main())", *argv],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 240
        last = tmp_path / "run" / "checkpoints" / "last"
        while not (last.is_dir() and any(path.name.isdigit() for path in last.iterdir())):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "run" / "result.json").exists()
    status, _, notes = exalight(*argv, "--resume")
    assert status == 0, notes
    assert "going on behind step" in notes
    assert same_bits(finished[0], tmp_path / "run")


def test_a_finished_run_is_told_again_and_not_computed_again(finished, tiny_model_folder, monkeypatch):
    monkeypatch.setattr(Training, "step", None)
    status, text, notes = exalight(*arguments(tiny_model_folder, finished[0]), "--resume")
    assert status == 0, notes
    assert text.splitlines()[:5] == finished[1].splitlines()[:5]


def test_a_diverging_run_names_step_and_layer_and_keeps_its_checkpoint(tiny_model_folder, tmp_path):
    argv = arguments(tiny_model_folder, tmp_path / "run", "--learning-rate", "1e6", "--clip-norm", "1e9")
    argv += ["--checkpoint-minutes", "0.000001", "--warmup", "0"]
    argv[argv.index("--steps") + 1] = "40"
    with jax.debug_nans(False):
        status, _, notes = exalight(*argv)
    last = notes.splitlines()[-1]
    assert status == 1 and last.startswith("exalight: step "), notes
    assert "layers/" in last or "head" in last
    assert Checkpoints(tmp_path / "run" / "checkpoints").steps()


def test_adapters_can_be_kept_apart(finished, tiny_model_folder, tmp_path):
    status, _, notes = exalight(*arguments(tiny_model_folder, tmp_path / "run", "--adapter", "apart"))
    assert status == 0, notes
    from models.transformer.load import load_model

    config = load_model(str(tmp_path / "run" / "model")).model.config
    factors, alpha = load_adapter(tmp_path / "run" / "adapter", config)
    base, merged = parameters(tmp_path / "run"), parameters(finished[0])
    a, b = (factors["layers/mlp/down"][key][1] for key in ("a", "b"))
    name = "model.layers.1.mlp.down_proj.weight"
    np.testing.assert_allclose(base[name] + alpha / a.shape[1] * (a @ b).T, merged[name], rtol=1e-6, atol=1e-8)
    assert not np.array_equal(base[name], merged[name])


def test_without_light_and_with_its_own_words(tiny_model_folder, tmp_path):
    argv = arguments(tiny_model_folder, tmp_path / "run", "--noise", "off", "--teacher", "0", "--data", "self")
    status, _, notes = exalight(*argv, "--method", "full", "--equalise", "0")
    assert status == 0, notes
    result = result_of(tmp_path / "run")
    assert "digital model wrote" in result["data"]["source"]
    assert all(row["divergence_nats"] == 0.0 for row in result["curve"])


def test_measured_noise_trains_without_the_engine(finished, tiny_model_folder, tmp_path):
    status, _, notes = exalight(*arguments(tiny_model_folder, tmp_path / "run", "--noise", "measured"))
    assert status == 0, notes
    here, there = (result_of(out) for out in (finished[0], tmp_path / "run"))
    assert here["before"] == there["before"]
    # As far from the digital model as with light, within a factor that four steps of 32 tokens can tell.
    told = [np.mean([row["divergence_nats"] for row in result["curve"]]) for result in (here, there)]
    assert 0.5 < told[1] / told[0] < 2.0
    assert not same_bits(finished[0], tmp_path / "run")


def test_allocated_light_spends_what_one_power_for_all_would(tiny_model_folder, tmp_path):
    more = ("--method", "ranges", "--allocate-light", "--range-learning-rate", "0.1", "--power-spread", "0.3")
    status, _, notes = exalight(*arguments(tiny_model_folder, tmp_path / "run", *more))
    assert status == 0, notes
    rows = result_of(tmp_path / "run")["layers"]
    powers_w = np.array([row["laser_power_w"] for row in rows])
    assert len(rows) == 15 and np.ptp(powers_w) > 0.05 * 0.003
    # What a watt costs in a layer does not depend on how many it gets.
    each = np.array([row["light_energy_per_token_j"] for row in rows]) / powers_w
    assert np.sum(each * powers_w) == pytest.approx(np.sum(each * 0.003), rel=1e-5)
    stated = json.loads(saved_metadata(tmp_path / "run" / "model")["exalight.laser_power_w"])
    assert stated == {row["name"]: row["laser_power_w"] for row in rows}


def test_no_steps_judge_equalisation_alone(tiny_model_folder, tmp_path):
    argv = arguments(tiny_model_folder, tmp_path / "run", "--method", "ranges")
    argv[argv.index("--steps") + 1] = "0"
    status, text, notes = exalight(*argv)
    assert status == 0, notes
    result = result_of(tmp_path / "run")
    assert result["curve"] == [] and "0 steps" in text
    # Of the same function, to rounding.
    assert result["after"]["digital"]["kl_nats"] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--data", "absent.txt"], "there is no such file|cannot be read"),
        (["--data", __file__, "--tokens", "4000000"], "are needed"),
        (["--targets", "nothing"], "no linear layer is named by the targets nothing"),
        (["--rank", "1000"], "rank"),
        (["--engine", "homodyne"], "--set optics.crosstalk=false"),
        (["--context", "1000", "--tokens", "1000"], "more than the 128 tokens"),
        (["--digital", ".*"], "nothing is left to compute with light"),
        (["--resume"], "holds no run"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tiny_model_folder, tmp_path, more, expected):
    status, _, notes = exalight(*arguments(tiny_model_folder, tmp_path / "run"), *more)
    assert status == 2
    last = [line for line in notes.splitlines() if line.startswith("exalight:")]
    assert len(last) == 1 and re.search(expected, last[0]), notes
    assert not (tmp_path / "run" / "checkpoints").exists()
