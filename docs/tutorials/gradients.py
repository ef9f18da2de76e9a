"""Gradients with respect to hardware: which part to improve, and the cheapest engine that is good enough.

Run it from the repository:

    uv run python docs/tutorials/gradients.py --out my-design

Accuracy and energy of an engine are functions of the same device numbers, and JAX differentiates both. This page asks
for slopes, checks them against differences, and lets an optimiser choose laser power, transconductance and feedback
resistance. `--tiny` does the same with smaller matrices and fewer steps, for tests.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from jax import Array

import photonics

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# What may be chosen: paths of fields of the engine, as in `--set`. Each buys accuracy, and each has a price: light is
# paid at the wall, transconductance is current in the amplifier, and a large feedback resistance asks for a faster one.
KNOBS = (
    "operating_point.laser_power_w",
    "receiver.transconductance_siemens",
    "receiver.feedback_resistance_ohm",
)
UNITS = ("W", "S", "ohm")
Values = dict[str, Array]

# 1. Two functions of hardware --------------------------------------------------------------------------------------
#
# `engine.replace` gives the same machine with other values; inside a traced function the values are tracers, so that
# everything downstream is differentiable. The key is the same at every call: noise is then a fixed draw that is scaled
# by the hardware, not a different draw, and small changes of hardware are visible through it.


def error_of(engine: photonics.Engine, size: int) -> Callable[[Values], Array]:
    """Relative squared error of a product of length `size` as a function of hardware: sum (y - x w)^2 / sum (x w)^2."""
    x_key, w_key, sample_key, noise_key = jax.random.split(jax.random.key(0), 4)
    x, w = jax.random.normal(x_key, (64, size)), jax.random.normal(w_key, (size, 64))
    exact = x @ w
    # None of the knobs is seen by the panel, so the weights are encoded once.
    panel = engine.load_panel(w, sample=jax.random.normal(sample_key, (64, size)))

    def error(values: Values) -> Array:
        y = engine.replace(**values).matmul(noise_key, x, panel)
        return jnp.sum(jnp.square(y - exact)) / jnp.sum(jnp.square(exact))

    return error


def energy_of(engine: photonics.Engine) -> Callable[[Values], Array]:
    """Energy at the wall per MAC [J] of an engine that is always busy, as a function of hardware."""
    size = engine.source.count
    shapes = jax.ShapeDtypeStruct((1_000_000, size), jnp.float32), jax.ShapeDtypeStruct((size, size), jnp.float32)
    # Only shapes are looked at: a million vectors cost nothing to count.
    work = photonics.count_contractions(lambda x, w: x @ w, *shapes, weights=1)

    def energy_j(values: Values) -> Array:
        # 1e12 MACs are more than a 32-bit integer holds.
        return jnp.asarray(engine.replace(**values).cost(work).total_energy_j / float(work.macs))

    return energy_j


def values_of(engine: photonics.Engine) -> Values:
    """The knobs as they stand in the catalogue."""
    stages = {"operating_point": engine.operating_point, "receiver": engine.receiver}
    return {path: jnp.float32(getattr(stages[path.split(".")[0]], path.split(".")[1])) for path in KNOBS}


# 2. Slopes ---------------------------------------------------------------------------------------------------------
#
# A slope per watt and a slope per siemens cannot be compared. Multiplied by the value they are elasticities: by how
# many per cent the error changes for one per cent of the value. One line tells what to work on.


def show_slopes(error: Callable[[Values], Array], energy_j: Callable[[Values], Array], at: Values) -> None:
    """Print gradient and elasticity of error and energy with respect to every knob."""
    error_slope, energy_slope = jax.grad(error)(at), jax.grad(energy_j)(at)
    now, price_j = float(error(at)), float(energy_j(at))
    print(f"error {now:.2e} ({-10 * math.log10(now):.1f} dB below the signal), {1e12 * price_j:.3f} pJ per MAC")
    print("1 % more of           changes the error by   and the energy by        slope of the error")
    for path, unit in zip(KNOBS, UNITS, strict=True):
        error_percent = float(error_slope[path] * at[path]) / now
        energy_percent = float(energy_slope[path] * at[path]) / price_j
        slope = f"{float(error_slope[path]):+.2e} per {unit}"
        name = path.partition(".")[2]
        print(f"  {name:26}{error_percent:+9.3f} %{energy_percent:+19.3f} %{slope:>28}")


# 3. Are they right? ------------------------------------------------------------------------------------------------
#
# The same elasticity follows from two values of the function, one above and one below. It agrees for everything but
# rounding: the code of a converter jumps, its derivative is zero almost everywhere, and the gradient looks straight
# through it. So the check is made twice: without rounding, where only float32 is in the way, and with it, over a step
# wide enough to see the codes move; that one is good to some per cent for the knobs that matter.


def difference(function: Callable[[Values], Array], at: Values, path: str, factor: float) -> float:
    """Elasticity of a function along one knob, from its values at `factor` above and below."""
    above, below = (float(function({**at, path: at[path] * factor**sign})) for sign in (1, -1))
    return math.log(above / below) / (2 * math.log(factor))


def check_slopes(engine: photonics.Engine, size: int, at: Values) -> None:
    """Print elasticities from gradients beside those from differences, without and with rounding."""
    smooth = engine.replace(**{"adc.ideal": True, "dac.ideal": True})
    print("\nelasticity of the error               gradient  difference")
    for label, machine, factor in (("without rounding", smooth, 1.02), ("with rounding", engine, 1.3)):
        error = jax.jit(error_of(machine, size))
        now, slope = jax.value_and_grad(error)(at)
        for path in KNOBS:
            by_gradient = float(slope[path] * at[path] / now)
            by_difference = difference(error, at, path, factor)
            print(f"  {path.partition('.')[2]:26}{by_gradient:+12.4f}{by_difference:+12.4f}  {label}")


# 4. The cheapest engine for an error budget ------------------------------------------------------------------------
#
#     minimise energy(v)      while error(v) <= budget,      v > 0
#
# The optimiser works on logarithms: all knobs are positive, and a step is then a percentage whatever the unit. The
# budget has a price, the multiplier of Lagrange: it rises while the budget is exceeded and falls while some is left,
# and where it settles it says by how many per cent the energy falls for one per cent more error. A spring (STIFFNESS)
# damps it.
#
# Bertsekas, Constrained Optimization and Lagrange Multiplier Methods (1982), chapter 3: the augmented Lagrangian.

STIFFNESS, PRICE_RATE = 5.0, 0.2


def design(
    error: Callable[[Values], Array], energy_j: Callable[[Values], Array], start: Values, budget: float, steps: int
) -> tuple[Values, list[float], list[float], float]:
    """Values after `steps` steps, error and energy at each of them, and the price of the budget."""

    def loss(logarithms: Values, price: Array) -> tuple[Array, tuple[Array, Array]]:
        values = jax.tree.map(jnp.exp, logarithms)
        now, now_j = error(values), energy_j(values)
        over = jnp.log(now / budget)
        penalty = jnp.square(jax.nn.relu(price + STIFFNESS * over)) / (2 * STIFFNESS)
        return jnp.log(now_j) + penalty, (now, now_j)

    optimizer = optax.adam(optax.cosine_decay_schedule(0.2, steps), b2=0.98)

    @jax.jit
    def step(
        logarithms: Values, state: optax.OptState, price: Array
    ) -> tuple[Values, optax.OptState, Array, Array, Array]:
        gradients, (now, now_j) = jax.grad(loss, has_aux=True)(logarithms, price)
        updates, state = optimizer.update(gradients, state)
        moved = jax.tree.map(jnp.add, logarithms, updates)
        return moved, state, jax.nn.relu(price + PRICE_RATE * jnp.log(now / budget)), now, now_j

    logarithms: Values = jax.tree.map(jnp.log, start)
    state, price, errors, energies_j = optimizer.init(logarithms), jnp.float32(0.0), [], []
    for _ in range(steps):
        logarithms, state, price, now, now_j = step(logarithms, state, price)
        errors.append(float(now))
        energies_j.append(float(now_j))
    return jax.tree.map(jnp.exp, logarithms), errors, energies_j, float(price)


def cheaper_by_chance(
    error: Callable[[Values], Array], energy_j: Callable[[Values], Array], at: Values, allowed: float, tries: int
) -> float:
    """Largest share of energy that random designs within a factor of 2 of `at` save at no more error than allowed."""
    draw = np.random.default_rng(0)
    both = jax.jit(lambda values: (error(values), energy_j(values)))
    _, found_j = both(at)
    best = 0.0
    for _ in range(tries):
        values = {path: at[path] * jnp.float32(2 ** draw.uniform(-1, 1)) for path in at}
        now, price_j = both(values)
        if now <= allowed:
            best = max(best, 1.0 - float(price_j / found_j))
    return best


# 5. All of it ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Run all steps of this page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="folder of the figure; none is drawn without it")
    parser.add_argument("--tiny", action="store_true", help="small matrices and few steps, for tests")
    arguments = parser.parse_args()
    size, steps, tries = (128, 100, 50) if arguments.tiny else (1024, 250, 300)

    engine = photonics.load_engine("free-space-1024")
    error, energy_j, start = error_of(engine, size), energy_of(engine), values_of(engine)
    print(f"{engine.name}, products of length {size}")
    show_slopes(error, energy_j, start)
    check_slopes(engine, size, start)

    # A budget that the catalogue engine meets with room to spare: half as much error again.
    before, before_j = float(error(start)), float(energy_j(start))
    budget = 1.5 * before
    found, errors, energies_j, price = design(error, energy_j, start, budget, steps)
    after, after_j = float(error(found)), float(energy_j(found))
    print(f"\nthe cheapest engine with an error of at most {budget:.2e}, after {steps} steps")
    print("                                catalogue        found")
    for path, unit in zip(KNOBS, UNITS, strict=True):
        print(f"  {path.partition('.')[2]:26}{float(start[path]):13.3g}{float(found[path]):13.3g} {unit}")
    print(f"  {'error':26}{before:13.3e}{after:13.3e}")
    print(f"  {'energy per MAC':26}{1e12 * before_j:13.4f}{1e12 * after_j:13.4f} pJ")
    print(f"saved: {100 * (1 - after_j / before_j):.1f} % of the energy; error over budget: {after / budget:.4f}")
    print(f"price of the budget: one per cent more error would save {price:.2f} % of the energy")
    saved = cheaper_by_chance(error, energy_j, found, max(after, budget), tries)
    print(f"the best of {tries} random designs around it saves another {100 * saved:.2f} %")
    print(
        "beware: an optimiser knows only what it is told; whether an amplifier with this resistance keeps its bandwidth"
    )
    print(
        f"and swing, and a laser its limit of {float(engine.source.power_max_w):g} W, is a question to the data sheet"
    )
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        draw_path(errors, energies_j, budget, arguments.out / "design.png")


def draw_path(errors: list[float], energies_j: list[float], budget: float, path: Path) -> None:
    """Energy over error along the way of the optimiser."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(errors, [1e12 * energy_j for energy_j in energies_j], ".-", linewidth=0.8)
    axes.plot(errors[0], 1e12 * energies_j[0], "o", label="catalogue")
    axes.plot(errors[-1], 1e12 * energies_j[-1], "s", label="found")
    axes.axvline(budget, color="gray", linestyle="dotted", label="budget")
    axes.set(xlabel="relative squared error of a product", ylabel="energy per MAC at the wall (pJ)", xscale="log")
    axes.legend()
    figure.savefig(path, dpi=120)
    print(f"The figure is {path}")


if __name__ == "__main__":
    main()
