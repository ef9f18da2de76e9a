"""What happens on a homodyne engine, counted, and what that and its standing power cost."""

import math
from typing import TYPE_CHECKING

from photonics import operands
from photonics.rotation import rotation_additions
from photonics.stage import Scalar, number
from photonics.tally import Tally
from photonics.work import Contraction

if TYPE_CHECKING:
    from photonics.homodyne.engine import HomodyneEngine


def count(engine: "HomodyneEngine", contraction: Contraction) -> Tally:
    """How often things happen for all matrices of one record.

    Vectors of one execution are shown `rows` at a time, each group with the whole matrix; those of different executions
    (the steps of a decoder) cannot stand side by side. A group that is not full takes as many symbols as a full one.

        symbols        executions groups R tiles_in rows_of_a_tile tiles_out      per matrix
        drives         vectors k tiles_out R        weight drives    executions groups k n R
        conversions    vectors n tiles_in R
    """
    k, n = contraction.k, contraction.n
    if contraction.macs == 0:
        return Tally()
    array, repetitions = engine.array, engine.encoding.repetitions
    tiles_in, tiles_out = math.ceil(k / array.integration), math.ceil(n / array.columns)
    symbols = tiles_in * math.ceil(k / tiles_in) * repetitions
    matrices, vectors = contraction.matrices, contraction.vectors_per_matrix
    shown = matrices * vectors
    executions = vectors // contraction.m
    groups = executions * math.ceil(contraction.m / array.rows)
    # Scale of each input: one comparison and one multiplication; every conversion is added to a sum, which is rescaled.
    input_ops = k * 2 + (rotation_additions(k) if engine.encoding.rotate else 0)
    output_ops = n * (2 * tiles_in * repetitions)
    return Tally(
        tiles=matrices * tiles_in * tiles_out,
        busy_passes=matrices * groups * symbols * tiles_out,
        longest_passes=groups * symbols,
        drives=shown * k * tiles_out * repetitions,
        weight_drives=matrices * groups * k * n * repetitions,
        conversions=shown * n * tiles_in * repetitions,
        inputs=shown * k * tiles_out * repetitions,
        outputs=shown * n,
        partial_sums=shown * n * (tiles_in - 1),
        digital_ops=shown * (input_ops + output_ops),
        # The buffer beside the engine holds a matrix while one execution needs it, and no longer.
        weights=matrices * executions * k * n,
        weight_reads=matrices * groups * k * n * repetitions,
        macs=contraction.macs,
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
