"""Where the light goes, what happens on the engine, counted, and what that and its standing power cost."""

import math
from typing import TYPE_CHECKING

from photonics.budgets import LinkStep
from photonics.cost import number
from photonics.stage import Scalar
from photonics.tally import Tally
from photonics.units import db_from_ratio
from photonics.work import Contraction

if TYPE_CHECKING:
    from photonics.analog_optical_computer.engine import AnalogOpticalComputerEngine

# Everything that differs from one machine to the next.
PATTERNS = (
    "fan_in.profile_spread",
    "fan_in.rail_spread",
    "panel.column_spread",
    "panel.rail_spread",
    "panel.element_residual",
    "output.gain_spread",
    "output.rail_gain_spread",
    "output.loop_gain_spread",
    "output.offset_v",
)


def link_budget(engine: "AnalogOpticalComputerEngine") -> list[LinkStep]:
    """The light of one source at full drive on its way to one detector, at a transmission of 1."""
    left_w = float(engine.operating_point.laser_power_w)
    steps = [LinkStep("one source at full drive", 0.0, left_w)]
    for name, passed in (
        ("light of a Lambertian emitter collected", engine.fan_in.source_aperture**2),
        ("lenses and beam splitter", engine.fan_in.transmission),
        ("panel, transmission 1", engine.panel.transmission),
        (f"shared by {engine.columns()} columns", 1.0 / engine.columns()),
    ):
        left_w *= float(passed)
        steps.append(LinkStep(name, -db_from_ratio(float(passed)), left_w))
    return steps


def standing_power_w(engine: "AnalogOpticalComputerEngine") -> dict[str, Scalar]:
    """Power by part of one engine whether or not it shows vectors, before the loss of the power supply [W].

    Sources stand at their bias, about which signed drives average; photodiodes are charged for the light of the bias
    through pixels of the mean transmission of typical weights, which is near that of the dark pixel.
    """
    at, outputs = engine.operating_point, engine.outputs
    received_w = engine.launched_power_w() * engine.light_efficiency() * engine.mean_transmission()
    return {
        "laser": engine.source.power_w(at),
        "photodetector": engine.photodetector.power_w(received_w, engine.source.photon_energy_j(), 2 * outputs),
        "receiver": 2 * outputs * engine.receiver.power_w(at, engine.diode_f()),
        "panel": engine.panel.hold_power_w(engine.pixels(), engine.memory),
        "control": engine.system.control_power_w,
        "host": engine.system.host_power_w,
    }


def event_energy_j(engine: "AnalogOpticalComputerEngine", tally: Tally) -> dict[str, Scalar]:
    """Energy of conversions, digital operations and memory traffic, by part [J].

    A drive about a bias takes all bits of a signed operand, where rails or passes would take one less.
    """
    memory, near_j_per_byte = engine.memory, engine.memory.near_energy_j_per_byte
    traffic = (
        (tally.inputs * engine.dac.bits / 8, near_j_per_byte),
        (tally.outputs, memory.output_byte * near_j_per_byte),
        (2 * tally.partial_sums, memory.partial_byte * near_j_per_byte),
    )
    return {
        "dac": float(tally.drives) * number(engine.dac.conversion_energy_j(engine.dac.bits)),
        "adc": float(tally.conversions) * number(engine.adc.conversion_energy_j(engine.conversion_rate_hz())),
        "digital": float(tally.digital_ops) * number(engine.digital.op_energy_j),
        "memory": sum(float(byte) * number(each) for byte, each in traffic),
    }


def count(engine: "AnalogOpticalComputerEngine", contraction: Contraction) -> Tally:
    """How often things happen for all matrices of one record; every tile of a matrix sees all of its vectors."""
    k, n = contraction.k, contraction.n
    if contraction.macs == 0:
        return Tally()
    tiles_in, tiles_out = math.ceil(k / engine.inputs), math.ceil(n / engine.outputs)
    panels, matrices = tiles_in * tiles_out, contraction.matrices
    vectors = contraction.vectors_per_matrix
    shown = matrices * vectors
    # A comparison and a multiplication for the scale of each input; each conversion is rescaled and added.
    operations = 2 * k + n * (tiles_in + tiles_in - 1)
    return Tally(
        tiles=matrices * panels,
        busy_passes=shown * panels,
        longest_passes=vectors,
        drives=shown * k * tiles_out,
        conversions=shown * n * tiles_in,
        inputs=shown * k * tiles_out,
        outputs=shown * n,
        partial_sums=shown * n * (tiles_in - 1),
        digital_ops=shown * operations,
        weights=matrices * k * n * contraction.weights,
        macs=contraction.macs,
    )
