"""Looking at every optical product during one call of a model: to range its converters, or to measure its error."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx

from photonics.layers.optical_dot import Ranges
from photonics.layers.opticalize import optical_seams, unload_panels
from photonics.layers.seams import Seam


@dataclasses.dataclass(frozen=True)
class LayerRecord:
    """One optical layer, measured: its name, SNR against the exact product [dB], photoelectrons per MAC, and MACs."""

    name: str
    snr_db: float
    electrons_per_mac: float
    macs: int


def calibrate(model: nnx.Module, run: Callable[[nnx.Module], Any]) -> None:
    """Set the ADC full scales (and static activation scales) of every optical layer, in place.

    `run(model)` must call the model once on a calibration sample; during that call all products are exact, and each
    layer ranges its converters on the activations that it sees. Loaded panels are dropped.
    """
    unload_panels(model)
    for seam, record in _observe(model, run, "calibrate"):
        seam.dot().ranges = nnx.List([nnx.data(Ranges(ranges)) for ranges in record])


def measure(model: nnx.Module, run: Callable[[nnx.Module], Any]) -> list[LayerRecord]:
    """Call `run(model)` once and compare every optical product with the exact one on the same inputs.

    Pass the same function again for another laser power: it is compiled once.

    SNR is 10 log10(sum y^2 / sum (y_hat - y)^2) over all tokens and outputs of a layer.
    """
    records = []
    for seam, record in _observe(model, run, "measure"):
        dot = seam.dot()
        values = {name: jnp.atleast_1d(value) for name, value in record.items()}
        for layer, name in enumerate(seam.names):
            if dot.digital and jnp.atleast_1d(dot.choice[...])[layer] == 0:
                continue
            error = max(float(values["error"][layer]), float(jnp.finfo(jnp.float32).tiny))
            snr_db = 10.0 * float(jnp.log10(jnp.maximum(values["signal"][layer], 1e-30) / error))
            macs = float(values["macs"][layer])
            records.append(LayerRecord(name, snr_db, float(values["electrons"][layer]) / max(macs, 1.0), int(macs)))
    return records


def _observe(model: nnx.Module, run: Callable[[nnx.Module], Any], mode: str) -> list[tuple[Seam, Any]]:
    seams = optical_seams(model)
    for seam in seams:
        seam.dot().mode = mode
        # A scanned stack slices and returns Intermediates, so there must be one to slice; its shape may change.
        seam.dot().record = nnx.data(nnx.Intermediate(jnp.zeros(seam.dot().instance[...].shape)))
    try:
        _compiled(run)(model)
        return [(seam, seam.dot().record.get_value()) for seam in seams]
    finally:
        for seam in seams:
            seam.dot().mode = "compute"
            seam.dot().record = nnx.data(None)


@functools.lru_cache(maxsize=8)
def _compiled(run: Callable[[nnx.Module], Any]) -> Callable[[nnx.Module], Any]:
    """`run`, compiled once for as long as the caller keeps passing the same function."""
    # Without graph updates nothing is copied out but what changes: keys, counters and the records.
    return nnx.jit(run, graph_updates=False)
