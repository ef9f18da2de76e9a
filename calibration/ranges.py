"""ADC ranges of a whole model from a sample of its inputs: the model shows its own activations to its converters."""

from collections.abc import Callable
from typing import Any

from flax import nnx
from jax import Array

from photonics.layers import calibrate


def calibrate_ranges(model: nnx.Module, *inputs: Array, call: Callable[..., Any] | None = None) -> None:
    """Set the full scales of every optical layer of a model from one call of it on a sample, in place.

    `inputs` are the arguments of the model: tokens (batch, time) of a language model, images of a vision transformer.
    `call(model, *inputs)` is used instead of calling the model where a method of it is meant. Every optical layer has
    to take part in the call.

    The products of this one call are exact, so ranges do not depend on laser power or noise. The sample must be
    disjoint from what is measured. Statistic and sharing are the engine's own (`photonics.ranging`).
    """
    calibrate(model, lambda called: called(*inputs) if call is None else call(called, *inputs))
