"""What belongs to one published machine alone, as quantities of `exalight validate`; see `validate_quantities`."""

import functools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from experiments.errors import RequestError

if TYPE_CHECKING:
    from photonics.optical_transformer.engine import OpticalTransformerEngine

_DATA = Path(__file__).with_name("validation_data")


def width_energy_per_mac(engine: "OpticalTransformerEngine", *, width: int, part: str | None) -> float:
    """See `photonics.optical_transformer.accounting.energy_per_mac_j` [J]."""
    from photonics.optical_transformer.accounting import energy_per_mac_j

    try:
        return energy_per_mac_j(engine, width, parts=_parts(part))
    except ValueError as error:
        raise RequestError(f"argument part is {part!r}: {error}") from error


def width_advantage(
    engine: "OpticalTransformerEngine", *, width: int, part: str | None, digital_j_per_mac: float
) -> float:
    """Energy of a digital multiply-accumulate over that of a square layer."""
    return digital_j_per_mac / width_energy_per_mac(engine, width=width, part=part)


def width_exponent(engine: "OpticalTransformerEngine", *, narrow: int, wide: int, part: str | None) -> float:
    """log(E_wide / E_narrow) / log(wide / narrow): -1 where energy per multiply-accumulate falls as 1 / width."""
    low, high = (width_energy_per_mac(engine, width=width, part=part) for width in (narrow, wide))
    return math.log(high / low) / math.log(wide / narrow)


def photon_energy_at_width(engine: "OpticalTransformerEngine", *, width: int, photons_per_dot_product: float) -> float:
    """See `photonics.optical_transformer.accounting.photon_energy_per_mac_j` [J]."""
    from photonics.optical_transformer.accounting import photon_energy_per_mac_j

    return photon_energy_per_mac_j(engine, width, photons_per_dot_product)


def residue_range_bits(engine: Any) -> float:
    """log2 of the product of the moduli."""
    return math.log2(math.prod(engine.encoding.all_moduli()))


def albireo_power(*, part: str) -> float:
    """Sum of count x power over the components of a part, see `experiments.validate_albireo` [W]."""
    from experiments.validate_albireo import components, power_w_by_part

    return power_w_by_part(components())[part]


def golden_difference(*, vectors: str) -> float:
    """Largest difference of any output from golden vectors, over the largest of those.

    AOC: both rails of `photonics.analog_optical_computer.twin.matrix_operation`, for single sources ("aoc-one-hot") or
    random drives, with all effects ("aoc-random"), or with weights as their cell shows them when it is not told to
    normalise ("aoc-random-as-shipped").
    """
    from photonics.analog_optical_computer.twin import constants, matrix_operation

    document = _golden("aoc-golden.json")
    name = vectors.removeprefix("aoc-").replace("-", "_")
    published = document["outputs"][name]
    w = jnp.asarray(document["weight_codes"], jnp.float32) * document["weight_step"]
    drive_v = document["one_hot_v"] * np.eye(len(w)) if name == "one_hot" else document["random_drive_v"]
    found = matrix_operation(
        constants(document["constants"]),
        jnp.asarray(drive_v, jnp.float32),
        w,
        gain=published["gain"],
        leakage=published["leakage"],
    )
    worst = 0.0
    for rail, signal in zip(("plus", "minus"), found, strict=True):
        golden = np.asarray(published[rail], np.float64)
        worst = max(worst, float(np.abs(np.asarray(signal, np.float64) - golden).max() / np.abs(golden).max()))
    return worst


def golden_mismatches(*, arithmetic: str) -> float:
    """See `photonics.optical_transformer.golden.mismatches`."""
    from photonics.optical_transformer.golden import mismatches

    return float(mismatches(_golden("ot-quantiser-golden.json"), arithmetic=arithmetic))


def _parts(part: str | None) -> tuple[str, ...]:
    return () if part is None else tuple(name.strip() for name in part.split("+"))


@functools.cache
def _golden(name: str) -> dict[str, Any]:
    return json.loads((_DATA / name).read_text("utf-8"))
