"""Requests of `exalight accuracy --task embed|classify`: what is complete, what is refused, and in which words."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from experiments.accuracy_config import AccuracyConfig
from experiments.accuracy_request import check_request
from experiments.cli import main
from experiments.errors import RequestError
from experiments.samples import Images, Passages
from tests.experiments.labelled_files import write_images, write_texts
from tests.models.encoder import tiny_encoders as tiny


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Models and data; only read from them."""
    root = tmp_path_factory.mktemp("requests")
    tiny.write_encoder(root / "bert")
    tiny.write_vision(root / "vit")
    bare = tiny.write_encoder(root / "bare")
    kept = {name: value for name, value in load_file(bare / "model.safetensors").items() if "classifier" not in name}
    save_file(kept, bare / "model.safetensors")
    write_texts(root / "texts.csv")
    write_images(root / "images")
    write_images(root / "large", size=16)
    return root


def config(root: Path, **options) -> AccuracyConfig:
    return AccuracyConfig(**{"task": "classify", "model": f"{root}/bert", "context": 32, **options})


def test_texts_with_labels(root):
    request = check_request(config(root, data=f"{root}/texts.csv"))
    samples = request.sample
    assert isinstance(samples, Passages)
    assert (len(samples.rows), len(samples.calibration)) == (18, 6)
    with (root / "texts.csv").open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    tokenizer = tiny.word_tokenizer()
    # Six of 24, evenly spaced, set the ranges; the other 18 are measured, in order.
    assert samples.calibration == tuple(tuple(tokenizer.encode(texts[i]).ids) for i in range(2, 24, 4))
    measured = [index for index in range(24) if index % 4 != 2]
    assert samples.rows == tuple(tuple(tokenizer.encode(texts[index]).ids) for index in measured)
    assert samples.labels == tuple((0, 1, 2, 2)[index % 4] for index in measured)
    assert request.folder.document["data"]["samples"] == 24


def test_a_longer_text_is_cut(root):
    samples = check_request(config(root, data=f"{root}/texts.csv", context=5)).sample
    assert max(samples.tokens) == 5
    assert all(row[0] == 2 and row[-1] == 3 for row in samples.rows)


def test_images_by_folder_and_by_file(root, tmp_path):
    by_folder = check_request(config(root, model=f"{root}/vit", data=f"{root}/images")).sample
    assert isinstance(by_folder, Images)
    assert (len(by_folder.paths), len(by_folder.calibration)) == (8, 2)
    assert by_folder.labels == tuple(("bar", "dot").index(path.parent.name) for path in by_folder.paths)
    given = root / "images.csv"
    names = sorted(path.relative_to(root) for path in (root / "images").rglob("*.*"))
    given.write_text("path,label\n" + "".join(f"{name},{name.parent.name}\n" for name in names))
    by_file = check_request(config(root, model=f"{root}/vit", data=str(given))).sample
    assert (by_file.paths, by_file.labels) == (by_folder.paths, by_folder.labels)
    (pixels,) = by_file.inputs([0, 1])
    assert pixels.shape == (2, 12, 12, 3)
    mean, deviation = (np.float32(tiny.PREPROCESSOR[key]) for key in ("image_mean", "image_std"))
    assert np.all(pixels >= -mean / deviation) and np.all(pixels <= (1 - mean) / deviation)


def test_a_text_is_embedded_line_by_line(root, tmp_path):
    lines = [f"the light is bright {number}" for number in range(100)]
    lines[1] = "a dark lens " * 20
    (tmp_path / "text.txt").write_text("\n\n".join(lines))
    request = check_request(config(root, task="embed", text=f"{tmp_path}/text.txt", tokens=100))
    tokenizer = tiny.word_tokenizer()
    rows = request.sample.rows
    assert list(rows[0]) == tokenizer.encode(lines[0]).ids
    # The long second line goes on in pieces of 32 tokens, each with its own first and last token.
    assert [len(row) for row in rows[1:3]] == [32, 32]
    assert all(row[0] == 2 and row[-1] == 3 for row in rows)
    assert 100 <= sum(map(len, rows)) < 100 + 32
    assert list(request.sample.calibration[0]) == tokenizer.encode(lines[-1]).ids
    assert 256 <= sum(map(len, request.sample.calibration)) < 256 + 32
    assert not set(rows) & set(request.sample.calibration)


