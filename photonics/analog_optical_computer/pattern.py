"""What one machine is: the constants of every source, column and output of both rails, measured or drawn."""

import math
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import log_ndtr, ndtr

from photonics.analog_optical_computer.amplitude_panel import distorted
from photonics.analog_optical_computer.crosstalk import crossed
from photonics.analog_optical_computer.fan_in import collected
from photonics.analog_optical_computer.output_stage import amplified
from photonics.draws import standard_normal, stream
from photonics.fixed_pattern import Instance, instance_key
from photonics.stage import Scalar, Signal

if TYPE_CHECKING:
    from photonics.analog_optical_computer.engine import AnalogOpticalComputerEngine

# Streams of sources, outputs and the pixels of each panel; sources and outputs have rows for each of their errors.
_SOURCES, _OUTPUTS, _PIXELS = 11, 12, (13, 14)
_OF_OUTPUTS = (
    "column",
    "column difference",
    "gain",
    "gain difference",
    "loop gain",
    "offset",
    "plus leak",
    "minus leak",
    "plus to earlier",
    "minus to earlier",
    "plus to later",
    "minus to later",
)
# Half width of an even distribution of variance 1.
_HALF_WIDTH = math.sqrt(3.0)


class Rail(NamedTuple):
    """Constants of one rail; arrays belong to sources (rows,) or outputs (n,), with any axes in front.

    Attributes:
        efficiency: fan-in of each source; (rows, n) where the outputs fill several panels.
        quadratic, linear, dark: coefficients of `distorted`.
        gain: of each output.
        leak: share of the light of the source opposite that reaches the output past the panel; None for none.
        to_earlier, to_later: shares of a photodiode's signal that its neighbours receive; None for none.
    """

    efficiency: Signal
    quadratic: Signal
    linear: Signal
    dark: Signal
    gain: Signal
    leak: Signal | None
    to_earlier: Signal | None
    to_later: Signal | None


class Pattern(NamedTuple):
    """Both rails of all panels of one instance, and the electronics behind them, (tiles, n) each.

    Attributes:
        plus, minus: the rails; arrays (tiles, rows, n) and (tiles, 1, n).
        loop_gain: gain behind the receivers.
        offset_v: offsets of the converters [V].
        pixels: relative errors of the pixels (tiles, rows, n) of each rail; None for none.
    """

    plus: Rail
    minus: Rail
    loop_gain: Array
    offset_v: Array
    pixels: tuple[Array, Array] | None


def drawn(engine: "AnalogOpticalComputerEngine", shape: tuple[int, int, int], instance: Instance) -> Pattern:
    """The constants of one instance for weights of shape (tiles, rows, n); see the stages for the distributions."""
    tiles, rows, n = shape
    key, fan_in, panel, output = instance_key(instance), engine.fan_in, engine.panel, engine.output
    panels = -(-n // panel.outputs)
    profile = standard_normal(stream(key, _SOURCES), (tiles, 2 * rows, panels))
    errors = standard_normal(stream(key, _OUTPUTS), (tiles, len(_OF_OUTPUTS), n))
    normal = {name: errors[:, [index]] for index, name in enumerate(_OF_OUTPUTS)}
    sources = _pair(_even(profile[:, :rows]), profile[:, rows:], fan_in.profile_spread, fan_in.rail_spread)
    columns = _pair(_even(normal["column"]), normal["column difference"], panel.column_spread, panel.rail_spread)
    gains = _pair(normal["gain"], normal["gain difference"], output.gain_spread, output.rail_gain_spread)
    rails = []
    for index, name in enumerate(("plus", "minus")):
        quadratic, linear, dark = (coefficient * columns[index] for coefficient in panel.coefficients()[index])
        seen = jnp.maximum(sources[index], 0.0)
        rails.append(
            Rail(
                efficiency=jnp.repeat(seen, panel.outputs, axis=2)[..., :n] if panels > 1 else seen,
                quadratic=quadratic,
                linear=linear,
                dark=dark,
                gain=output.gains()[index] * gains[index],
                leak=_leak(engine, normal[f"{name} leak"]),
                to_earlier=_share(engine, normal[f"{name} to earlier"], edge=0),
                to_later=_share(engine, normal[f"{name} to later"], edge=panel.outputs - 1),
            )
        )
    return Pattern(
        plus=rails[0],
        minus=rails[1],
        loop_gain=1.0 + output.loop_gain_spread * normal["loop gain"][:, 0],
        offset_v=output.offset_v * normal["offset"][:, 0],
        pixels=_pixels(engine, key, shape) if panel.pixel_errors else None,
    )


def _pair(common: Array, apart: Array, spread: Scalar, difference: Scalar) -> tuple[Array, Array]:
    """Factors of both rails: what they share, and half of their difference either way."""
    return 1.0 + spread * common + difference / 2.0 * apart, 1.0 + spread * common - difference / 2.0 * apart


def _even(normal: Array) -> Array:
    """Evenly distributed numbers of variance 1 from normal ones: a profile over a row of channels has ends."""
    return _HALF_WIDTH * (2.0 * ndtr(normal) - 1.0)


def _pixels(engine: "AnalogOpticalComputerEngine", key: Array, shape: tuple[int, int, int]) -> tuple[Array, Array]:
    plus, minus = (engine.panel.element_residual * standard_normal(stream(key, number), shape) for number in _PIXELS)
    return plus, minus


def response(rail: Rail, opening: Signal, pixels: Array | None, outputs: int) -> Signal:
    """Signal of each output for light of 1 on each source (..., rows, n), for openings of one rail of the same shape.

    The steps of the machine in their order, on all sources at once: fan-in, panel, gain, leak, crosstalk. Outputs stand
    side by side in panels of `outputs`.
    """
    transmission = distorted(opening, rail.quadratic, rail.linear, rail.dark)
    if pixels is not None:
        transmission = transmission * (1.0 + pixels)
    signal = amplified(collected(transmission, rail.efficiency), rail.gain)
    if rail.leak is not None:
        rows, n = opening.shape[-2:]
        opposite = jnp.arange(n) % outputs == jnp.arange(rows)[:, None]
        signal = signal + opposite * amplified(collected(rail.leak, rail.efficiency), rail.gain)
    if rail.to_earlier is None or rail.to_later is None:
        return signal
    return crossed(signal, 0.0, rail.to_earlier, rail.to_later)


def dark_correction(rail: Rail) -> Signal:
    """What `crossed` takes off each output because it subtracts the dark transmission (..., n), in its unit."""
    if rail.to_earlier is None or rail.to_later is None:
        return rail.dark * 0.0
    return crossed(rail.dark * 0.0, rail.dark, rail.to_earlier, rail.to_later)


def _leak(engine: "AnalogOpticalComputerEngine", normal: Array) -> Array | None:
    leakage = engine.leakage
    return jnp.maximum(leakage.share + leakage.spread * normal, 0.0) if leakage.present else None


def _share(engine: "AnalogOpticalComputerEngine", normal: Array, edge: int) -> Array | None:
    """Exponential shares (tiles, 1, n); nothing leaves a panel by the column at its `edge`."""
    if not engine.crosstalk.present:
        return None
    # -log of an even number, which is the probability of a normal one.
    share = -log_ndtr(normal) * engine.crosstalk.per_neighbour
    return jnp.where(jnp.arange(normal.shape[-1]) % engine.panel.outputs == edge, 0.0, share)
