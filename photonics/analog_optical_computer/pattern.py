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

# One stream for each kind of error; two where the rails have draws of their own.
_SOURCES, _COLUMNS, _GAINS, _LOOP, _OFFSETS = (11, 12), (13, 14), (15, 16), 17, 18
_LEAKS, _EARLIER, _LATER, _PIXELS = (19, 20), (21, 22), (23, 24), (25, 26)
# Half width of an even distribution of variance 1.
_EVEN = math.sqrt(3.0)


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

    def pair(
        streams: tuple[int, int], spread: Scalar, difference: Scalar, of: tuple[int, ...], even: bool
    ) -> tuple[Array, Array]:
        common, apart = (standard_normal(stream(key, number), of) for number in streams)
        # A profile over a row of channels has ends: evenly distributed, with the same standard deviation.
        common = _EVEN * (2.0 * ndtr(common) - 1.0) if even else common
        return tuple(1.0 + spread * common + sign * difference / 2.0 * apart for sign in (1.0, -1.0))  # pyright: ignore

    panels = -(-n // panel.outputs)
    sources = pair(_SOURCES, fan_in.profile_spread, fan_in.rail_spread, (tiles, rows, panels), True)
    columns = pair(_COLUMNS, panel.column_spread, panel.rail_spread, (tiles, 1, n), True)
    gains = pair(_GAINS, output.gain_spread, output.rail_gain_spread, (tiles, 1, n), False)
    rails = []
    for index, (coefficients, mean) in enumerate(zip(panel.coefficients(), output.gains(), strict=True)):
        quadratic, linear, dark = (coefficient * columns[index] for coefficient in coefficients)
        seen = jnp.maximum(sources[index], 0.0)
        rails.append(
            Rail(
                efficiency=jnp.repeat(seen, panel.outputs, axis=2)[..., :n] if panels > 1 else seen,
                quadratic=quadratic,
                linear=linear,
                dark=dark,
                gain=mean * gains[index],
                leak=_leak(engine, key, _LEAKS[index], (tiles, 1, n)),
                to_earlier=_share(engine, key, _EARLIER[index], (tiles, 1, n), first=True),
                to_later=_share(engine, key, _LATER[index], (tiles, 1, n), first=False),
            )
        )
    pixels = tuple(panel.element_residual * standard_normal(stream(key, number), shape) for number in _PIXELS)
    return Pattern(
        plus=rails[0],
        minus=rails[1],
        loop_gain=1.0 + output.loop_gain_spread * standard_normal(stream(key, _LOOP), (tiles, n)),
        offset_v=output.offset_v * standard_normal(stream(key, _OFFSETS), (tiles, n)),
        pixels=pixels if panel.pixel_errors else None,  # pyright: ignore[reportArgumentType]
    )


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


def _leak(engine: "AnalogOpticalComputerEngine", key: Array, number: int, shape: tuple[int, ...]) -> Array | None:
    leakage = engine.leakage
    if not leakage.present:
        return None
    return jnp.maximum(leakage.share + leakage.spread * standard_normal(stream(key, number), shape), 0.0)


def _share(
    engine: "AnalogOpticalComputerEngine", key: Array, number: int, shape: tuple[int, ...], *, first: bool
) -> Array | None:
    """Exponential shares; nothing leaves a panel at its `first` or at its last column."""
    if not engine.crosstalk.present:
        return None
    # -log of a uniform number, which is the probability of a normal one.
    share = -log_ndtr(standard_normal(stream(key, number), shape)) * engine.crosstalk.per_neighbour
    column = jnp.arange(shape[-1]) % engine.panel.outputs
    return jnp.where(column == (0 if first else engine.panel.outputs - 1), 0.0, share)
