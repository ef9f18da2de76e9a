"""Whole commands with damaged options and files: done, or refused with status 2 and one line on standard error."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cli import main
from models.hardware.roadmap_file import read_roadmap_file
from tests.corruption import answered, damaged_bytes, damaged_lines, fuzzed
from tests.models.transformer import test_corrupted_models as models
from tests.models.transformer.tiny_folder import random_tensors, write_folder, write_gguf
from tests.photonics import test_corrupted_engines as engines

COMMANDS = ("accuracy", "engines", "generate", "scaling", "engine", "--help", "")
OPTIONS = (
    *("--model", "--text", "--engine", "--set", "--laser-power-w", "--tokens", "--context", "--digital", "--rotate"),
    *("--panels", "--seed", "--out", "--task", "--prompt", "--max-new-tokens", "--temperature", "--chat", "--plot"),
    *("--roadmap", "--year", "--power-w", "--target-ops", "--bits-x", "--workload", "--accuracy", "--kl-nats"),
    *("--no-such-option", "-x", "--", "--set=adc.bits", "--tokens=1e3", "--seed=-1"),
)


def words() -> st.SearchStrategy[list[str]]:
    """Command lines of words that a command line can hold: no nulls, nothing that is not text."""
    value = st.one_of(
        st.sampled_from(
            ["8", "-1", "0", "nan", "inf", "1e400", "9" * 5000, "both", "ideal", "(", "adc.bits=8", "é", " "]
        ),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    )
    return st.lists(st.one_of(st.sampled_from(OPTIONS), value), max_size=6)


@pytest.fixture(scope="module", autouse=True)
def warmed() -> None:
    """What is imported and compiled once is not the doing of a damaged file."""
    assert main(["engines", "free-space-1024"]) == 0


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command writes by default does not land in the repository."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good model folder, a good GGUF file, a text, and a file in the place of the results."""
    folder = tmp_path_factory.mktemp("requests")
    write_folder(folder / "model")
    write_gguf(folder / "model.gguf")
    (folder / "text.txt").write_text("the light of the lamp " * 200)
    (folder / "occupied").touch()
    return folder


def asked(files: Path, *more: str) -> tuple[int, str]:
    """A request for accuracy that is checked in full and then refused, because its results have no place."""
    small = ("--model", str(files / "model"), "--text", str(files / "text.txt"), "--tokens", "32", "--context", "16")
    return answered("accuracy", *small, "--out", str(files / "occupied"), *more)


def ask_with_words(files: Path, command: str, argv: list[str]) -> None:
    # Whatever the words are, a run ends at the place of its results.
    place = ["--out", str(files / "occupied")] if command in ("accuracy", "generate", "scaling") else []
    answered(command, *argv, *place)


def ask_with_tokenizer(files: Path, content: bytes) -> None:
    file = files / "model" / "tokenizer.json"
    before = file.read_bytes()
    try:
        file.write_bytes(content)
        assert asked(files)[0] == 2
        prompt = ("--prompt", "the light", "--max-new-tokens", "4", "--out", str(files / "occupied"))
        assert answered("generate", "--model", str(files / "model"), *prompt)[0] == 2
    finally:
        file.write_bytes(before)


def ask_with_gguf(files: Path, content: bytes) -> None:
    (files / "damaged.gguf").write_bytes(content)
    assert asked(files, "--model", str(files / "damaged.gguf"))[0] == 2


def ask_with_text(files: Path, content: bytes) -> None:
    (files / "damaged.txt").write_bytes(content)
    assert asked(files, "--text", str(files / "damaged.txt"))[0] == 2


def ask_with_roadmap(files: Path, content: str) -> None:
    """A request that its place refuses, if nothing else does."""
    file = files / "roadmap.toml"
    file.write_text(content, encoding="utf-8")
    place = ("--out", str(files / "occupied"))
    assert answered("scaling", "--roadmap", str(file), *place)[0] == 2


def show_engine(files: Path, content: bytes) -> None:
    """Parameters and budgets of a damaged engine: no number in them may be none."""
    file = files / "engine.toml"
    file.write_bytes(content)
    _, out = answered("engines", str(file))
    budgets = out.partition("Link budget")[2].split()
    assert not {"nan", "inf", "-inf"} & set(budgets)


def show_override(item: str) -> None:
    _, out = answered("engines", "free-space-1024", "--set", item)
    assert not {"nan", "inf", "-inf"} & set(out.partition("Link budget")[2].split())


def with_options() -> st.SearchStrategy[tuple[str, list[str]]]:
    return st.tuples(st.sampled_from(COMMANDS), words())


@fuzzed(150)
@given(request=with_options())
def test_any_words(files, request):
    ask_with_words(files, *request)


