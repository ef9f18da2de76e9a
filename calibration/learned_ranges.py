"""Learned converter ranges: one activation range per layer for the DAC, one full scale per output for the ADC.

    x_hat = clip(x / s, -1, 1),  s = s_0 exp(theta)            FS = FS_0 exp(phi)

s_0 and FS_0 come from a calibration sample (`calibration.ranges`, a percentile of observed activations), theta and phi
are trained. Rounding passes gradients straight through, so the derivative with respect to s is that of learned step
sizes: codes minus activations inside the range, the sign outside of it. That with respect to FS is the sign of what the
ADC cuts and the width of its noise beyond rounding. At inference both are constants: with static activation scales no
digital circuit has to find the largest activation of a token. An engine that scales each token by itself has no s, and
theta does nothing there. Left out: products of data with data, whose ranges follow the matrix that is loaded.

Esser et al., Learned Step Size Quantization, 2020 (arXiv 1902.08153); initialisation by percentile and decay as in
Rasch et al., Nat. Commun. 14, 5282 (2023), and Buechel et al., Analog Foundation Models, 2025 (arXiv 2505.09663).
"""

import jax.numpy as jnp
from flax import nnx
from jax import Array

from photonics.layers import Ranges
from photonics.layers.optical_dot import value_of
from photonics.layers.seams import Seam

LogRanges = dict[str, Array]
"""`activation` theta, one per layer; `adc` phi, the shape of the full scales."""


def calibrated(seams: list[Seam]) -> dict[str, list[tuple[Array, Array]]]:
    """(FS_0 (layers, panels, n), s_0 (layers,)) of each engine of each seam, by the name of its stack.

    Outside of a stack there is no axis of layers. ValueError where a seam was not calibrated, for several engines whose
    full scales differ in shape, and for a product of data with data.
    """
    found = {}
    for seam in seams:
        held = [value_of(ranges) for ranges in seam.dot().ranges]
        if any(one is None for one in held):
            raise ValueError(f"{seam.names[0]} has no converter ranges yet: calibrate before ranges are learned")
        if not all(isinstance(one, tuple) for one in held):
            raise ValueError(f"{seam.names[0]} multiplies data with data, and its ranges are not learned")
        if len({full_scale.shape for full_scale, _ in held}) > 1:
            raise ValueError(f"{seam.names[0]} has engines of several sizes, whose ranges cannot be learned together")
        found[seam.stack_name] = held
    return found


def begin(seams: list[Seam]) -> dict[str, LogRanges]:
    """Zeros: ranges as calibrated, shared by all engines of a seam. ValueError as `calibrated`."""
    return {
        name: {"activation": jnp.zeros_like(held[0][1]), "adc": jnp.zeros_like(held[0][0])}
        for name, held in calibrated(seams).items()
    }


def install(seams: list[Seam], learned: dict[str, LogRanges]) -> None:
    """Give every seam the calibrated ranges times the learned factors, in place; call it once on a fresh module."""
    for seam in seams:
        name = seam.stack_name
        if name not in learned:
            continue
        activation, adc = jnp.exp(learned[name]["activation"]), jnp.exp(learned[name]["adc"])
        scaled = [(full * adc, unit * activation) for full, unit in calibrated([seam])[name]]
        seam.dot().ranges = nnx.List([nnx.data(Ranges(one)) for one in scaled])


def pull(learned: dict[str, LogRanges]) -> Array:
    """Mean of all theta, (): a small multiple of it in the loss lets ranges decay until clipping answers."""
    return jnp.mean(jnp.concatenate([one["activation"].reshape(-1) for one in learned.values()]))
