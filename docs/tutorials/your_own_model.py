"""Your own model: any flax nnx model computed with light, what the noise does to it, and training that takes it back.

Run it from the repository:

    uv run python docs/tutorials/your_own_model.py --out my-model

A small classifier of drawn digits is trained as usual, moved under light layer by layer, measured over laser power,
and then trained on through the light. `--tiny` does the same with fewer steps, for tests.
"""

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from flax import nnx

import photonics
from photonics.layers import calibrate, measure, opticalize, reseed, set_engine

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# 1. Data -----------------------------------------------------------------------------------------------------------
#
# Nothing is downloaded: ten digits drawn on 5 x 7 dots, each row as a number whose bits are dots, then moved, dimmed
# and covered with noise until the task is no longer trivial.

DIGITS = (
    *((14, 17, 19, 21, 25, 17, 14), (4, 12, 4, 4, 4, 4, 14), (14, 17, 1, 2, 4, 8, 31), (31, 2, 4, 2, 1, 17, 14)),
    *((2, 6, 10, 18, 31, 2, 2), (31, 16, 30, 1, 1, 17, 14), (6, 8, 16, 30, 17, 17, 14), (31, 1, 2, 4, 8, 8, 8)),
    *((14, 17, 17, 14, 17, 17, 14), (14, 17, 17, 15, 1, 2, 12)),
)
SIDE = 12


def images(count: int, seed: int) -> tuple[jax.Array, jax.Array]:
    """Images (count, 144) with a mean near zero, and their labels (count,)."""
    draw = np.random.default_rng(seed)
    glyphs = np.array([[[(row >> (4 - column)) & 1 for column in range(5)] for row in digit] for digit in DIGITS])
    labels = draw.integers(0, 10, count)
    canvas = np.zeros((count, SIDE, SIDE))
    for image, label in zip(canvas, labels, strict=True):
        top, left = draw.integers(1, 4), draw.integers(2, 5)
        image[top : top + 7, left : left + 5] = draw.uniform(0.6, 1.0) * glyphs[label]
    canvas += 0.25 * draw.standard_normal(canvas.shape) - 0.2
    return jnp.asarray(canvas.reshape(count, -1), jnp.float32), jnp.asarray(labels)


# 2. A model --------------------------------------------------------------------------------------------------------
#
# Nothing in it knows of light. It is made of flax's own layers, and `opticalize` finds their matrix products. The
# scopes give those products names in the count of the work, so that a rule on a layer's name can speak of energy too.