def test_the_default_text_and_data_without_labels_can_be_embedded(root, tmp_path):
    request = check_request(config(root, task="embed"))
    assert sum(request.sample.tokens) >= 1024
    assert request.sample.labels is None
    (tmp_path / "plain.csv").write_text("text\n" + "a lens\n" * 4)
    assert len(check_request(config(root, task="embed", data=f"{tmp_path}/plain.csv")).sample.rows) == 3


def test_what_decides_the_result_decides_the_folder(root, tmp_path):
    def folder(**options) -> Path:
        return check_request(config(root, **{"data": f"{root}/texts.csv", **options})).folder.path

    others = [{"samples": 4}, {"task": "embed"}, {"context": 16}, {"seed": 1}]
    assert folder() == folder()
    assert len({folder(), *(folder(**options) for options in others)}) == 1 + len(others)


def refused(capsys, root: Path, *argv: str) -> str:
    """The one line that a refused request prints."""
    assert main(["accuracy", "--context", "32", *(part.format(root=root) for part in argv)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


BERT, VIT = ("--model", "{root}/bert"), ("--model", "{root}/vit")
CLASSIFY, EMBED = ("--task", "classify"), ("--task", "embed")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (BERT, "is an encoder (bert), which predicts no text; give --task embed or classify"),
        (VIT, "is an encoder (vit), which predicts no text"),
        (("--data", "{root}/texts.csv"), "--data is for --task embed and --task classify"),
        (EMBED, "--task embed needs an encoder, and smollm2-135m is a decoder"),
        ((*EMBED, "--model", "{root}/absent"), "there is no such folder"),
        ((*EMBED, "--model", "{root}/images"), "has no config.json with a model_type"),
        ((*CLASSIFY, *BERT), "--task classify needs samples with labels; give --data"),
        ((*CLASSIFY, *BERT, "--text", "{root}/texts.csv"), "give --data instead of --text"),
        ((*EMBED, *BERT, "--text", "a", "--data", "b"), "--text and --data were both given"),
        ((*EMBED, *BERT, "--samples", "3"), "--samples is for --data"),
        ((*EMBED, *VIT), "looks at images; give them with --data"),
        (
            (*CLASSIFY, "--model", "{root}/bare", "--data", "{root}/texts.csv"),
            "has no classifier of two or more classes",
        ),
        ((*CLASSIFY, *BERT, "--data", "{root}/texts.csv", "--samples", "19"), "holds 24 samples, and 19 to measure"),
        ((*CLASSIFY, *BERT, "--data", "{root}/texts.csv", "--samples", "0"), "--samples 0: give a whole number from 1"),
        ((*CLASSIFY, *BERT, "--data", "{root}/texts.csv", "--context", "65"), "more than the 64 positions"),
        ((*CLASSIFY, *BERT, "--data", "{root}/texts.csv", "--context", "2"), "no room for text beside the 2 special"),
        ((*CLASSIFY, *BERT, "--data", "{root}/absent.csv"), "there is no such file or folder"),
        ((*CLASSIFY, *BERT, "--data", "{root}/images"), "is a folder; texts are read from a CSV file"),
        ((*CLASSIFY, *VIT, "--data", "{root}/texts.csv"), "has no column path; its first line names id, text, label"),
        ((*CLASSIFY, *VIT, "--data", "{root}/large"), "has the shape 16x16x3, and the model takes 12x12x3"),
        ((*EMBED, *BERT, "--tokens", "0"), "--tokens 0: give a whole number from 1"),
        ((*EMBED, *BERT, "--tokens", "900000"), "900256 are needed"),
        (("--task", "summarise"), "expected one of 'perplexity', 'embed', 'classify'"),
    ],
)
def test_refusals(root, capsys, argv, expected):
    assert expected in refused(capsys, root, *argv)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "text,label\na lens,negative\na light,great\n",
            "line 3, has the label 'great', which the model does not know",
        ),
        ("text,label\na lens,negative\na light,3\n", "it knows 'negative', 'neutral', 'positive', or their indices"),
        ("text\na lens\n", "has no column label; its first line names text"),
        ("", "has no column text and no column label; its first line names nothing"),
        ("text,label\na lens,positive\n", "holds 1 samples, and at least one to measure and 1 to set"),
        ("text,label\n", "holds 0 samples"),
        ("text,label\na lens\n", "line 2, has no label"),
        ("text,label\n ,positive\n", "line 2, has no text"),
        (b"text,label\n\xff\xfe,positive\n", "is not UTF-8 text"),
        ("text,label\n" + 200_000 * "x" + ",positive\n", "is not a CSV file (field larger than field limit"),
    ],
)
def test_data_that_does_not_fit_is_refused(root, capsys, tmp_path, content, expected):
    path = tmp_path / "given.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert expected in refused(capsys, root, *CLASSIFY, *BERT, "--data", str(path))


