"""The quantiser of Optical Transformers: clamp, levels, and the least transmission that a finite extinction leaves."""

from typing import Literal

import jax.numpy as jnp
from jax import Array

from photonics.gradients import straight_through
from photonics.stage import Scalar, stage, static

# Keeps a range of no width from dividing by zero; part of the published arithmetic.
_LEAST_SPAN = 1e-8


def quantise(
    x: Array, low: Scalar, high: Scalar, *, levels: int, floor: Scalar | None = None, dither: Array | None = None
) -> Array:
    """x, any shape, on `levels` equal steps from `low` to `high`; straight-through, no gradient beyond the range.

        t = (clip(x) - low) / (high - low + 1e-8) (levels - 1)
        y = round(t + dither) / (levels - 1) (high - low) + low
        floor:  0 < y < floor high    becomes   floor high,       -floor |low| < y < 0   becomes   -floor |low|

    Halves round to even. `dither`, uniform in [-1/2, 1/2), makes the rounding random. The floor is the least light of
    a weight that is not zero; a zero stays dark, which needs zero to be a level, as it is where `low` or `high` is 0.
    With `low`, `high` and `floor` as Python numbers the arithmetic is that of the PyTorch reference of mase-triton, bit
    by bit where every operation rounds by itself; with float32 arrays that of its Triton kernel. Inside of `jax.jit` a
    compiler fuses some operations: values move by units of the last place, those exactly between two levels may fall to
    the other one, and a zero that is a level only up to rounding may get the floor.

    Anderson et al., Optical Transformers, TMLR 2024 (arXiv 2302.10360), as re-implemented in mase-triton (Apache-2.0).
    """
    exact = jnp.clip(x, low, high)
    span = high - low
    code = _over(exact - low, span + _LEAST_SPAN) * (levels - 1)
    value = _over(jnp.round(code if dither is None else code + dither), levels - 1) * span + low
    if floor is not None:
        value, exact = _lit(value, exact, floor * high, -floor * abs(low))
    return straight_through(exact, value)


def _over(value: Array, divisor: Scalar) -> Array:
    # By a scalar, XLA would multiply by the reciprocal, which rounds differently.
    return value / jnp.full(value.shape, divisor, value.dtype)


def _lit(value: Array, exact: Array, least: Scalar, most: Scalar) -> tuple[Array, Array]:
    """Values with the floor, and a second argument of which only the derivative counts: that of x, and of the floor."""
    for lifted, end in (((value > 0) & (value < least), least), ((value < 0) & (value > most), most)):
        end = jnp.asarray(end, value.dtype)
        value, exact = jnp.where(lifted, end, value), exact + jnp.where(lifted, end, 0.0)
    return value, exact


@stage
class Quantiser:
    """How weights stand on the panel: the positive and the negative part of a signed weight by themselves.

        v = q(v+) - q(v-),    q: `quantise` from 0 to 1 on levels / 2 steps, no transmission in (0, floor)

    Shown part by part, a weight of 0 is dark, and `levels` codes of a signed operand need converters of one bit less.
    Random rounding is that of the outputs, ahead of the ADC: uniform in one step, hence a variance of LSB^2 / 12 more,
    half a bit. The fast path draws it as a normal.

    Attributes:
        levels: codes of a signed weight, both signs together.
        floor: least transmission of a weight that is not 0, over full transmission (finite extinction).
        rounding: of outputs, "nearest" or "random".
        ideal: neither levels nor floor.
    """

    levels: int = static()
    floor: Scalar
    rounding: Literal["nearest", "random"] = static()
    ideal: bool = static(default=False)

    def codes(self) -> int:
        """Levels of one part, zero included."""
        return self.levels // 2

    def weights(self, v: Array) -> Array:
        """Signed transmissions in [-1, 1] for normalised weights v, any shape; straight-through."""
        clipped = jnp.clip(v, -1.0, 1.0)
        if self.ideal:
            return clipped
        plus, minus = (self._part(jnp.maximum(sign * clipped, 0.0)) for sign in (1.0, -1.0))
        shown = plus - minus
        at_floor = (shown != 0) & (jnp.abs(shown) <= jnp.asarray(self.floor, shown.dtype))
        return straight_through(clipped + jnp.where(at_floor, jnp.sign(shown) * self.floor, 0.0), shown)

    def _part(self, part: Array) -> Array:
        return quantise(part, 0.0, 1.0, levels=self.codes(), floor=self.floor)

    def output_variance(self, lsb: Scalar) -> Scalar:
        """Variance that random rounding adds to an output, in the square of the unit of `lsb`."""
        return lsb**2 / 12.0 if self.rounding == "random" else 0.0 * lsb
