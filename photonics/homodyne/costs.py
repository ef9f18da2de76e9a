"""What happens on a homodyne engine, counted, and what that and its standing power cost."""

from typing import TYPE_CHECKING

from photonics import operands
from photonics.rotation import rotation_additions
from photonics.stage import Scalar, number
from photonics.tally import Tally, count_streams
from photonics.work import Contraction

if TYPE_CHECKING:
    from photonics.homodyne.engine import HomodyneEngine


def count(engine: "HomodyneEngine", contraction: Contraction) -> Tally:
    """How often things happen for all matrices of one record: `rows` vectors at a time, one input in each symbol."""
    array, encoding = engine.array, engine.encoding
    return count_streams(
        contraction,
        array.integration,
        array.columns,
        array.rows,
        lambda inputs: inputs,
        repetitions=encoding.repetitions,
        vector_ops=rotation_additions(contraction.k) if encoding.rotate else 0,
        # Every conversion is added to a sum, which is rescaled.
        tile_ops=2 * encoding.repetitions,
    )


def standing_power_w(engine: "HomodyneEngine") -> dict[str, Scalar]:
    """Power by part whether or not anything is shown, before the loss of the power supply [W]."""
    at, array = engine.operating_point, engine.array
    power = mean_power(engine)
    received_w = at.laser_power_w * engine.transmission() * number(power)
    return {
        "laser": engine.laser.power_w(at),
        "modulator": array.transmitters * engine.modulator.bias_power_w,
        "phase": array.units * engine.phase.unit_power_w,
        "photodetector": engine.pair.power_w(received_w, engine.laser.photon_energy_j(), array.units),
        "integrator": array.units * engine.integrator.amplifier_power_w,
        "control": engine.system.control_power_w,
        "host": engine.system.host_power_w,
    }


def event_energy_j(engine: "HomodyneEngine", tally: Tally) -> dict[str, Scalar]:
    """Energy of drives, readouts, conversions, digital operations and memory traffic, by part [J]."""
    memory, weight_byte = engine.memory, engine.weight_byte()
    fetched_j = float(tally.weights * weight_byte) * number(memory.far_energy_j_per_byte)
    return {
        "dac": float(tally.drives) * number(engine.dac.conversion_energy_j(engine.dac.bits)),
        "weight_dac": float(tally.weight_drives)
        * number(engine.weight_dac.conversion_energy_j(engine.weight_dac.bits)),
        "modulator": float(tally.drives + tally.weight_drives) * number(engine.modulator.symbol_energy_j),
        "integrator": float(tally.conversions) * number(engine.integrator.readout_energy_j(engine.diodes_f())),
        "adc": float(tally.conversions) * number(engine.adc.conversion_energy_j(engine.conversion_rate_hz())),
        "digital": float(tally.digital_ops) * number(engine.digital.op_energy_j),
        "memory": memory.traffic_energy_j(tally, engine.dac.bits / 8, weight_byte) + fetched_j,
    }


def mean_power(engine: "HomodyneEngine") -> Scalar:
    """Light behind a modulator over light at full drive, for typical operands (`photonics.operands`)."""
    mean_square = operands.mean_square(engine.array.integration)
    floor = 1.0 / engine.modulator.extinction_ratio if engine.modulator.leaks else 0.0
    return mean_square + (1.0 - mean_square) * floor