@fuzzed(50)
@given(data=st.data())
def test_damaged_tokenizers(files, data):
    ask_with_tokenizer(files, data.draw(models.tokenizers(files / "model")))


@fuzzed(25)
@given(data=st.data())
def test_damaged_gguf_files(files, data):
    ask_with_gguf(files, data.draw(models.gguf_contents(files / "model.gguf")))


@fuzzed(25)
@given(data=st.data())
def test_damaged_texts(files, data):
    ask_with_text(files, data.draw(texts(files)))


@fuzzed(50)
@given(data=st.data())
def test_damaged_roadmaps(files, data):
    ask_with_roadmap(files, data.draw(damaged_lines(read_roadmap_file().path.read_text("utf-8"))))


@fuzzed(25)
@given(content=engines.engine_texts())
def test_damaged_engines(files, content):
    show_engine(files, content)


@fuzzed(25)
@given(item=engines.overrides())
def test_damaged_overrides(item):
    show_override(item)


def texts(files: Path) -> st.SearchStrategy[bytes]:
    return damaged_bytes((files / "text.txt").read_bytes())


@pytest.mark.parametrize("length", [300, 5000])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        *(("accuracy", option) for option in ("--model", "--text", "--engine", "--out")),
        *(("generate", option) for option in ("--model", "--engine", "--out")),
        ("accuracy --task embed", "--model"),
        ("accuracy --task embed", "--data"),
        ("engines", "--engine"),
        *(("scaling", option) for option in ("--roadmap", "--engine", "--accuracy", "--out")),
    ],
)
def test_names_that_no_file_can_have(files, command, option, length):
    name = "a" * length + (".toml" if option == "--engine" else "")
    if command == "engines":
        argv = ["engines", name]
    elif command == "scaling":
        end = ".toml" if option == "--roadmap" else ""
        argv = ["scaling", "--out", str(files / "occupied"), option, name + end]
    else:
        asked = {"generate": ["--prompt", "the", "--max-new-tokens", "2"]}.get(
            command, ["--tokens", "32", "--context", "16"]
        )
        argv = [
            *command.split(),
            *asked,
            "--model",
            str(files / "model"),
            "--out",
            str(files / "occupied"),
            option,
            name,
        ]
    assert answered(*argv)[0] == 2


@pytest.mark.parametrize("end", [{"a": 1}, [[1]], [None], "x", 2**70, -1, [1.5], True])
def test_ends_of_texts_that_are_no_tokens(files, tmp_path, end):
    folder = write_folder(tmp_path / "model")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": end}))
    place = ("--out", str(files / "occupied"))
    status, _ = answered("generate", "--model", str(folder), "--prompt", "the", "--max-new-tokens", "2", *place)
    assert status == 2


@pytest.mark.parametrize(
    "template", [3, [], [{"name": [1], "template": "x"}], "{% for", "{{ 1 / 0 }}", "{{ x.y.z }}\n\n"]
)
def test_chat_templates_that_are_none(files, tmp_path, template):
    folder = write_folder(tmp_path / "model")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    place = ("--out", str(files / "occupied"))
    asked = ("--prompt", "the", "--max-new-tokens", "2", "--chat")
    assert answered("generate", "--model", str(folder), *asked, *place)[0] == 2


@pytest.mark.parametrize("command", ["accuracy", "generate"])
def test_weights_that_are_no_numbers_are_refused_when_they_are_read(tmp_path, capsys, command):
    tensors = random_tensors()
    tensors["model.layers.1.mlp.down_proj.weight"][3, 5] = np.inf
    model = str(write_folder(tmp_path / "model", tensors=tensors))
    asked = {
        "accuracy": ["--tokens", "32", "--context", "16"],
        "generate": ["--prompt", "the", "--max-new-tokens", "2"],
    }
    assert main([command, "--model", model, *asked[command], "--out", str(tmp_path / "out")]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("exalight: ")]
    assert "layers.1.mlp.down_proj.weight" in line and "not finite" in line
    assert not (tmp_path / "out").exists()


def test_the_undamaged_request_fails_by_its_place_only(files, capsys):
    assert asked(files) == (2, "")


@pytest.mark.slow
@fuzzed(300)
@given(request=with_options())
def test_any_words_at_length(files, request):
    ask_with_words(files, *request)


@pytest.mark.slow
@fuzzed(150)
@given(data=st.data())
def test_damaged_tokenizers_at_length(files, data):
    ask_with_tokenizer(files, data.draw(models.tokenizers(files / "model")))


@pytest.mark.slow
@fuzzed(150)
@given(content=engines.engine_texts())
def test_damaged_engines_at_length(files, content):
    show_engine(files, content)


@pytest.mark.slow
@fuzzed(200)
@given(item=engines.overrides())
def test_damaged_overrides_at_length(item):
    show_override(item)
