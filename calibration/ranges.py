"""ADC ranges of a whole model from a sample of text: the model shows its own activations to its converters."""

from flax import nnx
from jax import Array

from photonics.layers import calibrate


def calibrate_ranges(model: nnx.Module, tokens: Array) -> None:
    """Set the full scales of every optical layer of a language model from tokens (batch, time), in place.

    The products of this one call are exact, so ranges do not depend on laser power or noise. The sample must be
    disjoint from the text that is measured. Statistic and sharing are the engine's own (`photonics.ranging`).
    """
    calibrate(model, lambda called: called(tokens))
