"""Budgets of a residue engine: where its light goes, what makes its phases noisy, what happens, and what it costs."""

import math
from typing import TYPE_CHECKING

from photonics.budgets import LinkStep
from photonics.cost import number
from photonics.noise_budget import NoiseTerm
from photonics.residue.redundancy import decoding_operations
from photonics.stage import Scalar
from photonics.tally import Tally
from photonics.units import db_from_ratio
from photonics.work import Contraction

if TYPE_CHECKING:
    from photonics.residue.engine import ResidueEngine


def link_budget(engine: "ResidueEngine") -> list[LinkStep]:
    """The light of one core on its way to the photodiodes of one path, the local oscillator beside it."""
    core, readout, bits = engine.core, engine.readout, engine.encoding.residue_bits
    left_w = float(engine.operating_point.laser_power_w)
    steps = [LinkStep("laser of one core", 0.0, left_w)]
    for name, passed in (
        ("coupling and splitter tree", core.coupling_transmission),
        (f"shared by {core.outputs} paths", 1.0 / core.outputs),
        ("without the local oscillator", 1.0 - readout.local_share),
        (f"{core.inputs * bits} segments in series", core.cascade_transmission(bits)),
        ("hybrid, four photodiodes together", readout.hybrid_transmission),
    ):
        left_w *= float(passed)
        steps.append(LinkStep(name, -db_from_ratio(float(passed)), left_w))
    return steps


def noise_budget(engine: "ResidueEngine") -> list[NoiseTerm]:
    """Variance across the phasor of one path by origin, in electrons^2 of a quadrature, largest first.

    A phase error of variance v moves the phasor by v n_s n_l. The noise of a residue is no noise of the product, which
    is exact or wrong; what it says is how near a misread phase is: half a level is pi / m. The converter is that of
    the largest modulus. Rounding of the operands, which is in every product, is left out: it is no noise of a phase.
    """
    signal, local = (float(light) for light in engine.electrons_per_path())
    square, readout = signal * local, engine.readout
    largest = engine.encoding.all_moduli()[0]
    offset = float(readout.offset_variance(engine.operating_point))
    converter = float(engine.converter_variance(largest)) * (2.0 * math.pi / largest) ** 2
    terms = {
        "shot noise of the signal": readout.shot_noise * signal / 2.0,
        "shot noise of the local oscillator": readout.shot_noise * local / 2.0,
        "receiver": float(engine.readout_variance()),
        "phase errors of the segments": float(engine.core.phase_variance(engine.encoding.residue_bits)) * square,
        "phase offsets of the paths": offset * square,
        "ADC noise beyond rounding": converter * square,
    }
    total = sum(terms.values()) or 1.0
    rows = [NoiseTerm(origin, float(value), float(value / total)) for origin, value in terms.items() if value > 0]
    return sorted(rows, key=lambda row: -row.variance_electrons2)


def count(engine: "ResidueEngine", contraction: Contraction) -> Tally:
    """How often things happen for all matrices of one record; a tile takes one symbol on all of its cores.

    Digital operations: per input one comparison and one multiplication for its scale and one residue for each modulus;
    per output and tile the decoding and two multiplications by scales; one addition per further tile.
    """
    encoding, k, n = engine.encoding, contraction.k, contraction.n
    if contraction.macs == 0:
        return Tally()
    tiles_in, tiles_out = math.ceil(k / engine.inputs), math.ceil(n / engine.outputs)
    matrices, vectors = contraction.matrices, contraction.vectors_per_matrix
    shown = matrices * vectors
    decoding = decoding_operations(encoding.moduli, encoding.redundant_moduli, encoding.erases)
    operations = k * (2 + encoding.cores) + n * (tiles_in * (decoding + 2) + tiles_in - 1)
    return Tally(
        tiles=matrices * tiles_in * tiles_out,
        busy_passes=shown * tiles_in * tiles_out,
        longest_passes=vectors,
        drives=shown * k * tiles_out * encoding.cores,
        conversions=shown * n * tiles_in * encoding.cores * engine.readout.conversions,
        inputs=shown * k * tiles_out,
        outputs=shown * n,
        partial_sums=shown * n * (tiles_in - 1),
        digital_ops=shown * operations,
        weights=matrices * k * n,
        macs=contraction.macs,
    )


def standing_power_w(engine: "ResidueEngine") -> dict[str, Scalar]:
    """Power by part of all cores of one engine whether or not vectors are shown, before the loss of the supply [W]."""
    at, cores, paths = engine.operating_point, engine.encoding.cores, engine.encoding.cores * engine.outputs
    signal, local = engine.electrons_per_path()
    segments = cores * engine.core.segments(engine.encoding.residue_bits)
    return {
        "laser": cores * engine.source.power_w(at),
        "photodetector": paths * engine.readout.bias_power_w(signal + local, at),
        "receiver": 2 * paths * engine.receiver.power_w(at, 0.0),
        "panel": float(segments) * engine.core.segment_hold_w,
        "control": engine.system.control_power_w,
        "host": engine.system.host_power_w,
    }


def event_energy_j(engine: "ResidueEngine", tally: Tally) -> dict[str, Scalar]:
    """Energy of conversions, switched segments, digital operations and memory traffic, by part [J]."""
    bits, memory = engine.encoding.residue_bits, engine.memory
    near_j_per_byte = memory.near_energy_j_per_byte
    traffic = (
        (tally.inputs * engine.dac.bits / 8, near_j_per_byte),
        (tally.outputs, memory.output_byte * near_j_per_byte),
        (2 * tally.partial_sums, memory.partial_byte * near_j_per_byte),
    )
    switched = float(tally.macs) * bits * engine.encoding.cores
    return {
        "dac": float(tally.drives) * number(engine.dac.conversion_energy_j(bits)),
        "modulator": switched * number(engine.core.segment_energy_j),
        "adc": float(tally.conversions) * number(engine.adc.conversion_energy_j(engine.conversion_rate_hz())),
        "digital": float(tally.digital_ops) * number(engine.digital.op_energy_j),
        "memory": sum(float(byte) * number(each) for byte, each in traffic),
    }


def load_energy_j(engine: "ResidueEngine") -> Scalar:
    """Energy of writing the segments of all cores: a residue for each weight, a conversion for each segment [J]."""
    bits, cores = engine.encoding.residue_bits, engine.encoding.cores
    weights = engine.inputs * engine.outputs
    conversions = float(cores * engine.core.segments(bits)) * number(engine.dac.conversion_energy_j(bits))
    codes = float(weights) * engine.dac.bits / 8 * number(engine.memory.near_energy_j_per_byte)
    return conversions + codes + float(weights * cores) * number(engine.digital.op_energy_j)
