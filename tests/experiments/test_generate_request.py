import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.errors import RequestError
from experiments.generate_config import GenerateConfig
from experiments.generate_request import check_request

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"


def config(model: Path, **options) -> GenerateConfig:
    return GenerateConfig(**{"model": str(model), "prompt": ("Light is",), "max_new_tokens": 4, **options})


@pytest.fixture
def chat_folder(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model with a chat template and a token that ends a text."""
    folder = shutil.copytree(tiny_model_folder, tmp_path / "model")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 0}))
    return folder


def test_a_good_request_is_complete_and_leaves_nothing(tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = check_request(config(tiny_model_folder))
    assert request.checkpoint.tokenizer.decode(list(request.prompts[0])) == "Light is"
    assert len(request.calibration) == 256
    assert request.config.laser_power_w == 0.03  # that of the engine
    assert request.folder.path.parent == Path("runs/generate")
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_engine(tiny_model_folder):
    request = check_request(config(tiny_model_folder, laser_power_w=0.01, rotate="off", set=("adc.bits=8",)))
    values = request.engine_file.values
    assert values["operating_point.laser_power_w"] == 0.01
    assert values["encoding.rotate"] is False
    assert values["adc.bits"] == 8


def test_the_default_folder_follows_what_decides_the_result(tiny_model_folder):
    def folder(**options) -> Path:
        return check_request(config(tiny_model_folder, **options)).folder.path

    assert folder() == folder() == folder(laser_power_w=0.03)
    others = [{"seed": 1}, {"prompt": ("Light",)}, {"prompt": ("Light is", "Light is")}, {"rotate": "off"}]
    others += [{"engine": "ideal"}, {"temperature": 1.0}, {"max_new_tokens": 5}, {"digital": ("head",)}]
    assert len({folder(), *(folder(**options) for options in others)}) == 1 + len(others)


def test_chat_goes_through_the_template(chat_folder):
    request = check_request(config(chat_folder, chat=True, system="Be brief.", prompt=("Why?", "How?")))
    decode = request.checkpoint.tokenizer.decode
    assert [decode(list(ids)) for ids in request.prompts] == [
        "<system>Be brief.<user>Why?",
        "<system>Be brief.<user>How?",
    ]
    assert request.stop_tokens == (0,)


def test_a_model_without_a_template_cannot_chat(tiny_model_folder):
    with pytest.raises(RequestError, match=r"--chat: .* has no chat template"):
        check_request(config(tiny_model_folder, chat=True))


def test_a_bad_stop_token_is_refused(chat_folder):
    (chat_folder / "generation_config.json").write_text('{"eos_token_id": 100000}')
    with pytest.raises(RequestError, match="100000"):
        check_request(config(chat_folder))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--engine", "free-space-1042"], "free-space-1024"),
        (["--set", "adc.bitz=8"], "adc.bits"),
        (["--set", "encoding.rotate=false"], "--rotate on|off"),
        (["--laser-power-w", "-1"], "--laser-power-w -1"),
        (["--model", "absent-model"], "absent-model"),
        (["--max-new-tokens", "121"], "trained for"),
        (["--prompt", "a" * 200], "takes 200 tokens"),
        (["--prompt", ""], "--prompt is empty"),
        (["--chat"], "no chat template"),
        (["--rotate", "both"], "expected one of 'on', 'off'"),
        (["--temperature", "warm"], "expected a number"),
        (["--prompts", "x"], "did you mean --prompt?"),
        (["--out", "{file}"], "is a file"),
    ],
)
def test_refusals_are_one_line_without_jax(tiny_model_folder, tmp_path, argv, expected):
    (tmp_path / "file").touch()
    start = ["generate", "--model", str(tiny_model_folder), "--prompt", "Light is", "--max-new-tokens", "4"]
    argv = [*start, "--out", f"{tmp_path}/out", *(part.format(file=tmp_path / "file") for part in argv)]
    code = (
        f"import sys; from experiments.cli import main; status = main({argv!r}); "
        "print(status, sorted({'jax', 'flax', 'matplotlib', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "2 []\n"
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_prompt_is_needed(capsys):
    assert main(["generate"]) == 2
    assert "--prompt is missing" in capsys.readouterr().err
