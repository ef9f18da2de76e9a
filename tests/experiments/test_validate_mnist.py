"""The perceptron for MNIST on tiny pictures of our own: it learns, and photons decide what is left of it."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import photonics
from experiments import validate_mnist, validate_mnist_files
from experiments.validate_mnist import Data, accuracy, forward, load, train
from tests.experiments.idx_files import write_folder
from tests.experiments.validation import command, written

ENGINE = (
    "photodetector.shot_noise=true",
    "encoding.rotate=false",
    "encoding.weight_sign=offset",
    "dac.ideal=false",
    "dac.bits=5",
    "panel.ideal=false",
    "panel.bits=5",
)
WIDTHS = (64, 16, 4)


@pytest.fixture(scope="module")
def data():
    """Four patterns of 8 x 8 pixels, each behind noise."""
    random = np.random.default_rng(3)
    patterns = random.random((4, 64)) > 0.6
    y = random.integers(0, 4, 640)
    x = np.clip(patterns[y] * 0.7 + random.normal(0.1, 0.15, (640, 64)), 0, 1).astype(np.float32)
    return Data(x[:512], y[:512].astype(np.int32), x[512:], y[512:].astype(np.int32))


@pytest.fixture(scope="module")
def weights(data):
    return train(data, epochs=8, seed=0, widths=WIDTHS)


@pytest.fixture(scope="module")
def engine():
    return photonics.load_engine("ideal", ENGINE)


def test_training_learns_and_repeats(data, weights):
    assert [w.shape for w in weights] == [(64, 16), (16, 4)]
    logits = forward(weights, jnp.asarray(data.test_x), None)
    assert np.mean(np.argmax(logits, axis=1) == data.test_y) > 0.95
    again = train(data, epochs=8, seed=0, widths=WIDTHS)
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))


def test_operands_have_few_levels():
    value = jnp.asarray([[0.0, 0.5, -1.0, 0.2]])
    rounded = validate_mnist._rounded(value, 1, None)
    assert np.allclose(rounded * 15, np.round(rounded * 15), atol=1e-5)
    dithered = validate_mnist._rounded(value, 1, jnp.full((1, 4), 0.49))
    assert dithered[0, 0] == 0.0 and dithered[0, 3] > rounded[0, 3] - 1e-6


def test_light_makes_the_network_and_few_photons_break_it(data, weights, engine):
    x, y = jnp.asarray(data.test_x), jnp.asarray(data.test_y)
    exact = float(np.mean(np.argmax(forward(weights, x, None), axis=1) == data.test_y))
    bright, dim, dark = (accuracy(engine, weights, x, y, photons, 0) for photons in (1e4, 1.0, 1e-3))
    assert bright == pytest.approx(exact, abs=0.02)
    assert bright >= dim > dark
    # Four classes are guessed right one time in four; 128 pictures, 5 sigma.
    assert dark < 0.25 + 5 * math.sqrt(0.25 * 0.75 / 128)


def test_photons_asked_for_are_those_detected(data, weights, engine):
    x = jnp.asarray(data.test_x[:4])
    panels = [engine.load_panel(w) for w in weights]
    open_photons = 3.0 / validate_mnist._detected_share(engine, weights, panels, x)
    detected, macs, shown = 0.0, 0, x
    for number, (w, panel) in enumerate(zip(weights, panels, strict=True)):
        for row, power_w in zip(shown, validate_mnist._powers_w(engine, shown, open_photons), strict=True):
            detected += float(engine.at(laser_power_w=power_w).detected_electrons(row, panel))
        macs += 4 * w.size
        shown = jax.nn.relu(forward((w,), shown, None)) if number == 0 else shown
    assert detected / macs == pytest.approx(3.0, rel=1e-4)


def test_files_become_arrays(tmp_path):
    images, labels = [bytes([0, 255, 51, 0]), bytes([102] * 4)], bytes([3, 7])
    folder = write_folder(tmp_path, {"train": (images, labels), "t10k": (images[:1], labels[:1])}, 2, packed=True)
    data = load(folder)
    assert data.train_x.tolist() == pytest.approx(np.array([[0, 1, 0.2, 0], [0.4] * 4]))
    assert data.train_y.tolist() == [3, 7] and data.test_x.shape == (1, 4)


_CASES = """
[[case]]
id = "photons"
engine = "ideal"
overrides = { photodetector.shot_noise = true, encoding.rotate = false, encoding.weight_sign = "offset" }
quantity = "mnist_accuracy"
arguments = { epochs = 1 }
over = "photons_per_mac"
published = [[0.1, 50], [100, 50]]
tolerance = { absolute = 50 }
unit = "%"
source = "any accuracy"
kind = "measured"
"""


def test_the_command_trains_once_and_judges_every_number_of_photons(tmp_path, monkeypatch):
    random = np.random.default_rng(5)
    labels = [np.repeat(np.arange(10), count) for count in (6, 3)]
    parts = {
        part: ([random.integers(0, 256, 784, np.uint8).tobytes() for _ in own], own.astype(np.uint8).tobytes())
        for part, own in zip(("train", "t10k"), labels, strict=True)
    }
    folder = write_folder(tmp_path / "mnist", parts, 28, packed=True)
    monkeypatch.setattr(validate_mnist_files, "_DIGITS", {"train": (6,) * 10, "t10k": (3,) * 10})
    trained, real = [], validate_mnist.train
    monkeypatch.setattr(validate_mnist, "train", lambda *a, **k: trained.append(k) or real(*a, **k))
    argv = ["--cases", str(written(tmp_path, _CASES)), "--mnist", str(folder), "--out", str(tmp_path / "run")]
    status, _, err = command(*argv)
    assert status == 0, err
    (case,) = json.loads((tmp_path / "run" / "result.json").read_text())["cases"]
    assert len(trained) == 1 and len(case["simulated"]) == 2 and all(0 <= value <= 100 for value in case["simulated"])
