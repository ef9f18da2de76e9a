"""How signed numbers become non-negative light and come back: signs, scales, rotation, digits, repetition."""

import dataclasses
import math
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

from photonics.gradients import largest_magnitude, straight_through
from photonics.rotation import rotate, rotate_weights, rotation_additions
from photonics.stage import Scalar, Signal, stage, static

# The derivative of a quotient divides by the square of its scale, which has to stay inside float32.
FAINTEST = 1e-18


def there(value: Array, axis: int) -> Array:
    """Whether there is anything along an axis, which is kept with length 1; what is too faint to divide by is not."""
    return jnp.any(jnp.abs(value) > FAINTEST, axis=axis, keepdims=True)


@dataclasses.dataclass(frozen=True)
class Exposure:
    """The passes that are gathered in one conversion, and what their light stands for.

        U = sum_p sign_p m(u_p) / (1 - e_m) = meant + base + (errors of the modulator)

    Attributes:
        drives: unsigned drive u in [0, 1] of each pass, shape of the signed drive each.
        signs: sign with which the receiver adds each pass.
        meant: signed drive X that U stands for; `factor` times it sums to the whole over all exposures.
        factor: what one unit of X is worth.
        base: part of U that belongs to no operand: offset of the encoding and floor of the modulator.
    """

    drives: tuple[Signal, ...]
    signs: tuple[float, ...]
    meant: Signal
    factor: float
    base: Scalar


@stage
class Encoding:
    """Signs, scales, rotation, digits and repetitions of both operands; what each costs is a property here.

        w = s_w v,  x = s_x x_hat,      v, x_hat in [-1, 1]

    Signs of the weights: `rails` v = v+ - v-, two columns with balanced photodiodes; `offset` v = 2 t - 1, one column.
    Signs of the activations: `passes` x_hat = u+ - u-, two symbols; `offset` x_hat = 2 u - 1, one symbol. With two
    passes there is one conversion of their `difference`, or one for each `pass`. An offset leaves a pedestal under the
    signal that is known and subtracted after the converter, whose range it fills and whose shot noise stays.

    Digits: with `activation_slices` = s the magnitude of a code is cut into s digits of ceil((bits - 1) / s) bits, each
    shown and converted by itself; with `weight_slices` each digit has a panel of its own. Converters and panels then
    need no more than the bits of a digit. `repetitions` shows everything R times and averages the conversions:
    deviation / sqrt(R), time and energy times R.

    Rotation multiplies the contraction axis of both operands by the same orthogonal block-Hadamard matrix: exact in the
    ideal limit, it spreads outliers so that more of the range carries signal.

    The laws of all of them follow from the exposures (docs/physics.md) and are counted photon by photon in the tests;
    digits are the usual bit slicing of analog accelerators.
    Repetition: Garg et al., Dynamic Precision Analog Computing, 2021 (arXiv 2102.06365).

    Attributes:
        activation_sign: "passes" or "offset".
        weight_sign: "rails" or "offset".
        conversion: "difference" or "pass"; an offset has one pass and one conversion either way.
        activation_slices: digits of an activation.
        weight_slices: digits of a weight.
        repetitions: times that a vector is shown and converted.
        rotate: rotate the contraction axis.
        activation_scale: "token" (largest magnitude of each token) or "static" (from a calibration sample).
        activation_percentile: percentile of |x| that fills the DAC, 100 for the largest value.
        weight_percentile: percentile of |w| per column that fills the panel, 100 for the largest value.
    """

    activation_sign: Literal["passes", "offset"] = static()
    weight_sign: Literal["rails", "offset"] = static()
    conversion: Literal["difference", "pass"] = static()
    activation_slices: int = static()
    weight_slices: int = static()
    repetitions: int = static()
    rotate: bool = static()
    activation_scale: Literal["token", "static"] = static()
    activation_percentile: float = static()
    weight_percentile: float = static()

    # What it costs -------------------------------------------------------------------------------------------------

    @property
    def rails(self) -> int:
        """Columns, and photodiodes, of one output."""
        return 2 if self.weight_sign == "rails" else 1

    @property
    def sign_passes(self) -> int:
        """Symbols that one signed digit takes."""
        return 2 if self.activation_sign == "passes" else 1

    @property
    def passes_per_conversion(self) -> int:
        """Symbols that are gathered before one conversion."""
        return self.sign_passes if self.conversion == "difference" else 1

    @property
    def passes(self) -> int:
        """Symbols that one vector takes on one panel, repetitions included."""
        return self.sign_passes * self.activation_slices * self.repetitions

    @property
    def panels(self) -> int:
        """Panels that one tile of a weight matrix takes."""
        return self.weight_slices

    @property
    def conversions(self) -> int:
        """Conversions of one output of one panel for one vector."""
        return self.passes // self.passes_per_conversion

    def drive_bits(self, bits: int) -> int:
        """Bits of the unipolar converter that shows a signed `bits`-bit activation: those of a digit."""
        return _unipolar(bits, self.activation_slices, self.activation_sign)

    def pixel_bits(self, bits: int) -> int:
        """Bits of one pixel that holds a signed `bits`-bit weight: those of a digit."""
        return _unipolar(bits, self.weight_slices, self.weight_sign)

    def rotation_additions(self, k: int) -> int:
        """Additions that rotating one vector of length k takes."""
        return rotation_additions(k) if self.rotate else 0

    # Scales and rotation ---------------------------------------------------------------------------------------------

    def rotate_activations(self, x: Array) -> Array:
        """Activations (..., k) in the rotated frame, if this encoding rotates."""
        return rotate(x) if self.rotate else x

    def rotate_weights(self, w: Array) -> Array:
        """Weights (k, n) in the rotated frame, if this encoding rotates."""
        return rotate_weights(w) if self.rotate else w

    def activation_scales(self, x: Array) -> Array:
        """Scale (..., 1) per token of x (..., k); 1 where a token is all zero, or fainter than `FAINTEST`."""
        return _positive(_magnitude(x, self.activation_percentile, axis=-1))

    def static_activation_scale(self, sample: Array) -> Array:
        """One scale, shape (), for a sample of activations (..., k)."""
        return _positive(_magnitude(sample.reshape(-1), self.activation_percentile, axis=0)[0])

    def weight_scales(self, w: Array) -> Array:
        """Scale (..., 1, n) per column of w (..., k, n); 1 where a column is all zero, or fainter than `FAINTEST`."""
        return _positive(_magnitude(w, self.weight_percentile, axis=-2))

    # Signs -----------------------------------------------------------------------------------------------------------

    @property
    def weight_factor(self) -> float:
        """Light per unit of a signed weight: 1 on rails, 1/2 with an offset."""
        return 1.0 if self.weight_sign == "rails" else 0.5

    def openings(self, v: Array) -> tuple[Array, ...]:
        """Opening of the pixel of each rail, in [0, 1], for signed weights v."""
        if self.weight_sign == "offset":
            return ((1.0 + v) / 2.0,)
        return jnp.maximum(v, 0.0), jnp.maximum(-v, 0.0)

    def exposures(self, drive: Signal, levels: int, floor: Scalar) -> list[Exposure]:
        """What is shown for signed drives in [-1, 1], one entry per conversion, repetitions left out.

        `levels` is the largest code Q of the drive, `floor` the floor of the modulator e_m.
        """
        dark = floor / (1.0 - floor)
        shown: list[Exposure] = []
        for digit, weight in digits(drive, levels, self.activation_slices):
            if self.activation_sign == "offset":
                shown.append(Exposure(((1.0 + digit) / 2.0,), (1.0,), digit / 2.0, 2.0 * weight, 0.5 + dark))
                continue
            plus, minus = jnp.maximum(digit, 0.0), jnp.maximum(-digit, 0.0)
            if self.conversion == "difference":
                shown.append(Exposure((plus, minus), (1.0, -1.0), digit, weight, 0.0))
            else:
                shown.append(Exposure((plus,), (1.0,), plus, weight, dark))
                shown.append(Exposure((minus,), (1.0,), minus, -weight, dark))
        return shown


