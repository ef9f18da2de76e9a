"""What happens on a free-space engine, counted, and what that and its standing power cost."""

import math
from typing import TYPE_CHECKING

from photonics.stage import Scalar, number
from photonics.tally import Tally
from photonics.work import Contraction

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine


def standing_power_w(engine: "FreeSpaceEngine") -> dict[str, Scalar]:
    """Power by part of one engine whether or not it shows vectors, before the loss of the power supply [W].

    Directly modulated sources and the photodiodes are charged for the light of typical operands (`photonics.operands`).
    """
    at, encoding = engine.operating_point, engine.encoding
    light, transmission = (number(value) for value in engine.mean_light())
    lit_w = engine.source.count * at.laser_power_w
    received_w = lit_w * engine.light_efficiency() * light * transmission
    diodes = encoding.rails * engine.panel.outputs
    return {
        "laser": engine.source.power_w(at, light),
        "photodetector": engine.photodetector.power_w(received_w, engine.source.photon_energy_j(), diodes),
        "receiver": engine.panel.outputs * engine.receiver.power_w(at, engine.diodes_f()),
        "panel": engine.panel.hold_power_w(engine.pixels(), encoding.pixel_bits(engine.panel.bits), engine.memory),
        "control": engine.system.control_power_w,
        "host": engine.system.host_power_w,
    }


def event_energy_j(engine: "FreeSpaceEngine", tally: Tally) -> dict[str, Scalar]:
    """Energy of conversions, symbols, digital operations and memory traffic, by part [J]."""
    drive_bits = engine.encoding.drive_bits(engine.dac.bits)
    return {
        "dac": float(tally.drives) * number(engine.dac.conversion_energy_j(drive_bits)),
        "modulator": float(tally.drives) * number(engine.modulator.symbol_energy_j),
        "adc": float(tally.conversions) * number(engine.adc.conversion_energy_j(engine.conversion_rate_hz())),
        "digital": float(tally.digital_ops) * number(engine.digital.op_energy_j),
        "memory": engine.memory.traffic_energy_j(tally, engine.dac.bits / 8),
    }


def count(engine: "FreeSpaceEngine", contraction: Contraction) -> Tally:
    """How often things happen for all matrices of one record; every tile of a matrix sees all of its vectors."""
    encoding, k, n = engine.encoding, contraction.k, contraction.n
    if contraction.macs == 0:
        return Tally()
    tiles_in, tiles_out = math.ceil(k / engine.source.count), math.ceil(n / engine.panel.outputs)
    # Digits of the weights stand on panels of their own, which all see the same drives.
    panels = encoding.panels * tiles_in * tiles_out
    matrices, vectors = contraction.matrices, contraction.vectors_per_matrix
    shown = matrices * vectors
    # Scale of each input (one comparison unless static, one multiplication), rotation; rescale and sums of outputs.
    per_input = 1 if encoding.activation_scale == "static" else 2
    input_ops = k * per_input + encoding.rotation_additions(k)
    # Each conversion is added to a sum with its weight; known pedestals are subtracted; the sum is rescaled.
    conversions = tiles_in * encoding.panels * encoding.conversions
    pedestal_ops = (engine.has_pedestal() + (encoding.weight_sign == "offset")) * conversions
    output_ops = n * (conversions * (1 + engine.readout.correction_ops()) + pedestal_ops + (conversions - 1) + 1)
    input_ops += k * (encoding.weight_sign == "offset")
    return Tally(
        tiles=matrices * panels,
        busy_passes=shown * panels * encoding.passes,
        longest_passes=vectors * encoding.passes,
        drives=shown * k * tiles_out * encoding.panels * encoding.passes,
        conversions=shown * n * conversions,
        inputs=shown * k * tiles_out * encoding.panels,
        outputs=shown * n,
        partial_sums=shown * n * (tiles_in * encoding.panels - 1),
        digital_ops=shown * (input_ops + output_ops),
        weights=matrices * k * n * contraction.weights,
        macs=contraction.macs,
    )
