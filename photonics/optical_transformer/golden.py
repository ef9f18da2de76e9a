"""The quantiser beside the public re-implementation: golden vectors, and how many of them are not met exactly."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from photonics.optical_transformer.quantiser import quantise


def compared(document: Mapping[str, Any], *, arithmetic: str = "reference") -> Iterator[tuple[str, int, int]]:
    """(name, values, values that differ in any bit) of every case of a document of golden vectors.

    A case holds `x`, `low`, `high`, `levels`, `lut_min`, what came out as `y`, and `dither` where rounding was random;
    numbers are float32. `arithmetic`: "reference", ranges as Python numbers, against `y` of the PyTorch reference; or
    "kernel", ranges as float32, against `y_kernel` where the Triton kernel differs. Raises ValueError for another one.
    """
    if arithmetic not in ("reference", "kernel"):
        raise ValueError(f"arithmetic is {arithmetic!r}; it should be reference or kernel")
    for case in document["cases"]:
        low, high, floor, published = case["low"], case["high"], case["lut_min"], case["y"]
        if arithmetic == "kernel":
            low, high = jnp.float32(low), jnp.float32(high)
            floor = None if floor is None else jnp.float32(floor)
            published = case.get("y_kernel", published)
        dither = None if "dither" not in case else jnp.asarray(case["dither"], jnp.float32)
        x = jnp.asarray(case["x"], jnp.float32)
        # Outside of any jit: there every operation rounds by itself, as in the golden arithmetic.
        y = quantise(x, low, high, levels=case["levels"], floor=floor, dither=dither)
        differ = np.asarray(y) != np.asarray(published, np.float32)
        yield case["name"], len(differ), int(differ.sum())


def mismatches(document: Mapping[str, Any], *, arithmetic: str = "reference") -> int:
    """Values of all golden vectors that the quantiser does not meet exactly; see `compared`."""
    return sum(differing for _, _, differing in compared(document, arithmetic=arithmetic))