def digit_levels(levels: int, slices: int) -> int:
    """Largest code of one digit when codes up to Q = `levels` = 2^(b-1) - 1 are cut into `slices` digits."""
    return levels if slices == 1 else 2 ** math.ceil(levels.bit_length() / slices) - 1


def digits(value: Signal, levels: int, slices: int) -> list[tuple[Signal, float]]:
    """Signed digits in [-1, 1] of value = code / Q, lowest first, each with its weight: value = sum weight digit.

        |code| = sum_i B^i d_i,   B = 2^ceil((b-1)/s),   digit_i = sign d_i / (B - 1),   weight_i = B^i (B - 1) / Q

    The gradient of the value goes to the highest digit; the others have none (digits are floors).
    """
    if slices == 1:
        return [(value, 1.0)]
    largest = digit_levels(levels, slices)
    rest, sign = jnp.round(jnp.abs(value) * levels), jnp.sign(value)
    parts: list[tuple[Signal, float]] = []
    for place in range(slices):
        weight = (largest + 1) ** place * largest / levels
        digit = jax.lax.stop_gradient(sign * jnp.mod(rest, largest + 1) / largest)
        if place == slices - 1:
            digit = straight_through(value / weight, digit)
        parts.append((digit, weight))
        rest = jnp.floor(rest / (largest + 1))
    return parts


def _unipolar(bits: int, slices: int, sign: str) -> int:
    return math.ceil((bits - 1) / slices) + (sign == "offset")


def _magnitude(value: Array, percentile: float, axis: int) -> Array:
    if percentile >= 100.0:
        return largest_magnitude(value, axis)
    return jnp.percentile(jnp.abs(value), percentile, axis=axis, keepdims=True)


def _positive(scale: Array) -> Array:
    return jnp.where(scale > FAINTEST, scale, 1.0)
