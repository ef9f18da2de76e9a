"""The residue engine: integer products from their remainders, which are phases of light."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics.adc import Adc
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.draws import standard_normal, stream
from photonics.fixed_pattern import Instance, instance_key
from photonics.gradients import gaussian_counts, standard_deviation, straight_through
from photonics.loaded_tiles import Encoded
from photonics.memory import Memory
from photonics.receiver import IntegratingReceiver
from photonics.residue import budget
from photonics.residue.core import Laser, PhaseCore, PhaseReadout
from photonics.residue.moduli import largest_sum
from photonics.residue.phase import (
    counted_phase,
    levels_variance,
    nearest,
    off_by,
    read_out_variance,
    wrapped,
)
from photonics.residue.redundancy import decode
from photonics.residue.residues import ResidueEncoding
from photonics.scales import largest_scale
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.system import System
from photonics.tally import Tally
from photonics.tiled_engine import TiledEngine, token_draws

if TYPE_CHECKING:
    from photonics.noise_budget import NoiseTerm
    from photonics.work import Contraction

# Streams of an instance: phase offsets of the paths as calibrated, and their walk since then.
_OFFSETS, _DRIFTS = 0, 1


@stage
class ResidueEngine(TiledEngine):
    """Signed integer products of fan-in h, one modulus a core, recovered exactly while every phase is read right.

        x_k, w_k       whole numbers in -Q..Q, Q = 2^(b-1) - 1, a scale for each vector and each column of a tile
        core i         phi_i = (2 pi / m_i) sum_k x_k w_k + error          all cores at once, one symbol
        converter      r_i = round(phi_i m_i / 2 pi) mod m_i               read wrongly if the error passes pi / m_i
        digital        y = the number with these residues                  exact, or off by anything

    Demirkiran et al., A blueprint for precise and fault-tolerant analog neural networks, Nat. Commun. 15 (2024),
    s41467-024-49324-8: exact with converters of 6 bits. Cores work in parallel, one for each modulus, because the
    weights that they hold are residues: in sequence each pass would have to write them anew. All cores are charged.

    Gradients: straight-through around rounding and the whole number system, so dy/dx and dy/dw are those of the plain
    product of codes. Noise enters as dy = de for each residue that was read right, one unit of the product for one
    level (an arbitrary small way to point at more light), and as dy = (what the result is off by) de / e for a misread
    one, e its phase error in levels: the error that was made grows with its cause. A vote that put it right leaves 0.
    Derivatives of the probability of misreading are not in it.

    Left out: repeating a product whose residues contradict each other, as the paper does; transients of the cascade.

    Attributes:
        operating_point: laser power is that of one core.
        encoding: residues, moduli, redundancy.
        dac: resolution of both operands; one converter for each input and core, charged at the bits of a residue.
        source, core, readout, receiver, adc: the path of the light.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    family: ClassVar[str] = "residue"

    operating_point: OperatingPoint
    encoding: ResidueEncoding
    dac: Dac
    source: Laser
    core: PhaseCore
    readout: PhaseReadout
    receiver: IntegratingReceiver
    adc: Adc
    digital: DigitalBackEnd
    memory: Memory
    system: System
    name: str = static(default="unnamed")

    # The product ---------------------------------------------------------------------------------------------

    def encode(self, w: Array, instance: Instance) -> Encoded:
        """Weights (tiles, rows, n) as codes over Q, largest of each column 1, and offsets (tiles, cores, n) [rad]."""
        scale = largest_scale(w, 1)
        values = {"v": self.dac.drive(w / scale)}
        shape = (w.shape[0], self.encoding.cores, w.shape[2])
        if self.readout.fixed_pattern:
            key, age_s = instance_key(instance), jnp.asarray(self.operating_point.age_s)
            at_first, since = (standard_normal(stream(key, number), shape) for number in (_OFFSETS, _DRIFTS))
            drift = self.readout.drift_rad_per_root_s * standard_deviation(age_s)
            values["offset"] = self.readout.offset_residual_rad * at_first + drift * since
        return Encoded(values, scale[:, 0])

    def activation_scale(self, x: Array) -> Array:
        """Largest magnitude of each vector of each tile (tiles, m, 1); 1 where a vector is 0."""
        return largest_scale(x, -1)

    def drive(self, normalised: Array) -> Array:
        """Codes over Q, straight-through."""
        return self.dac.drive(normalised)

    def analog(
        self, key: Array, drive: Array, full_scale: Array, tile: dict[str, Array], leading: Sequence[int]
    ) -> Array:
        """(2 + cores, m, n): the product of the operands, that of their codes, and the phases in levels [0, m_i).

        Both products in units of codes squared; they differ where `dac.ideal` lets operands be no codes, and tell the
        converter nothing (`convert`).
        """
        del full_scale
        levels = self.dac.levels()
        integer = exact = _product(_codes(drive, levels), _codes(tile["v"], levels))
        if self.dac.ideal:
            exact = _product(drive * levels, tile["v"] * levels)
        whole, n = jax.lax.stop_gradient(integer).astype(jnp.int32), integer.shape[-1]
        phases = []
        for index, modulus in enumerate(self.encoding.all_moduli()):
            mean = jnp.mod(whole, modulus).astype(jnp.float32)
            if "offset" in tile:
                mean = mean + tile["offset"][index] * (modulus / (2.0 * math.pi))
            normal = token_draws(stream(key, index), leading, n)
            phases.append(wrapped(gaussian_counts(mean, self.level_variance(modulus), normal), modulus))
        return jnp.stack([exact, integer, *phases])

    def counted(
        self, random: np.random.Generator, drive: np.ndarray, full_scale: Signal, tile: dict[str, np.ndarray]
    ) -> np.ndarray:
        """The same (2 + cores, m, n): residues of both operands, their phases summed, photons counted, phases read."""
        del full_scale
        levels, (signal, local) = self.dac.levels(), (float(light) for light in self.electrons_per_path())
        v = np.asarray(tile["v"], np.float64)
        x_codes, w_codes = (np.rint(operand * levels).astype(np.int64) for operand in (drive, v))
        rows = [drive @ v * levels**2, (x_codes @ w_codes).astype(np.float64)]
        segments = math.sqrt(float(self.core.phase_variance(self.encoding.residue_bits)))
        for index, modulus in enumerate(self.encoding.all_moduli()):
            turns = np.mod(x_codes, modulus) @ np.mod(w_codes, modulus) / modulus
            phase = 2.0 * math.pi * turns + segments * random.standard_normal(turns.shape)
            phase = phase + np.asarray(tile["offset"][index], np.float64) if "offset" in tile else phase
            receiver, shot = float(self.readout_variance()), self.readout.shot_noise
            level = counted_phase(random, phase, signal, local, receiver, shot) * modulus / (2.0 * math.pi)
            converter = math.sqrt(float(self.converter_variance(modulus)))
            rows.append(np.mod(level + converter * random.standard_normal(level.shape), modulus))
        return np.stack(rows)

    def convert(self, analog: Array, full_scale: Array, tile: dict[str, Array]) -> Array:
        """Phases read as residues, the number that they stand for, over Q^2: (m, n) from `analog`'s (2 + cores, m, n).

        The two products in front of the phases only serve the gradient, and the limit in which operands are no codes:
        then the error that the residues made is added to the product of the operands.
        """
        del full_scale, tile
        exact, integer, phases = analog[0], analog[1], analog[2:]
        moduli, whole = self.encoding.all_moduli(), jax.lax.stop_gradient(integer).astype(jnp.int32)
        read = jnp.stack([nearest(level, modulus) for level, modulus in zip(phases, moduli, strict=True)])
        largest = largest_sum(self.inputs, self.dac.bits)
        number = decode(read, moduli, self.encoding.moduli, largest, self.encoding.erases)
        wrong = number.astype(jnp.float32) - whole.astype(jnp.float32)
        right = jnp.stack([jnp.mod(whole, modulus) for modulus in moduli])
        misread = read != right
        shared = wrong / jnp.maximum(jnp.sum(misread, axis=0), 1)
        noise = jnp.zeros_like(exact)
        for index, modulus in enumerate(moduli):
            error = off_by(phases[index], right[index].astype(jnp.float32), modulus)
            # A misread phase is off by at least half a level.
            slope = jnp.where(misread[index], shared / jnp.where(misread[index], error, 1.0), 1.0)
            noise = noise + jax.lax.stop_gradient(slope) * error
        return straight_through(exact + noise, exact + wrong) * (1.0 / self.dac.levels() ** 2)

    def full_scale_of(self, drive: Array | None, values: dict[str, Array]) -> Array:
        """Largest product (tiles, n): the fan-in, because residues have no range to choose."""
        del drive
        tiles, _, n = values["v"].shape
        return jnp.full((tiles, n), float(self.inputs))

    def electrons(self, drive: Array, tile: dict[str, Array]) -> Array:
        """Photoelectrons on all photodiodes, shape (): phases carry the operands, light does not depend on them."""
        signal, local = self.electrons_per_path()
        return jnp.asarray((signal + local) * float(self.encoding.cores * drive.shape[0] * tile["v"].shape[-1]))

    # What it is ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> int:
        """Fan-in: cells in series on one path."""
        return self.core.inputs

    @property
    def outputs(self) -> int:
        """Fan-out: paths of one core."""
        return self.core.outputs

    @property
    def passes(self) -> int:
        """One symbol: all moduli at once."""
        return 1

    @property
    def reload_time_s(self) -> Scalar:
        """Time to write the segments of all cores [s]."""
        return self.core.reload_time_s

    @property
    def power_max_w(self) -> Scalar:
        """Light of one laser: what the part gives, or what fills the receivers, if that is less [W]."""
        signal, local = self.electrons_per_path()
        filled = self.receiver.limit_electrons(self.operating_point) / standard_deviation(jnp.asarray(signal * local))
        return jnp.minimum(self.source.power_max_w, self.operating_point.laser_power_w * filled)

    def removals(self) -> list[tuple[str, dict[str, Any]]]:
        """Noise of the converter, errors of segments, phase offsets: those that this engine has."""
        steps: list[tuple[str, dict[str, Any]]] = []
        if not self.adc.ideal:
            steps.append(("ADC noise beyond rounding", {"adc.enob_loss": 0.0}))
        steps.append(("phase errors of the segments", {"core.segment_error_rad": 0.0}))
        if self.readout.fixed_pattern:
            steps.append(("phase offsets of the paths", {"readout.fixed_pattern": False}))
        return steps

    # The light and its noise ---------------------------------------------------------------------------------

    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on the photodiodes."""
        return self.readout.electrons_per_joule(self.source.photon_energy_j())

    def electrons_per_path(self) -> tuple[Scalar, Scalar]:
        """Photoelectrons of signal and of local oscillator on all photodiodes of one path in one symbol."""
        at, readout = self.operating_point, self.readout
        # Joules over joules first, so that the quotient stays in range.
        path_j = at.laser_power_w / at.symbol_rate_hz * self.core.coupling_transmission / self.outputs
        light = path_j * readout.hybrid_transmission * self.electrons_per_joule()
        passed = self.core.cascade_transmission(self.encoding.residue_bits)
        return light * (1.0 - readout.local_share) * passed, light * readout.local_share

    def readout_variance(self) -> Scalar:
        """Noise of one of the two receivers of a path in one symbol [electrons^2]; photodiodes in its capacitance."""
        return self.receiver.readout_variance(self.operating_point, 0.0)

    def phase_variance(self) -> Scalar:
        """Variance of the phase of one path ahead of the converter, offsets left out [rad^2]."""
        signal, local = self.electrons_per_path()
        read = read_out_variance(signal, local, self.readout_variance(), self.readout.shot_noise)
        return read + self.core.phase_variance(self.encoding.residue_bits)

    def converter_variance(self, modulus: int) -> Scalar:
        """Variance of the converter beyond its rounding, whose range is the whole circle [levels^2]."""
        return 0.0 if self.adc.ideal else self.adc.noise_variance(modulus / 2.0)

    def level_variance(self, modulus: int) -> Scalar:
        """Variance of what is rounded to a residue, offsets left out [levels^2]."""
        return levels_variance(self.phase_variance(), modulus) + self.converter_variance(modulus)

    def typical_signal_electrons(self) -> float:
        """Rms of one quadrature over all phases, sqrt(n_s n_l / 2) [electrons]; stands for the rms of a product."""
        signal, local = self.electrons_per_path()
        return math.sqrt(float(signal) * float(local) / 2.0)

    def typical_full_scale_electrons(self) -> float:
        """Largest quadrature, sqrt(n_s n_l) [electrons]."""
        return self.typical_signal_electrons() * math.sqrt(2.0)

    def way_of_light(self) -> tuple[str, Sequence[tuple[str, Scalar]]]:
        """The laser of one core, to the photodiodes of one path; the local oscillator has the rest."""
        core, readout, bits = self.core, self.readout, self.encoding.residue_bits
        return "laser of one core", (
            ("coupling and splitter tree", core.coupling_transmission),
            (f"shared by {core.outputs} paths", 1.0 / core.outputs),
            ("without the local oscillator", 1.0 - readout.local_share),
            (f"{core.inputs * bits} segments in series", core.cascade_transmission(bits)),
            ("hybrid, four photodiodes together", readout.hybrid_transmission),
        )

    def noise_budget(self) -> list["NoiseTerm"]:
        """See `photonics.residue.budget`."""
        return budget.noise_budget(self)

    # What it costs -------------------------------------------------------------------------------------------

    def count(self, contraction: "Contraction") -> Tally:
        """See `photonics.residue.budget`."""
        return budget.count(self, contraction)

    def standing_power_w(self) -> dict[str, Scalar]:
        """See `photonics.residue.budget`."""
        return budget.standing_power_w(self)

    def event_energy_j(self, tally: Tally) -> dict[str, Scalar]:
        """See `photonics.residue.budget`."""
        return budget.event_energy_j(self, tally)

    def load_energy_j(self) -> Scalar:
        """See `photonics.residue.budget`."""
        return budget.load_energy_j(self)

    def weight_byte(self) -> float:
        """Bytes of one weight: its code, of which residues are made on the way."""
        return self.dac.bits / 8

    def launched_power_w(self) -> Scalar:
        """Optical power of the lasers of all cores [W]."""
        return self.encoding.cores * self.operating_point.laser_power_w


def _codes(normalised: Array, levels: int) -> Array:
    """Whole numbers nearest to Q x, straight-through: float32 makes quotients that are no longer whole."""
    scaled = normalised * levels
    return straight_through(scaled, jnp.round(scaled))


def _product(x: Array, w: Array) -> Array:
    """x (m, rows) times w (rows, n) in full float32: exact for whole numbers whose sums stay below 2^24."""
    return jnp.matmul(x, w, precision=jax.lax.Precision.HIGHEST)
