"""Learned converter ranges: one activation range per layer for the DAC, one full scale per output for the ADC.

    x_hat = clip(x / s, -1, 1),  s = s_0 exp(theta)            FS = FS_0 exp(phi)

s_0 and FS_0 come from a calibration sample (`calibration.ranges`, a percentile of observed activations), theta and phi
are trained. Rounding passes gradients straight through, so the derivative with respect to s is that of learned step
sizes: codes minus activations inside the range, the sign outside of it. At inference both are constants: with static
activation scales no digital circuit has to find the largest activation of a token.

Esser et al., Learned Step Size Quantization, 2020 (arXiv 1902.08153); initialisation by percentile and decay as in
Rasch et al., Nat. Commun. 14, 5282 (2023), and Buechel et al., Analog Foundation Models, 2025 (arXiv 2505.09663).
"""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import Array

from photonics.layers import Ranges
from photonics.layers.seams import Seam

LogRanges = dict[str, Array]
"""`activation` theta, one per layer; `adc` phi, the shape of the full scales."""


def calibrated(seams: list[Seam]) -> dict[str, list[tuple[Array, Array]]]:
    """(FS_0, s_0) of each engine of each seam, by name of the seam; ValueError where one was not calibrated."""
    found = {}
    for seam in seams:
        held = [ranges.get_value() if ranges is not None else None for ranges in seam.dot().ranges]
        if any(one is None for one in held):
            raise ValueError(f"{seam.names[0]} has no converter ranges yet: calibrate before ranges are learned")
        found[stack_name(seam)] = held
    return found


def begin(seams: list[Seam]) -> dict[str, LogRanges]:
    """Zeros: ranges as calibrated. A seam whose layers have different engines starts from the first one's shapes."""
    return {
        name: {"activation": jnp.zeros_like(held[0][1]), "adc": jnp.zeros_like(held[0][0])}
        for name, held in calibrated(seams).items()
    }


def install(seams: list[Seam], learned: dict[str, LogRanges]) -> None:
    """Give every seam the calibrated ranges times the learned factors, in place; call it once on a fresh module."""
    for seam in seams:
        name = stack_name(seam)
        if name not in learned:
            continue
        activation, adc = jnp.exp(learned[name]["activation"]), jnp.exp(learned[name]["adc"])
        scaled = [(full * adc, unit * activation) for full, unit in calibrated([seam])[name]]
        seam.dot().ranges = nnx.List([nnx.data(Ranges(one)) for one in scaled])


def pull(learned: dict[str, LogRanges]) -> Array:
    """Mean of all theta: a small multiple of it in the loss lets ranges decay until clipping answers."""
    every: list[Any] = [one["activation"].reshape(-1) for one in learned.values()]
    return jnp.mean(jnp.concatenate(every)) if every else jnp.zeros(())


def stack_name(seam: Seam) -> str:
    """The place of a seam in the model, as "layers/mlp/down": all layers of a stack together."""
    return "/".join(str(part) for part in seam.path)
