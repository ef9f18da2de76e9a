"""`exalight accuracy --task embed|classify` from the command to the files, on tiny random encoders."""

import json
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import photonics
from experiments import accuracy
from experiments.accuracy_encoders import compare_classes, compare_vectors, merged
from experiments.accuracy_plot import draw
from experiments.accuracy_sweep import AccuracySweep
from experiments.cli import main
from experiments.sweepable import Point
from experiments.tables import read_table
from photonics.work import Contraction, Work
from tests.experiments.labelled_files import write_images, write_texts
from tests.models.encoder import tiny_encoders as tiny

# Two powers, and no crosstalk because its pre-distortion is slow to compile.
OPTIONS = ("--rotate", "on", "--laser-power-w", "0.2", "0.01", "--set", "optics.crosstalk=false")
COST_KEYS = {
    "energy_per_token_j",
    "energy_per_sample_j",
    "energy_per_mac_j",
    "launched_energy_per_mac_j",
    "tops_per_w",
    "power_w",
    "energy_breakdown_j",
    "energy_per_token_reloaded_j",
    "photons_per_mac",
    "snr_db",
    "beyond_power_max",
}
LOSS_KEYS = {"loss_nats", "loss_increase_nats", "standard_error_nats", "kl_nats", "top1_agreement"}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Models and data, and the folders of runs."""
    root = tmp_path_factory.mktemp("encoders")
    tiny.write_encoder(root / "bert")
    tiny.write_vision(root / "vit")
    write_texts(root / "texts.csv", 24)
    write_images(root / "images", 10)
    return root


def argv(root: Path, task: str, model: str, *more: str, out: str) -> list[str]:
    return ["accuracy", "--task", task, "--model", f"{root}/{model}", *OPTIONS, *more, "--out", f"{root}/{out}"]


def embedded(root: Path) -> list[str]:
    return argv(root, "embed", "bert", "--context", "32", "--tokens", "300", out="embedded")


def classified(root: Path, model: str, data: str, out: str) -> list[str]:
    return argv(root, "classify", model, "--context", "32", "--data", f"{root}/{data}", out=out)


@pytest.fixture(scope="module")
def embedding(root) -> dict:
    assert main(embedded(root)) == 0
    return json.loads((root / "embedded" / "result.json").read_text())


@pytest.fixture(scope="module")
def of_texts(root) -> dict:
    assert main(classified(root, "bert", "texts.csv", "texts")) == 0
    return json.loads((root / "texts" / "result.json").read_text())


@pytest.fixture(scope="module")
def of_images(root) -> dict:
    assert main(classified(root, "vit", "images", "pictures")) == 0
    return json.loads((root / "pictures" / "result.json").read_text())


def test_embeddings_come_nearer_with_light(embedding):
    weak, strong = embedding["points"]
    assert (weak["laser_power_w"], strong["laser_power_w"]) == (0.01, 0.2)
    assert set(strong) >= COST_KEYS | {"cosine_mean", "cosine_p5", "cosine_distance", "relative_error"}
    assert weak["cosine_p5"] < weak["cosine_mean"] < strong["cosine_p5"] < strong["cosine_mean"] < 1
    assert strong["cosine_distance"] == pytest.approx(1 - strong["cosine_mean"], abs=1e-6)
    # For small errors in all directions the distance is half the squared relative error, less its part along.
    assert 0.2 < 2 * strong["cosine_distance"] / strong["relative_error"] ** 2 < 1.5
    assert embedding["baseline"]["samples"] > 10
    assert [row["cosine_distance"] for row in embedding["iso_accuracy"]] == [0.001, 0.01, 0.05]
    (plateau,) = embedding["plateau"]
    assert plateau["cosine_distance"] == strong["cosine_distance"]
    assert math.fsum(plateau["causes"].values()) == pytest.approx(strong["cosine_distance"], abs=1e-12)
    assert "pydoc_data" in embedding["text"]["source"]


@pytest.mark.parametrize("run", ["embedding", pytest.param("of_texts", marks=pytest.mark.slow)])
def test_points_of_a_sweep_are_those_of_the_command(root, run, request):
    result = request.getfixturevalue(run)
    given = {"context": 32, "tokens": 300} if run == "embedding" else {"context": 32, "data": f"{root}/texts.csv"}
    task, chosen = result["config"]["task"], ("optics.crosstalk=false",)
    swept = AccuracySweep(task)
    options = {"task": task, "model": f"{root}/bert", **given, "laser_power_w": 0.2}
    point = Point("accuracy", options, chosen, 0, None, swept.facts(options, chosen))
    ((_, row),) = swept.evaluate([point])
    assert isinstance(row, dict), row
    left_out = {"laser_power_w", "rotate", "seed", "energy_breakdown_j", "energy_per_token_reloaded_j"}
    assert set(row) == set(result["points"][1]) - left_out
    assert swept.objective in row
    for name, value in row.items():
        assert value == pytest.approx(result["points"][1][name], rel=1e-6), name


@pytest.mark.parametrize("run", ["of_texts", pytest.param("of_images", marks=pytest.mark.slow)])
def test_classes_are_judged_beside_the_digital_ones(run, request):
    result = request.getfixturevalue(run)
    weak, strong = result["points"]
    assert set(strong) >= COST_KEYS | LOSS_KEYS | {"accuracy", "accuracy_change", "accuracy_standard_error"}
    assert "perplexity" not in strong
    for point in (weak, strong):
        assert point["digital_accuracy"] == result["baseline"]["accuracy"]
        assert point["accuracy_change"] == pytest.approx(point["accuracy"] - point["digital_accuracy"])
        assert abs(point["accuracy_change"]) <= 1 - point["top1_agreement"] + 1e-12
    assert strong["kl_nats"] < 0.2 * weak["kl_nats"]
    # A quarter of 24 texts, of 10 images, sets the ranges.
    assert result["baseline"]["samples"] == {"of_texts": 18, "of_images": 8}[run]
    assert [row["kl_nats"] for row in result["iso_accuracy"]] == [0.02, 0.05, 0.1]


@pytest.mark.parametrize("run", ["embedding", "of_texts", "of_images"])
def test_energy_is_told_per_token_and_per_sample(run, request):
    result = request.getfixturevalue(run)
    for point in result["points"]:
        assert math.fsum(point["energy_breakdown_j"].values()) == pytest.approx(point["energy_per_token_j"], rel=1e-9)
        tokens = point["energy_per_sample_j"] / point["energy_per_token_j"]
        assert result["macs_per_sample"] / result["macs_per_token"] == pytest.approx(tokens, rel=1e-6)
        if run == "of_images":
            assert tokens == pytest.approx(10)


def test_accuracy_is_that_of_the_model_itself(root, of_texts):
    """The digital baseline against the model called by hand, sample by sample."""
    from models.encoder.load import load_encoder

    loaded = load_encoder(root / "bert")
    rows = read_table(root / "texts", "samples").to_dicts()[:18]
    import csv

    with (root / "texts.csv").open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    # Six samples of 24 set the ranges: every fourth from the third on.
    measured = [text for index, text in enumerate(texts) if index % 4 != 2]
    for row, text in list(zip(rows, measured, strict=True))[::5]:
        ids = loaded.tokenizer.encode(text).ids
        logits = loaded.model.classify(jnp.asarray([ids]), jnp.asarray([len(ids)]))
        assert row["digital_predicted"] == int(jnp.argmax(logits))
    assert np.mean([row["digital_right"] for row in rows]) == pytest.approx(of_texts["baseline"]["accuracy"])


def test_everything_is_on_disk_and_drawn_from_it(root, of_texts, of_images, embedding):
    for name in ("embedded", "texts", "pictures"):
        folder = root / name
        tables = ("points", "energy", "iso_accuracy", "rotation", "plateau", "machines", "samples", "layers")
        expected = {"config.toml", "environment.json", "result.json", "points"}
        expected |= {f"{table}.{kind}" for table in tables for kind in ("parquet", "csv")}
        expected |= {f"{figure}.{kind}" for figure in ("accuracy", "energy") for kind in ("png", "svg")}
        assert {path.name for path in folder.iterdir()} == expected
        before = (folder / "accuracy.svg").read_bytes()
        (folder / "accuracy.svg").unlink()
        draw(folder)
        assert (folder / "accuracy.svg").read_bytes() == before
    assert b"energy per patch" in (root / "pictures" / "accuracy.svg").read_bytes()
    assert b"share of right answers" in (root / "texts" / "accuracy.svg").read_bytes()
    assert b"cosine" in (root / "embedded" / "accuracy.svg").read_bytes()


def test_the_same_request_again_computes_nothing(root, of_texts, monkeypatch, capsys):
    before = (root / "texts" / "result.json").read_bytes()
    monkeypatch.setattr(accuracy, "OpticalModel", None)
    assert main(classified(root, "bert", "texts.csv", "texts")) == 0
    captured = capsys.readouterr()
    assert captured.err.count("kept from before") == 2 + 4
    assert captured.out.splitlines()[-1] == str(root / "texts" / "result.json")
    assert "digital baseline: accuracy" in captured.out
    assert (root / "texts" / "result.json").read_bytes() == before


def test_other_labels_are_another_run(root, of_texts, capsys):
    given = root / "texts.csv"
    before = given.read_text()
    try:
        given.write_text(before.replace(",neutral", ",positive"))
        assert main(classified(root, "bert", "texts.csv", "texts")) == 2
    finally:
        given.write_text(before)
    assert "data.sha256" in capsys.readouterr().err


@pytest.mark.slow  # instantly: tests/models/encoder and tests/models/vision hold the models themselves to it
def test_an_ideal_engine_changes_nothing(root):
    command = argv(root, "embed", "vit", "--data", f"{root}/images", "--engine", "ideal", out="ideal")
    command[command.index("--laser-power-w") : command.index("--laser-power-w") + 3] = ["--laser-power-w", "0.1"]
    assert main([*command, "--samples", "4"]) == 0
    (point,) = json.loads((root / "ideal" / "result.json").read_text())["points"]
    assert point["relative_error"] < 1e-4
    assert point["cosine_p5"] > 1 - 1e-6


def test_vectors_are_compared_in_closed_form():
    digital = jnp.array([[3.0, 4.0], [1.0, 0.0], [1.0, 1e-4]])
    optical = jnp.array([[6.0, 8.0], [0.0, 2.0], [1.0, 0.0]])
    found = compare_vectors(digital, optical)
    np.testing.assert_allclose(found["cosine"], [1.0, 0.0, 1.0], atol=1e-6)
    # The last distance, theta^2 / 2, is below what 1 - cosine resolves in float32.
    np.testing.assert_allclose(found["cosine_distance"], [0.0, 1.0, 5e-9], rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(found["relative_error"], [1.0, math.sqrt(5), 1e-4], rtol=1e-5)


def test_classes_are_compared_in_closed_form():
    p, q = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]), np.array([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]])
    found = compare_classes(jnp.log(p), jnp.log(q))
    np.testing.assert_allclose(found["kl_nats"], [0.25 * math.log(2), 0.0], atol=1e-7)
    np.testing.assert_array_equal(found["agrees"], [False, True])


def test_work_of_several_lengths_shows_more_vectors_to_the_same_weights():
    def work(m: int) -> Work:
        weight = Contraction("layers/mlp/up", 1, m, 8, 16, count=2, weights=True, stacked=(2,), index_after=(1,))
        return Work((weight, Contraction("scores", 4, m, 8, m)))

    whole = merged([work(3), work(5), work(3)])
    assert whole.macs == sum(work(m).macs for m in (3, 5, 3))
    (weight,) = (contraction for contraction in whole if contraction.weights)
    assert (weight.m, weight.matrices) == (11, 2)
    # One long call on the same weights is the same work for the panels; adding would charge the panels three times.
    engine = photonics.load_engine("free-space-1024")
    once, thrice = merged([work(11)]), work(3) + work(5) + work(3)
    parts = [engine.cost(w.select(lambda c: c.weights), panels="resident").power_w for w in (whole, once, thrice)]
    assert parts[0] == pytest.approx(parts[1]) and parts[2] > 1.5 * parts[0]


@pytest.mark.slow
def test_keys_follow_the_sample_and_not_the_batch(root, of_texts, monkeypatch):
    from experiments import samples

    monkeypatch.setattr(samples, "_BATCH_TOKENS", 60)
    assert main(classified(root, "bert", "texts.csv", "apart")) == 0
    together, apart = (read_table(root / name, "samples").to_dicts() for name in ("texts", "apart"))
    # Other shapes sum in another order, which flips single codes of a converter; other draws would differ by as much
    # as samples do.
    found = [[row["kl_nats"] for row in rows[:18]] for rows in (together, apart)]
    np.testing.assert_allclose(found[1], found[0], rtol=0.2, atol=0.02)
    assert np.std(found[0]) > 0.05
