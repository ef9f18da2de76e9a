"""Signed numbers as light fields: the modulator that makes them, and what two streams of fields sum to."""

import math
from typing import NamedTuple

import jax.numpy as jnp

from photonics.gradients import standard_deviation
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static


class Field(NamedTuple):
    """A field in units of that at full drive; arrays of JAX or numpy, any shape, or zeros for the second.

    Attributes:
        signal: part in phase with the carrier, which stands for the operand.
        leak: part in quadrature, which stands for nothing.
    """

    signal: Signal
    leak: Signal

    def power(self) -> Signal:
        """Power relative to that at full drive."""
        return self.signal * self.signal + self.leak * self.leak

    def squared(self) -> "Field":
        """The field squared as a complex number."""
        return Field(self.signal * self.signal - self.leak * self.leak, 2.0 * self.signal * self.leak)

    def scaled(self, factor: Signal) -> "Field":
        """Both parts times a number."""
        return Field(self.signal * factor, self.leak * factor)


@stage
class FieldModulator:
    """A Mach-Zehnder modulator biased at its null: the field follows the drive with its sign, one per transmitter.

        E(u) = u + i sqrt(1 - u^2) / sqrt(ER),       u = sin(pi V / 2 V_pi) in [-1, 1]
        |E|^2 = u^2 + (1 - u^2) / ER                 1 / ER of the light is left at the null
        settling: E_j -> (1 - l) E_j + l E_{j-1},    l = exp(-2 pi bandwidth / f)

    What two unequal arms leave at the null stands in quadrature to the signal (push-pull drive; own derivation from the
    sum of two fields of amplitudes (1 +- 1/sqrt(ER))/2). It multiplies the leak of the other operand, and the signal of
    the other operand where phases are wrong. Symbols run along the contraction axis, so a slow modulator mixes
    neighbouring terms of one sum. A table makes the sine straight; codes are taken as even steps of the field. Left
    out: chirp, equalisation, memory of more than one symbol.

    Agrawal, Fiber-Optic Communication Systems, 4th ed., section 10.2 (null-biased modulators; from memory).

    Attributes:
        leaks: whether the null leaves light.
        extinction_ratio: power at full drive over power at the null; infinite means no leak.
        transmission: power out over power in at full drive (insertion loss).
        symbol_energy_j: electrical drive energy per symbol, without the DAC [J].
        bias_power_w: power that holds one transmitter at its null and in phase [W].
        settling: whether the previous symbol leaks into the present one.
        bandwidth_hz: bandwidth of modulator and driver, one pole [Hz].
    """

    leaks: bool = static()
    extinction_ratio: Scalar
    transmission: Scalar
    symbol_energy_j: Scalar
    bias_power_w: Scalar
    settling: bool = static()
    bandwidth_hz: Scalar

    def field(self, drive: Signal, at: OperatingPoint, axis: int) -> Field:
        """The field of signed drives in [-1, 1], any shape; symbols follow one another along `axis`."""
        leak = jnp.zeros(())
        if self.leaks:
            # At full drive the derivative of the root is infinite; there it is taken as zero.
            leak = standard_deviation(1.0 - jnp.square(drive)) * jnp.sqrt(1.0 / jnp.asarray(self.extinction_ratio))
        if not self.settling:
            return Field(drive, leak)
        share = jnp.exp(-2.0 * math.pi * self.bandwidth_hz / at.symbol_rate_hz)
        return Field(_settled(drive, share, axis), _settled(leak, share, axis) if self.leaks else leak)


def interference(activations: Field, weights: Field, leaks: bool) -> tuple[Signal, Signal]:
    """Real and imaginary part of sum_j E_w,j conj(E_x,j): fields (m, rows) and (rows, n) give (m, n).

    Re = v x + q_v q_x,   Im = q_v x - v q_x        summed over j; without `leaks` only the first term exists.
    """
    x, v = activations.signal, weights.signal
    if not leaks:
        return x @ v, jnp.zeros(())
    real = x @ v + activations.leak @ weights.leak
    return real, x @ weights.leak - activations.leak @ v


def _settled(value: Signal, share: Scalar, axis: int) -> Signal:
    """Each symbol with a share of the one before it; the first follows darkness."""
    value = jnp.asarray(value)
    last = value.shape[axis] - 1
    before = jnp.concatenate([jnp.zeros_like(_span(value, axis, 0, 1)), _span(value, axis, 0, last)], axis=axis)
    return (1.0 - share) * value + share * before


def _span(value: Signal, axis: int, start: int, stop: int) -> Signal:
    """value[start:stop] along one axis."""
    return jnp.take(value, jnp.arange(start, stop), axis=axis)
