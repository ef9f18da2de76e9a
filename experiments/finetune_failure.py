"""Where a training went wrong: the first layer without numbers, or the one furthest from exact."""

import math
from typing import TYPE_CHECKING

from jax import Array

from photonics import count_contractions
from photonics.layers import load_panels, measure

if TYPE_CHECKING:
    from models.transformer.model import Transformer


def worst_layer(model: "Transformer", tokens: Array) -> tuple[str, float] | None:
    """Name and signal to noise [dB] of the optical layer to blame, for tokens (batch, time); None without such layers.

    In the order in which layers are computed the first one whose output is no number: all behind it have none either.
    Where all are numbers, the one with the least signal to noise. `model` loads its panels here.
    """
    load_panels(model)
    records = {record.name: record.snr_db for record in measure(model, lambda called: called(tokens))}
    if not records:
        return None
    order = [one.name for one in count_contractions(model, tokens).expand() if one.name in records]
    for name in dict.fromkeys(order):
        if not math.isfinite(records[name]):
            return name, records[name]
    name = min(records, key=lambda one: records[one])
    return name, records[name]


def layer_words(found: tuple[str, float] | None) -> str:
    """What `worst_layer` found, as a part of a sentence."""
    if found is None:
        return "no layer is computed with light"
    name, snr_db = found
    shown = f"{snr_db:.0f} dB" if math.isfinite(snr_db) else "no number"
    return f"the layer to look at is {name} (signal to noise {shown})"
