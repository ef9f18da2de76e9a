"""Signed operands as light that has no sign: which parts meet on which detector, in which symbol."""

from typing import Literal

import jax.numpy as jnp
from jax import Array

from photonics.gradients import largest_magnitude
from photonics.scales import above_zero
from photonics.stage import stage, static


@stage
class Signs:
    """Every operand is a non-negative part minus another; a product is four products of parts.

        x w = (x+ - x-)(w+ - w-) = (x+ w+ + x- w-) - (x+ w- + x- w+)

        rails    a switch behind each source chooses the rail of x, two columns hold w+ and w-, and photodiodes of one
                 output are balanced: one symbol, one drive, one conversion of the difference. What the accounting of
                 Optical Transformers supposes, which charges a conversion for each input and each output.
        passes   x+ and x- are shown one after the other, the columns of w+ and w- are converted apart, and the four
                 codes are added with their signs: two symbols and drives, four conversions. The four non-negative
                 products of the prototype; that rewrote its panel between two of them, here both columns stand there.

    Ranges are symmetric, one for the whole weight matrix and one for each token: the largest magnitude or a percentile
    of it. Left out: static activation ranges (moving averages of minimum and maximum), which the paper trains with.

    Attributes:
        signs: "rails" or "passes".
        activation_percentile: percentile of |x| of a token that fills the DAC, 100 for the largest value.
        weight_percentile: percentile of |w| of a matrix that fills the panel, 100 for the largest value.
    """

    signs: Literal["rails", "passes"] = static()
    activation_percentile: float = static()
    weight_percentile: float = static()

    @property
    def passes(self) -> int:
        """Symbols that one vector takes."""
        return 1 if self.signs == "rails" else 2

    @property
    def conversions(self) -> int:
        """Conversions of one output for one vector."""
        return 1 if self.signs == "rails" else 4

    def weight_scale(self, w: Array) -> Array:
        """Weight (), that fills the panel, for a whole matrix w of any shape; 1 where all are zero."""
        return above_zero(_magnitude(w.reshape(1, -1), self.weight_percentile))[0, 0]

    def activation_scales(self, x: Array) -> Array:
        """Activation (1, m, 1) that fills the DAC, for each token of x (tiles, m, rows); 1 where all are zero."""
        tokens = x.swapaxes(0, 1).reshape(x.shape[1], -1)
        return above_zero(_magnitude(tokens, self.activation_percentile))[None]


# The products of parts in the order in which `passes` converts them: sign, part of x, part of w.
PARTS = ((1.0, 1.0, 1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0), (1.0, -1.0, -1.0))


def part(value: Array, sign: float) -> Array:
    """The part of `value` with this sign, as a non-negative number."""
    return jnp.maximum(sign * value, 0.0)


def _magnitude(rows: Array, percentile: float) -> Array:
    if percentile >= 100.0:
        return largest_magnitude(rows, 1)
    return jnp.percentile(jnp.abs(rows), percentile, axis=1, keepdims=True)
