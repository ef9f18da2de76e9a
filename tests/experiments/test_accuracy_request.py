import subprocess
import sys
from pathlib import Path

import pytest

from experiments.accuracy_config import AccuracyConfig
from experiments.accuracy_request import check_request
from experiments.cli import main
from experiments.errors import RequestError


@pytest.fixture
def small(tiny_model_folder: Path, tmp_path: Path) -> list[str]:
    """A good request on the tiny model."""
    return [
        "accuracy",
        "--model",
        str(tiny_model_folder),
        "--tokens",
        "32",
        "--context",
        "16",
        "--out",
        f"{tmp_path}/out",
    ]


def config(tiny_model_folder: Path, **options) -> AccuracyConfig:
    return AccuracyConfig(**{"model": str(tiny_model_folder), "tokens": 32, "context": 16, **options})


def test_where_it_runs_is_not_what_it_is(tiny_model_folder, tmp_path):
    here, there = (
        check_request(config(tiny_model_folder, devices=devices, out=str(tmp_path / name)))
        for devices, name in (("all", "here"), (3, "there"))
    )
    assert here.folder.document == there.folder.document
    assert here.options == there.options


def test_a_good_request_is_complete_and_leaves_nothing(tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = check_request(config(tiny_model_folder, tokens=40, laser_power_w=(0.1, 0.01)))
    assert request.config.laser_power_w == (0.01, 0.1)
    assert len(request.sample.measured) == 32  # whole windows only
    assert len(request.sample.calibration) == 256
    assert request.folder.path.parent == Path("runs/accuracy")
    assert list(tmp_path.iterdir()) == []


def test_the_default_folder_follows_what_decides_the_result(tiny_model_folder):
    def folder(**options) -> Path:
        return check_request(config(tiny_model_folder, **options)).folder.path

    assert folder() == folder()
    others = [{"seed": 1}, {"set": ("adc.bits=9",)}, {"rotate": "on"}, {"engine": "ideal"}, {"laser_power_w": (0.1,)}]
    assert len({folder(), *(folder(**options) for options in others)}) == 1 + len(others)


def test_an_edited_engine_file_is_another_run(tiny_model_folder, tmp_path):
    text = 'extends = "ideal"\ntitle = "Mine"\n[adc.bits]\nvalue = {}\nkind = "assumption"\nsource = "test"\n'
    path = tmp_path / "mine.toml"
    path.write_text(text.format(8))
    request = check_request(config(tiny_model_folder, engine=str(path), out=str(tmp_path / "out")))
    request.folder.open()
    check_request(config(tiny_model_folder, engine=str(path), out=str(tmp_path / "out")))
    path.write_text(text.format(9))
    with pytest.raises(RequestError, match=r"engine\.adc\.bits is 8 there and 9 here"):
        check_request(config(tiny_model_folder, engine=str(path), out=str(tmp_path / "out")))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--engine", "free-space-1042"], "free-space-1024"),
        (["--engine", "absent.toml"], "absent.toml"),
        (["--set", "adc.bitz=8"], "adc.bits"),
        (["--set", "adc.bits=0"], "adc.bits is 0"),
        (["--set", "operating_point.laser_power_w=nan"], "laser_power_w"),
        (["--laser-power-w", "-0.01"], "--laser-power-w -0.01"),
        (["--laser-power-w", "nan"], "--laser-power-w nan"),
        (["--laser-power-w", "0.01", "inf"], "--laser-power-w inf"),
        (["--text", "absent.txt"], "--text absent.txt"),
        (["--tokens", "5000000"], "5000256 are needed"),
        (["--context", "1"], "at least 2 tokens"),
        (["--tokens", "256", "--context", "256"], "more than the 128 tokens"),
        (["--digital", "("], "not a regular expression"),
        (["--model", "absent-model"], "absent-model"),
        (["--panels", "-3"], "--panels -3"),
    ],
)
def test_refusals(small, capsys, tmp_path, argv, expected):
    assert main([*small, *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert expected in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("absent", ["tokenizer.json", "config.json", "model.safetensors"])
def test_an_incomplete_model_folder_is_refused(small, capsys, tmp_path, tiny_model_folder, absent):
    broken = tmp_path / "model"
    broken.mkdir()
    for file in tiny_model_folder.iterdir():
        if file.name != absent:
            (broken / file.name).write_bytes(file.read_bytes())
    assert main([*small, "--model", str(broken)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(broken) in line
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_truncated_model_file_is_refused(small, capsys, tmp_path, tiny_model_folder):
    broken = tmp_path / "model"
    broken.mkdir()
    for file in tiny_model_folder.iterdir():
        content = file.read_bytes()
        (broken / file.name).write_bytes(content[: len(content) // 2] if file.suffix == ".safetensors" else content)
    assert main([*small, "--model", str(broken)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_unwritable_folder_is_refused(small, capsys, tmp_path):
    (tmp_path / "file").touch()
    assert main([*small, "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main([*small, "--out", str(tmp_path / "file")]) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--model", "absent"], ["--out", "{file}"], ["--tokens", "5000000"]])
def test_refusals_that_need_the_model_do_not_import_jax(small, tmp_path, argv):
    (tmp_path / "file").touch()
    argv = [*small, *(part.format(file=tmp_path / "file") for part in argv)]
    code = (
        f"import sys; from experiments.cli import main; status = main({argv!r}); "
        "print(status, sorted({'jax', 'flax', 'matplotlib', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "2 []\n"
    assert len(done.stderr.splitlines()) == 1
