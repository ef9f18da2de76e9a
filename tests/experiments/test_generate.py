"""The whole command on a tiny model: files, words, endings, interruption."""

import contextlib
import io
import json
import os
import shutil
import signal
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from experiments import decoding
from experiments.cli import main
from experiments.tables import read_table

# Receiver and shot noise alone compile fastest.
ENGINE = ("--set", "optics.crosstalk=false", "panel.fixed_pattern=false", "--rotate", "off")
PROMPTS = ("the cat", "the dog and the")
NEW = 6


class Done(NamedTuple):
    status: int
    out: str
    err: str


def generate(model: Path, out: Path, *more: str, engine: tuple[str, ...] = ENGINE) -> Done:
    """The command in this process."""
    argv = ["generate", "--model", str(model), "--max-new-tokens", str(NEW), "--out", str(out), *engine, *more]
    for prompt in PROMPTS:
        argv += ["--prompt", prompt]
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        status = main(argv)
    return Done(status, stdout.getvalue(), stderr.getvalue())


def result_of(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def finished(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A complete run of two prompts with so little light that the texts part; only read from it."""
    folder = tmp_path_factory.mktemp("generate") / "run"
    done = generate(tiny_model_folder, folder, "--laser-power-w", "1e-5")
    assert done.status == 0, done.err
    return folder, done


def test_result_holds_what_was_promised(finished):
    result = result_of(finished[0])
    assert result["experiment"] == "generate"
    assert result["config"]["prompt"] == list(PROMPTS)
    assert result["config"]["laser_power_w"] == 1e-5
    assert result["seed"] == 0
    assert result["finished"] is True
    for key in ("energy_j_per_token", "tokens_per_s_simulated"):
        for name in (key, f"{key}_shared"):
            assert set(result[name]) == {"prefill", "decode"}
            assert min(result[name].values()) > 0
    assert result["energy_j_per_token"]["decode"] > result["energy_j_per_token"]["prefill"]
    assert result["simulated"]["decode"]["tokens"] == len(PROMPTS)
    assert set(result["wall"]) == {"digital", "optical"}
    assert all(times["tokens_per_s"] > 0 for times in result["wall"].values())


def test_texts_are_those_of_their_tokens(finished):
    result = result_of(finished[0])
    assert [prompt["text"] for prompt in result["prompts"]] == list(PROMPTS)
    for prompt in result["prompts"]:
        for name in ("digital", "optical"):
            text = prompt[name]
            assert text["ended"] == "length"
            assert len(text["token_ids"]) == len(text["probabilities"]) == NEW
            assert all(0 < probability <= 1 for probability in text["probabilities"])
        place = prompt["first_difference"]
        assert place is not None
        assert prompt["digital"]["token_ids"][:place] == prompt["optical"]["token_ids"][:place]
        assert prompt["digital"]["token_ids"][place] != prompt["optical"]["token_ids"][place]


def test_everything_is_on_disk_and_nothing_half_written(finished):
    folder, done = finished
    names = {"config.toml", "environment.json", "result.json", "tokens.parquet", "tokens.csv"}
    assert {path.name for path in folder.iterdir()} == names
    assert done.out.splitlines()[-1] == str(folder / "result.json")
    config = tomllib.loads((folder / "config.toml").read_text())
    assert config["experiment"] == "generate"
    assert config["engine"]["operating_point.laser_power_w"] == 1e-5
    table = read_table(folder, "tokens")
    assert table.height == len(PROMPTS) * NEW
    result = result_of(folder)
    second = table.filter(table["prompt"] == 1)
    assert second["optical_token_id"].to_list() == result["prompts"][1]["optical"]["token_ids"]


def test_output_is_plain_and_says_what_matters(finished):
    _, done = finished
    assert "\x1b" not in done.out + done.err
    lines = done.out.splitlines()
    heading = "--- optical (free-space-1024, 10 uW per source)"
    assert [line for line in lines if line.startswith("---")] == ["--- prompt", "--- digital", heading] * 2
    assert lines[1] == PROMPTS[0]
    words = " ".join(done.out.split())
    for sentence in ("Prompt 1: They part at new token", "Prompt 2: ", "Decode leaves the panels idle", "wall time"):
        assert sentence in words
    steps = [line for line in done.err.splitlines() if line.startswith("[")]
    assert len(steps) == NEW


def test_the_same_request_writes_the_same_text(finished, tiny_model_folder, tmp_path):
    done = generate(tiny_model_folder, tmp_path / "again", "--laser-power-w", "1e-5")
    assert done.status == 0, done.err
    assert result_of(tmp_path / "again")["prompts"] == result_of(finished[0])["prompts"]
    other = generate(tiny_model_folder, finished[0], "--laser-power-w", "2e-5")
    assert other.status == 2
    assert "options.laser_power_w is 1e-05 there and 2e-05 here" in other.err


def test_an_ideal_engine_writes_the_digital_text_and_stop_tokens_end_it(tiny_model_folder, tmp_path):
    done = generate(tiny_model_folder, tmp_path / "run", "--engine", "ideal", engine=())
    assert done.status == 0, done.err
    result = result_of(tmp_path / "run")
    assert [prompt["first_difference"] for prompt in result["prompts"]] == [None, None]
    assert f"The two texts are the same ({NEW} tokens)." in done.out
    # The third token of the first text becomes one that ends a text.
    tokens = result["prompts"][0]["digital"]["token_ids"]
    place = tokens.index(tokens[2])
    folder = shutil.copytree(tiny_model_folder, tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": tokens[2]}))
    done = generate(folder, tmp_path / "ending", "--engine", "ideal", engine=())
    assert done.status == 0, done.err
    for name in ("digital", "optical"):
        text = result_of(tmp_path / "ending")["prompts"][0][name]
        assert text["ended"] == "stop token"
        assert text["token_ids"] == tokens[: place + 1]
    assert "[end]" in done.out
    assert result_of(tmp_path / "ending")["finished"] is True


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_has(finished, tiny_model_folder, tmp_path, monkeypatch, number):
    decode, calls = decoding.Decoder.decode, []

    def decode_and_stop(self, tokens, keys):
        calls.append(self)
        if len(calls) == 4:  # the optical model in its second step
            os.kill(os.getpid(), number)
        return decode(self, tokens, keys)

    monkeypatch.setattr(decoding.Decoder, "decode", decode_and_stop)
    done = generate(tiny_model_folder, tmp_path / "run", "--laser-power-w", "1e-5")
    assert done.status == 1
    assert "Traceback" not in done.err
    assert done.err.splitlines()[-1].endswith(f"what was written before is in {tmp_path / 'run' / 'result.json'}")
    whole, kept = result_of(finished[0]), result_of(tmp_path / "run")
    assert kept["finished"] is False
    for before, after in zip(whole["prompts"], kept["prompts"], strict=True):
        assert after["digital"]["token_ids"] == before["digital"]["token_ids"][:3]
        assert after["optical"]["token_ids"] == before["optical"]["token_ids"][:2]
        assert after["optical"]["ended"] == "interrupted"
    assert "[interrupted]" in done.out


@pytest.mark.usefixtures("interruptible")
def test_a_run_without_a_token_says_so(tiny_model_folder, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(decoding.Decoder, "compile", stop)
    done = generate(tiny_model_folder, tmp_path / "run")
    assert done.status == 1
    assert done.err.splitlines()[-1] == "exalight: stopped before the first token"
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize(("pattern", "expected"), [("no-such-layer", "no-such-layer"), (".*", "every layer")])
def test_digital_patterns_that_leave_no_sense_are_refused(tiny_model_folder, tmp_path, pattern, expected):
    done = generate(tiny_model_folder, tmp_path / "run", "--digital", pattern)
    assert (done.status, done.out) == (2, "")
    assert expected in done.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
