"""Budgets of a residue engine: what makes its phases noisy, what happens, and what it costs."""

import itertools
import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from photonics import operands
from photonics.noise_budget import NoiseTerm, ranked
from photonics.residue.moduli import largest_sum
from photonics.residue.phase import levels_variance, misread_probability
from photonics.residue.redundancy import decode, decoding_operations
from photonics.stage import Scalar, number
from photonics.tally import Tally, count_tiles
from photonics.work import Contraction

if TYPE_CHECKING:
    from photonics.residue.engine import ResidueEngine


def noise_budget(engine: "ResidueEngine") -> list[NoiseTerm]:
    """Variance of one output of a full tile of typical operands by origin, largest first.

    A result is the product of the codes or wrong. So the noise is that of rounding both operands, and what misread
    residues make of it: a result erased to 0 errs by the product, one that is not by what the residues stand for
    (`misread_variance`); it is shared out over the origins of the phase noise (`phase_budget`) in proportion. In
    electrons^2 of a signal of `typical_signal_electrons`, to which only ratios matter here.
    """
    mean_square, phases = operands.mean_square(engine.inputs), phase_budget(engine)
    rounding = 0.0 if engine.dac.ideal else 1.0 / (12.0 * engine.dac.levels() ** 2 * mean_square)
    terms = {"activation rounding": rounding, "weight rounding": rounding}
    misread, noise = misread_variance(engine), sum(phases.values()) or 1.0
    terms |= {f"residues misread for {origin}": misread * share / noise for origin, share in phases.items()}
    square = engine.typical_signal_electrons() ** 2
    return ranked({origin: value * square for origin, value in terms.items()})


def phase_budget(engine: "ResidueEngine") -> dict[str, float]:
    """Variance of what is rounded to a residue of the largest modulus, by origin [levels^2]; half a level misreads."""
    signal, local = (float(light) for light in engine.electrons_per_path())
    largest, readout = engine.encoding.all_moduli()[0], engine.readout
    variances = {
        "shot noise of the signal": readout.shot_noise / (2.0 * local),
        "shot noise of the local oscillator": readout.shot_noise / (2.0 * signal),
        "the receivers": float(engine.readout_variance()) / signal / local,
        "phase errors of the segments": float(engine.core.phase_variance(engine.encoding.residue_bits)),
        "phase offsets of the paths": float(readout.offset_variance(engine.operating_point)),
    }
    levels = {origin: float(levels_variance(variance, largest)) for origin, variance in variances.items()}
    return levels | {"ADC noise beyond rounding": float(engine.converter_variance(largest))}


def misread_variance(engine: "ResidueEngine") -> float:
    """Mean square error of typical products from misread residues, over the mean square of the products.

    Summed over every way in which up to three residues are read one level too high or too low, with its probability
    and what `decode` makes of it. Left out: more of them, and steps of more than one level.
    """
    encoding, offset = engine.encoding, float(engine.readout.offset_variance(engine.operating_point))
    moduli, levels = encoding.all_moduli(), engine.dac.levels()
    variances = [float(engine.level_variance(m)) + float(levels_variance(offset, m)) for m in moduli]
    probabilities = [float(misread_probability(math.sqrt(variance))) for variance in variances]
    patterns = np.zeros((0, encoding.cores), int)
    for count in range(1, min(3, encoding.cores) + 1):
        for chosen in itertools.combinations(range(encoding.cores), count):
            steps = np.zeros((2**count, encoding.cores), int)
            steps[:, chosen] = list(itertools.product((-1, 1), repeat=count))
            patterns = np.concatenate([patterns, steps])
    # A product of 1 tells a result that was put right from one that was erased.
    read = jnp.asarray(np.mod(1 + patterns, moduli).T, jnp.int32)
    largest = largest_sum(engine.inputs, engine.dac.bits)
    number = np.asarray(decode(read, moduli, encoding.moduli, largest, encoding.erases), float)
    product = engine.inputs * operands.mean_square(engine.inputs) ** 2 * levels**4
    squares = np.where(number == 0, 1.0, (number - 1.0) ** 2 / product)
    happens = np.where(patterns == 0, 1.0 - np.array(probabilities), np.array(probabilities) / 2.0).prod(axis=1)
    return float(happens @ squares)


def count(engine: "ResidueEngine", contraction: Contraction) -> Tally:
    """How often things happen for all matrices of one record; a tile takes one symbol on all of its cores.

    Digital operations: per input one comparison and one multiplication for its scale and one residue for each modulus;
    per output and tile the decoding and two multiplications by scales; one addition per further tile.
    """
    encoding = engine.encoding
    return count_tiles(
        contraction,
        engine.inputs,
        engine.outputs,
        drives=encoding.cores,
        conversions=encoding.cores * engine.readout.conversions,
        input_ops=2 + encoding.cores,
        tile_ops=decoding_operations(encoding.moduli, encoding.redundant_moduli, encoding.erases) + 2,
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
    bits = engine.encoding.residue_bits
    switched = float(tally.macs) * bits * engine.encoding.cores
    return {
        "dac": float(tally.drives) * number(engine.dac.conversion_energy_j(bits)),
        "modulator": switched * number(engine.core.segment_energy_j),
        "adc": float(tally.conversions) * number(engine.adc.conversion_energy_j(engine.conversion_rate_hz())),
        "digital": float(tally.digital_ops) * number(engine.digital.op_energy_j),
        "memory": engine.memory.traffic_energy_j(tally, engine.dac.bits / 8),
    }


def load_energy_j(engine: "ResidueEngine") -> Scalar:
    """Energy of writing the segments of all cores: a residue for each weight, a conversion for each segment [J]."""
    bits, cores = engine.encoding.residue_bits, engine.encoding.cores
    weights = engine.inputs * engine.outputs
    conversions = float(cores * engine.core.segments(bits)) * number(engine.dac.conversion_energy_j(bits))
    codes = float(weights) * engine.dac.bits / 8 * number(engine.memory.near_energy_j_per_byte)
    return conversions + codes + float(weights * cores) * number(engine.digital.op_energy_j)