def test_damaged_and_missing_images_are_refused(root, capsys, tmp_path):
    folder = write_images(tmp_path / "images")
    argv = (*CLASSIFY, *VIT, "--data", str(folder))
    whole = (folder / "bar" / "0.png").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"\x89PNG\r\n\x1a\n", b"text"):
        (folder / "bar" / "0.png").write_bytes(content)
        assert "bar/0.png cannot be read" in refused(capsys, root, *argv)
    (tmp_path / "images.csv").write_text("path,label\nimages/bar/2.png,bar\nimages/bar/none.png,bar\n")
    assert "none.png is not there" in refused(capsys, root, *CLASSIFY, *VIT, "--data", f"{tmp_path}/images.csv")
    (folder / "blob").mkdir()
    (folder / "bar" / "0.png").rename(folder / "blob" / "0.png")
    assert "has the label 'blob'" in refused(capsys, root, *argv)


def test_a_damaged_model_is_refused(root, capsys, tmp_path):
    model = tiny.write_encoder(tmp_path / "bert")
    (model / "config.json").write_text(json.dumps({**tiny.BERT, "hidden_act": "relu"}))
    assert "hidden_act" in refused(capsys, root, *EMBED, "--model", str(model))
    (model / "config.json").write_text("{")
    assert "has no config.json with a model_type" in refused(capsys, root, *EMBED, "--model", str(model))


def test_unlabelled_images_can_be_embedded_but_not_classified(root, tmp_path):
    folder = write_images(tmp_path / "images") / "bar"
    assert check_request(config(root, task="embed", model=f"{root}/vit", data=str(folder))).sample.labels is None
    with pytest.raises(RequestError, match="holds no folders; images are read from one folder per class"):
        check_request(config(root, model=f"{root}/vit", data=str(folder)))
    (folder.parent / "dot" / "1.png").rename(folder.parent / "1.png")
    with pytest.raises(RequestError, match=r"1\.png lies in no folder of a class"):
        check_request(config(root, model=f"{root}/vit", data=str(folder.parent)))


def test_refusals_do_not_import_jax(root):
    requests = [
        ["--task", "classify", "--model", f"{root}/bert", "--data", f"{root}/texts.csv", "--samples", "99"],
        ["--task", "classify", "--model", f"{root}/vit", "--data", f"{root}/large"],
        ["--model", f"{root}/bert"],
    ]
    code = (
        f"import sys; from experiments.cli import main; done = [main(['accuracy', '--context', '32', *r]) for r in "
        f"{requests!r}]; print(done, sorted({{'jax', 'flax', 'polars'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[2, 2, 2] []\n"
