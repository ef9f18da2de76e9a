"""Memory of the light path: the symbol before leaks into the present one."""

import jax.numpy as jnp
from jax import Array

from photonics.stage import Scalar

Lights = list[tuple[Array, ...]]


def leaked(lights: Lights, leak: Scalar, before: Scalar, time: int) -> Lights:
    """Light of every pass after one-pole settling, from the light that was asked for.

        m_p <- (1 - l) m_p + l m_(p-1)

    `lights` holds, for each conversion, the light (..., m, rows) of its passes in the order in which they are shown.
    The m vectors are sequences of `time` vectors one after the other: the first pass of a vector follows the last pass
    of the vector before it, and the first of a sequence follows darkness, relative light `before`. Nothing leaks from
    one sequence to another. Repetitions show the whole sequence again.
    """
    last = lights[-1][-1]
    sequences = last.reshape(*last.shape[:-2], -1, time, last.shape[-1])
    dark = jnp.broadcast_to(jnp.asarray(before, last.dtype), sequences[..., :1, :].shape)
    previous = jnp.concatenate([dark, sequences[..., :-1, :]], axis=-2).reshape(last.shape)
    result: Lights = []
    for passes in lights:
        settled = []
        for light in passes:
            settled.append((1.0 - leak) * light + leak * previous)
            previous = light
        result.append(tuple(settled))
    return result
