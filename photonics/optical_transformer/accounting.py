"""Energy as Optical Transformers account for it: by input, by output, by weight and by photon.

    E_layer = n_in (E_load + E_DAC + E_mod) + n_out (E_amp + E_ADC + E_store) + n_w (hold or load) + n_MAC n_ph h nu

Anderson et al., Optical Transformers, TMLR 2024 (arXiv 2302.10360); in place of the detected photons of the last term
stands the light of the sources at the wall, losses and unused light included. Digital operations of the scales, which
the paper leaves out, are charged as in every engine.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from photonics.optical_transformer.photon_budget import with_electrons
from photonics.stage import Scalar, number
from photonics.tally import Tally, count_tiles
from photonics.work import Contraction, Work

if TYPE_CHECKING:
    from photonics.optical_transformer.engine import OpticalTransformerEngine

# Vectors over which the accounting of a layer averages; energy per operation does not depend on it.
_VECTORS = 1_000


def count(engine: "OpticalTransformerEngine", contraction: Contraction) -> Tally:
    """How often things happen for all matrices of one record; every tile of a matrix sees all of its vectors."""
    signs = engine.encoding
    # The conversions of a tile are added; sums over tiles are scaled once.
    return count_tiles(
        contraction,
        engine.inputs,
        engine.outputs,
        passes=signs.passes,
        conversions=signs.conversions,
        tile_ops=signs.conversions - 1,
        output_ops=1,
    )


def standing_power_w(engine: "OpticalTransformerEngine") -> dict[str, Scalar]:
    """Power by part whether or not vectors are shown: light and weights, and what stands around the engine [W]."""
    return {
        "laser": engine.panel.inputs * engine.source.power_w(engine.operating_point),
        "panel": engine.panel.weights() * engine.panel.hold_power_w,
        "control": engine.system.control_power_w,
        "host": engine.system.host_power_w,
    }


def event_energy_j(engine: "OpticalTransformerEngine", tally: Tally) -> dict[str, Scalar]:
    """Energy of conversions, symbols, digital operations and memory traffic, by part [J]."""
    # Every source shows one part of a signed operand at a time, so its converter needs no sign.
    return {
        "dac": float(tally.drives) * number(engine.dac.conversion_energy_j(engine.dac.bits - 1)),
        "modulator": float(tally.drives) * number(engine.source.modulation_energy_j),
        "receiver": float(tally.conversions) * number(engine.receiver.sample_energy_j),
        "adc": float(tally.conversions) * number(engine.adc.conversion_energy_j(engine.conversion_rate_hz())),
        "digital": float(tally.digital_ops) * number(engine.digital.op_energy_j),
        "memory": engine.memory.traffic_energy_j(tally, engine.dac.bits / 8),
    }


# The accounting along the width of a model --------------------------------------------------------------------------

CONVERSIONS = ("dac", "receiver", "adc")
"""What the conversions of the paper's formula are: DAC at the inputs, amplifier and ADC at the outputs."""


def of_width(
    engine: "OpticalTransformerEngine", width: int, electrons: float | None = None
) -> "OpticalTransformerEngine":
    """The machine for a square layer of this width, all of it on one panel.

    The laser power per source is kept, so that the electrons of a dot product are nearly kept too; with `electrons`
    they are those exactly, for typical operands.
    """
    sized = engine.replace(**{"panel.inputs": width, "panel.outputs": width})
    return sized if electrons is None else with_electrons(sized, electrons)


def energy_per_mac_j(
    engine: "OpticalTransformerEngine", width: int, *, parts: Sequence[str] = (), electrons: float | None = None
) -> float:
    """Energy of one multiply-accumulate of a square layer, from the engine's own cost [J]; `parts`: of these alone.

    Raises ValueError for a part that the engine does not have.
    """
    layer = Contraction(name="", batch=1, m=_VECTORS, k=width, n=width, count=1, weights=True)
    cost = of_width(engine, width, electrons).cost(Work((layer,)))
    for part in parts:
        if part not in cost.energy_j:
            raise ValueError(f"there is no part {part!r}; there are {', '.join(cost.energy_j)}")
    chosen = parts or tuple(cost.energy_j)
    return float(sum(cost.energy_j[part] for part in chosen)) / cost.macs


def photon_energy_per_mac_j(engine: "OpticalTransformerEngine", width: int, electrons: float) -> float:
    """Energy of the detected photons of one multiply-accumulate, n_ph h nu, at `electrons` for a dot product [J]."""
    sized = of_width(engine, width, electrons)
    return electrons / width / float(sized.receiver.quantum_efficiency) * float(sized.source.photon_energy_j())


def advantage(
    engine: "OpticalTransformerEngine", width: int, *, parts: Sequence[str] = (), digital_j_per_mac: float = 3e-13
) -> float:
    """Energy of a digital machine over that of this one; 300 fJ/MAC is the paper's digital machine (A100 class)."""
    return digital_j_per_mac / energy_per_mac_j(engine, width, parts=parts)


def slope(engine: "OpticalTransformerEngine", narrow: int, wide: int, *, parts: Sequence[str]) -> float:
    """Exponent with which the energy of some parts per multiply-accumulate grows from one width to another."""
    low, high = (energy_per_mac_j(engine, width, parts=parts) for width in (narrow, wide))
    return math.log(high / low) / math.log(wide / narrow)
