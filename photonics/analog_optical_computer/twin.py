"""The matrix operation of the published digital twin, step by step, for constants that are given."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from photonics.analog_optical_computer.amplitude_panel import distorted, split
from photonics.analog_optical_computer.crosstalk import crossed
from photonics.analog_optical_computer.fan_in import collected, conserved
from photonics.analog_optical_computer.microled import led_power
from photonics.analog_optical_computer.output_stage import amplified, corrected
from photonics.analog_optical_computer.pattern import Rail
from photonics.analog_optical_computer.rail_leakage import leaked
from photonics.gradients import largest_magnitude

# The coefficients of `led_power`.
Led = tuple[float, float, float, float]


class Constants(NamedTuple):
    """Measured constants of one machine, for as many inputs as outputs.

    Attributes:
        plus, minus: the rails; arrays (n,), every effect there.
        plus_led, minus_led: coefficients a, b, c, d of `led_power` for each rail.
        dc_offset, linear_offset, scaling: of `corrected`, (n,).
        ratio: volts per ADC unit.
    """

    plus: Rail
    minus: Rail
    plus_led: Led
    minus_led: Led
    dc_offset: Array
    linear_offset: Array
    scaling: Array
    ratio: float


def constants(values: Mapping[str, Any]) -> Constants:
    """Constants from plain lists and numbers, by the names of the golden file (`experiments/validation_data`).

    A key that is missing raises KeyError.
    """

    def rail(name: str) -> Rail:
        fields = (jnp.asarray(values[f"{field}_{name}"], jnp.float32) for field in Rail._fields)
        return Rail(*fields)

    def led(name: str) -> Led:
        a, b, c, d = (float(coefficient) for coefficient in values[f"led_{name}"])
        return a, b, c, d

    return Constants(
        plus=rail("plus"),
        minus=rail("minus"),
        plus_led=led("plus"),
        minus_led=led("minus"),
        dc_offset=jnp.asarray(values["dc_offset"], jnp.float32),
        linear_offset=jnp.asarray(values["linear_offset"], jnp.float32),
        scaling=jnp.asarray(values["scaling"], jnp.float32),
        ratio=float(values["ratio"]),
    )


def matrix_operation(
    machine: Constants,
    drive_v: Array,
    w: Array,
    *,
    gain: float | None = None,
    leakage: bool = True,
    crosstalk: bool = True,
    dark_subtraction: bool = True,
) -> tuple[Array, Array]:
    """Signals of both rails (m, n) [V] for drives (m, n) [V] and weights (n, n): AOCCell's steps in AOCCell's order.

        source nonlinearity -> fan-in -> relu(+-w) / |w|max, distorted -> product -> output gain -> rail leak
        -> crosstalk of photodiodes (dark taken off) -> power conservation / n -> gain

    With `gain` None nothing is conserved and the result is multiplied by |w|max, as their cell does with
    `normalise_matrix=False`. The switches are theirs; the tanh before and the feedback after it are not a matrix
    product and stay outside. The product of the engine is made of the same functions (`pattern.response`).
    """
    largest = largest_magnitude(w.reshape(1, -1), 1)[0, 0]
    signals = []
    for rail, led, opening in zip(
        (machine.plus, machine.minus), (machine.plus_led, machine.minus_led), split(w / largest), strict=True
    ):
        light = collected(led_power(drive_v, *led), rail.efficiency)
        signal = light @ distorted(opening, rail.quadratic, rail.linear, rail.dark)
        signal = amplified(signal, rail.gain)
        if leakage and rail.leak is not None:
            signal = leaked(signal, amplified(light, rail.gain), rail.leak)
        if crosstalk and rail.to_earlier is not None and rail.to_later is not None:
            darkness = rail.dark if dark_subtraction else jnp.zeros_like(rail.dark)
            signal = crossed(signal, darkness, rail.to_earlier, rail.to_later)
        signals.append(signal * largest if gain is None else conserved(signal, w.shape[1]) * gain)
    return signals[0], signals[1]


def closed_loop(machine: Constants, signal: Array, gain: float) -> Array:
    """Difference of the rails (m, n) [V] behind the offsets and gains of the loop, at a gain of the machine."""
    return corrected(signal, gain, machine.dc_offset, machine.linear_offset, machine.scaling, machine.ratio)
