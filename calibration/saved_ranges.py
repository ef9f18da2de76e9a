"""Converter ranges of a calibrated or trained model as a text, for the metadata of its weight file.

    {"layers/mlp/down": {"activation": [shape, base64], "adc": [shape, base64]}, ...}

Arrays are little-endian float32: full scales are many (one per output and panel), and a header of JSON numbers would be
five times as long. Ranges of the first engine of a layer; those of further ones are their own.
"""

import base64
import json
import math

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from calibration.learned_ranges import calibrated
from photonics.layers import Ranges
from photonics.layers.opticalize import optical_seams


def ranges_text(model: nnx.Module) -> str:
    """The ranges of a model whose layers all have some; ValueError as `calibration.learned_ranges.calibrated`."""
    held = calibrated(optical_seams(model))
    return json.dumps({name: {"activation": _text(one[0][1]), "adc": _text(one[0][0])} for name, one in held.items()})


def install_ranges(model: nnx.Module, text: str) -> None:
    """Give every optical layer of a model the ranges of a text, in place, whatever it had.

    ValueError for a text that was not written here, and for ranges of another model or of engines of another size,
    which only a calibrated model can tell.
    """
    try:
        stored = {name: (_array(one["adc"]), _array(one["activation"])) for name, one in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the converter ranges cannot be read: {error}") from error
    seams = {seam.stack_name: seam for seam in optical_seams(model)}
    if seams.keys() != stored.keys():
        odd = ", ".join(sorted(seams.keys() ^ stored.keys()))
        raise ValueError(f"optical layers and stored ranges do not belong together: {odd}")
    for name, held in calibrated(list(seams.values())).items():
        wanted, given = [one.shape for one in held[0]], [one.shape for one in stored[name]]
        if wanted != given:
            raise ValueError(f"the ranges of {name} have the shapes {given}, and this engine needs {wanted}")
        seams[name].dot().ranges = nnx.List([nnx.data(Ranges(stored[name])) for _ in held])


def _text(value: Array) -> list:
    raw = np.asarray(value, "<f4")
    return [list(raw.shape), base64.b64encode(raw.tobytes()).decode()]


def _array(stored: list) -> Array:
    shape, text = stored
    raw = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    if raw.size != math.prod(shape) or not np.all(np.isfinite(raw)) or not np.all(raw > 0.0):
        raise ValueError("a range is missing, not finite or not above 0")
    return jnp.asarray(raw.reshape(shape))