class Classifier(nnx.Module):
    """144 pixels, a hidden layer, ten scores."""

    def __init__(self, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(SIDE * SIDE, 128, rngs=rngs)
        self.scores = nnx.Linear(128, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, 10) of images (batch, 144)."""
        with jax.named_scope("hidden"):
            x = nnx.relu(self.hidden(x))
        with jax.named_scope("scores"):
            return self.scores(x)


# 3. Training -------------------------------------------------------------------------------------------------------
#
# One function trains both the digital and the optical model: gradients flow through the light to the weights. Rounding
# passes them straight through, counting photons is replaced by a Gaussian of the same mean and variance, and everything
# else has its true derivative. Only `nnx.Param` is trained: the hardware is a Variable of another kind.


@nnx.jit
def train_step(
    model: Classifier, optimizer: nnx.Optimizer, x: jax.Array, labels: jax.Array, key: jax.Array
) -> jax.Array:
    """One step of gradient descent; returns the loss in nats."""
    # Fresh noise for every step, and a key for every image, so that no draw depends on the others in the batch.
    reseed(model, jax.random.split(key, x.shape[0]))

    def loss(model: Classifier) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(model(x), labels).mean()

    value, gradients = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradients)
    return value


def train(model: Classifier, steps: int, rate: float, seed: int) -> float:
    """Train in place; returns the mean loss of the last tenth of the steps."""
    optimizer = nnx.Optimizer(model, optax.adam(optax.cosine_decay_schedule(rate, steps)), wrt=nnx.Param)
    x, labels = images(16384, seed)
    losses = []
    for step, batch in zip(range(steps), batches(len(x), seed), strict=False):
        losses.append(train_step(model, optimizer, x[batch], labels[batch], jax.random.fold_in(KEY, step)))
    return float(jnp.mean(jnp.array(losses[-max(steps // 10, 1) :])))


def batches(count: int, seed: int) -> Iterator[np.ndarray]:
    """Endless random batches of 64 indices."""
    draw = np.random.default_rng(seed)
    while True:
        yield draw.integers(0, count, 64)


# 4. Measuring ------------------------------------------------------------------------------------------------------

KEY = jax.random.key(0)
_scores = nnx.jit(lambda model, x: model(x), graph_updates=False)


def accuracy(model: Classifier, test: "Test", draws: int = 4) -> float:
    """Share of images named correctly, over several draws of the noise."""
    right = []
    for draw in range(draws):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(1), draw), len(test.labels))
        reseed(model, keys)
        right.append(jnp.mean(jnp.argmax(_scores(model, test.x), axis=-1) == test.labels))
    return float(jnp.mean(jnp.array(right)))


@dataclasses.dataclass(frozen=True)
class Test:
    """Images that no training sees."""

    x: jax.Array
    labels: jax.Array


def ranged(model: Classifier, engine: photonics.Engine) -> None:
    """Give the layers an engine and set the full scale of its converters on images that are not measured."""
    set_engine(model, engine)
    sample, _ = images(256, seed=3)
    calibrate(model, lambda called: called(sample))


def sweep(model: Classifier, engine: photonics.Engine, powers_w: list[float], test: "Test") -> list[float]:
    """Accuracy at each laser power. Power is a traced value: the whole sweep compiles once."""
    ranged(model, engine)
    found = []
    for power_w in powers_w:
        set_engine(model, engine.at(laser_power_w=power_w))
        found.append(accuracy(model, test))
    return found


# 5. All of it ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Run all steps of this page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="folder of the figure; none is drawn without it")
    parser.add_argument("--tiny", action="store_true", help="few steps, for tests")
    arguments = parser.parse_args()
    steps, more_steps, powers = (600, 80, 4) if arguments.tiny else (3000, 500, 7)
    powers_w = [float(f"{watt:.2g}") for watt in np.geomspace(1e-4, 3e-2, powers)]

    test = Test(*images(256 if arguments.tiny else 1024, seed=2))
    model = Classifier(nnx.Rngs(0))
    loss = train(model, steps, 3e-3, seed=1)
    digital = accuracy(model, test, draws=1)
    print(f"digital: loss {loss:.3f} nats, {100 * digital:.1f} % of new images named correctly")

    # A copy, because `opticalize` works in place. A rule is a pattern on layer names with an engine, or with None for
    # digital; these keep the last layer digital. Without rules, every layer gets the engine.
    engine = photonics.load_engine("free-space-1024")
    optical = nnx.clone(model)
    rules = [(r"scores", None), (r".*", engine)] if arguments.tiny else None
    report = opticalize(optical, engine, rules=rules, rngs=nnx.Rngs(noise=0))
    print(f"with light: {', '.join(report.replaced)}; digital: {', '.join(report.digital) or 'nothing'}")

    before = sweep(optical, engine, powers_w, test)
    show_layers(optical, engine, test)

    # Where the light still does something, but not enough, training has something to win.
    weak_w = min(powers_w, key=lambda watt: abs(before[powers_w.index(watt)] - 0.55 * digital))
    set_engine(optical, engine.at(laser_power_w=weak_w))
    print(f"training on through the light of {1e3 * weak_w:g} mW, where the digital weights drown in noise")
    train(optical, more_steps, 1e-3, seed=4)
    after = sweep(optical, engine, powers_w, test)

    print("\nlaser power of one source   accuracy with digital weights   trained through the light")
    for row in zip(powers_w, before, after, strict=True):
        mark = "   <- trained here" if row[0] == weak_w else ""
        print(f"{1e3 * row[0]:22.3g} mW {100 * row[1]:29.1f} % {100 * row[2]:23.1f} %{mark}")
    index = powers_w.index(weak_w)
    print(f"\nrecovered at {1e3 * weak_w:g} mW: {100 * (after[index] - before[index]):.1f} points of accuracy")
    show_energy(model, engine.at(laser_power_w=weak_w), test, report.digital)
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        draw(powers_w, before, after, digital, arguments.out / "accuracy.png")


def show_layers(model: Classifier, engine: photonics.Engine, test: Test) -> None:
    """Print the error of each optical layer against the exact product on the same inputs."""
    set_engine(model, engine)
    reseed(model, jax.random.split(KEY, len(test.labels)))
    print(f"layer by layer, at {1e3 * engine.operating_point.laser_power_w:g} mW")
    for layer in measure(model, lambda called: called(test.x)):
        print(f"  {layer.name:8} signal over error {layer.snr_db:5.1f} dB, ", end="")
        print(f"{layer.electrons_per_mac:.0f} photoelectrons per MAC")


def show_energy(model: Classifier, engine: photonics.Engine, test: Test, digital: tuple[str, ...]) -> None:
    """Print what one image costs. The digital model is counted: the optical one would show the simulator's products."""
    work = photonics.count_contractions(model, test.x[:1])
    cost = engine.cost(work, digital=digital)
    print(f"one image: {work.macs} MACs, {cost.optical_macs} of them optical, ", end="")
    print(f"{1e9 * float(cost.total_energy_j):.0f} nJ at the wall, ", end="")
    print(f"{1e12 * float(cost.total_energy_j) / work.macs:.1f} pJ per MAC, on {cost.engines} engines")
    filled = cost.optical_macs / (cost.engines * engine.source.count * engine.panel.outputs)
    print(f"(panels of 1024 x 1024 of which {100 * filled:.2g} % are used: a model this small wastes such an engine)")


def draw(powers_w: list[float], before: list[float], after: list[float], digital: float, path: Path) -> None:
    """Accuracy over laser power, before and after."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.semilogx([1e3 * watt for watt in powers_w], before, "o-", label="digital weights")
    axes.semilogx([1e3 * watt for watt in powers_w], after, "s-", label="trained through the light")
    axes.axhline(digital, color="gray", linestyle="dotted", label="digital")
    axes.set(xlabel="laser power of one source (mW)", ylabel="images named correctly", ylim=(0, 1.02))
    axes.legend()
    figure.savefig(path, dpi=120)
    print(f"The figure is {path}")


if __name__ == "__main__":
    main()
