"""Where a training went wrong: the first layer without numbers, or the one furthest from exact."""

import math
from typing import TYPE_CHECKING

from jax import Array

from photonics import count_contractions
from photonics.layers import load_panels, measure
from photonics.layers.seams import find_seams

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
    for name in _computed_in_order(model, tokens):
        if not math.isfinite(records.get(name, 0.0)):
            return name, records[name]
    name = min(records, key=lambda one: records[one])
    return name, records[name]


def _computed_in_order(model: "Transformer", tokens: Array) -> list[str]:
    """Names of the layers as a token meets them: those of a scanned stack layer after layer."""
    places = {name: place for place, name in enumerate(one.name for one in count_contractions(model, tokens).expand())}
    order: dict[str, tuple[int, int, int]] = {}
    for seam in find_seams(model):
        place = places.get(seam.stack_name, len(places))
        stack = seam.stack_name.split("/")[0]
        begin = place if seam.layers is None else min(at for name, at in places.items() if name.startswith(stack))
        order |= {name: (begin, layer, place) for layer, name in enumerate(seam.names)}
    return sorted(order, key=lambda name: order[name])


def layer_words(found: tuple[str, float] | None) -> str:
    """What `worst_layer` found, as a part of a sentence."""
    if found is None:
        return "no layer is computed with light"
    name, snr_db = found
    shown = f"{snr_db:.0f} dB" if math.isfinite(snr_db) else "no number"
    return f"the layer to look at is {name} (signal to noise {shown})"
