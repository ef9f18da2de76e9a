"""Where the light goes, what happens on the engine, counted, and what that and its standing power cost."""

from typing import TYPE_CHECKING

from photonics.cost import number
from photonics.stage import Scalar
from photonics.tally import Tally

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
    return {
        "dac": float(tally.drives) * number(engine.dac.conversion_energy_j(engine.dac.bits)),
        "adc": float(tally.conversions) * number(engine.adc.conversion_energy_j(engine.conversion_rate_hz())),
        "digital": float(tally.digital_ops) * number(engine.digital.op_energy_j),
        "memory": engine.memory.traffic_energy_j(tally, engine.dac.bits / 8),
    }
