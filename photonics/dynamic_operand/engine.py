"""The engine of the dynamic-operand family: both operands are modulated in every symbol, nothing is held."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import operands
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.draws import stream
from photonics.dynamic_operand import origins
from photonics.dynamic_operand.core_area import CoreArea
from photonics.dynamic_operand.core_power import CorePower
from photonics.dynamic_operand.detection import Detection
from photonics.dynamic_operand.dispersion import CouplerDispersion
from photonics.dynamic_operand.laser_link import LaserLink
from photonics.dynamic_operand.operand_noise import OperandNoise
from photonics.dynamic_operand.sar_adc import SarAdc
from photonics.dynamic_operand.tensor_core import TensorCore
from photonics.fixed_pattern import Instance
from photonics.gradients import gaussian_counts
from photonics.loaded_tiles import Encoded
from photonics.memory import Memory
from photonics.ranging import Ranging
from photonics.scales import largest_scale
from photonics.stage import OperatingPoint, Scalar, Signal, number, stage, static
from photonics.system import System
from photonics.tally import Tally, count_streams
from photonics.tiled_engine import StreamingEngine, token_draws

if TYPE_CHECKING:
    from photonics.noise_budget import NoiseTerm
    from photonics.work import Contraction


@stage
class DynamicOperandEngine(StreamingEngine):
    """Integrated tensor cores that multiply a matrix by a matrix in every symbol, both streamed through modulators.

        x, w - scale - DAC - modulators - splitters - couplers - balanced photodiodes - amplifier - ADC - rescale - y

    Fields interfere, so signs are phases and one pass does: the photodiodes' difference is 2 e_p sum_k x_k w_k, with
    e_p the electrons of one operand at full drive, one wavelength. Attention products cost what weight products cost.
    One source is the comb laser of one core. Left out: fixed errors of an instance, drift with age.

    Attributes:
        operating_point: laser power of one core, symbol rate, temperature.
        core: layout of the cores, and what they share.
        dac: converters of both operands.
        link: laser, losses, and the published rule for the light.
        operand_noise: relative errors of operands and outputs.
        dispersion: couplers away from the middle of the comb.
        detection: photodiodes and amplifiers.
        adc: converters of the outputs.
        ranging: full scale of the ADC.
        parts: modulators, routers, adders, buffers.
        area: area of every component.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    family: ClassVar[str] = "dynamic-operand"
    operating_point: OperatingPoint
    core: TensorCore
    dac: Dac
    link: LaserLink
    operand_noise: OperandNoise
    dispersion: CouplerDispersion
    detection: Detection
    adc: SarAdc
    ranging: Ranging
    parts: CorePower
    area: CoreArea
    digital: DigitalBackEnd
    memory: Memory
    system: System
    name: str = static(default="unnamed")

    # The product ---------------------------------------------------------------------------------------------

    def encode(self, w: Array, instance: Instance) -> Encoded:
        """Codes of weights (tiles, rows, n), one scale for each output; there is nothing that an instance disturbs."""
        del instance
        scale = largest_scale(w, 1, 0)
        return Encoded({"v": self.dac.drive(w / scale)}, jnp.broadcast_to(scale[:, 0], (w.shape[0], w.shape[2])))

    def activation_scale(self, x: Array) -> Array:
        """Largest activation of each token (1, m, 1) over all tiles (tiles, m, rows)."""
        return largest_scale(x, 2, 0)

    def drive(self, normalised: Array) -> Array:
        """Signed drives of the activations; see `Dac.drive`."""
        return self.dac.drive(normalised)

    def analog(
        self, key: Array, drive: Array, full_scale: Array, tile: dict[str, Array], leading: Sequence[int]
    ) -> Array:
        """Difference of the photodiodes over 2 e_p for drives (m, rows), with its noise (m, n)."""
        del full_scale
        v, noise, imbalance = tile["v"], self.operand_noise, self._imbalance(drive.shape[1])
        swing2 = 1.0 - jnp.square(imbalance)
        x2, v2, power = jnp.square(drive), jnp.square(v), noise.power_factor()
        lean = power / 2.0 * ((x2 @ imbalance)[:, None] - imbalance @ v2)
        mean = noise.mean_factor() * ((drive * jnp.sqrt(swing2)) @ v) + lean
        light = self.electrons_per_operand() * power * (jnp.sum(x2, axis=1)[:, None] + jnp.sum(v2, axis=0))
        gain = self.gain_electrons()
        variance = noise.term_variance() * ((x2 * swing2) @ v2) + self._detected_variance(light, v) / gain / gain
        output2 = jnp.square(noise.output_deviation)
        normal = token_draws(stream(key, 0), leading, v.shape[1])
        return gaussian_counts(mean, variance * (1.0 + output2) + output2 * jnp.square(mean), normal)

    def counted(
        self, random: np.random.Generator, drive: np.ndarray, full_scale: Signal, tile: dict[str, np.ndarray]
    ) -> np.ndarray:
        """The same, field by field and photon by photon, for the outputs of one symbol after another."""
        del full_scale
        v, width, core = np.asarray(tile["v"], np.float64), self.core.outputs, self.core
        imbalance = np.asarray(self._imbalance(drive.shape[1]), np.float64)
        electrons, symbols = float(self.electrons_per_operand()), core.symbols(drive.shape[1])
        parts = []
        for start in range(0, v.shape[1], width):
            fields = self.operand_noise.disturbed(random, drive, v[:, start : start + width])
            plus, minus = self.dispersion.interfere(fields, imbalance)
            lights = (electrons * plus, electrons * minus)
            count = self.detection.counted(random, lights, self.operating_point, core.cores_per_tile, symbols)
            parts.append(self.operand_noise.varied(random, count / (2.0 * electrons)))
        return np.concatenate(parts, axis=1)

    def convert(self, analog: Array, full_scale: Array, tile: dict[str, Array]) -> Array:
        """Codes of the ADC times lsb."""
        del tile
        return self.adc.convert(analog, full_scale)

    def full_scale_of(self, drive: Array | None, values: dict[str, Array]) -> Array:
        """Half range (tiles, n) from sample drives (tiles, m, rows), or as if they were typical operands."""
        v = values["v"]
        largest = jnp.sum(jnp.abs(v), axis=1)
        if drive is not None:
            return jax.lax.stop_gradient(self.ranging.from_sample(drive @ v, largest))
        # Activations are scaled by the largest of the whole vector, not of one tile.
        variance = operands.mean_square(v.shape[0] * v.shape[1]) * jnp.sum(jnp.square(v), axis=1)
        typical = self.ranging.from_moments(jnp.zeros((1, *variance.shape)), variance[None], largest)
        return jax.lax.stop_gradient(typical)

    def electrons(self, drive: Array, tile: dict[str, Array]) -> Array:
        """Photoelectrons of the light of both operands on all photodiodes that these drives (m, rows) use."""
        v = tile["v"]
        light = v.shape[1] * jnp.sum(jnp.square(drive)) + drive.shape[0] * jnp.sum(jnp.square(v))
        return self.electrons_per_operand() * self.operand_noise.power_factor() * light

    # What it is ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> int:
        """Terms of a dot product that one conversion sums."""
        return self.core.fan_in

    @property
    def outputs(self) -> int:
        """Outputs that all tiles compute at once."""
        return self.core.outputs

    @property
    def passes(self) -> int:
        """Symbols of one conversion."""
        return self.core.accumulated_symbols

    @property
    def power_max_w(self) -> Scalar:
        """Light that the laser of one core can give [W]."""
        return self.link.power_max_w

    def macs_per_s(self) -> Scalar:
        """Multiply-accumulates per second with every core full: every symbol shows `core.columns` vectors [1/s]."""
        return super().macs_per_s() * self.core.columns

    def removals(self) -> list[tuple[str, dict[str, Any]]]:
        """The paper's residuals, then dispersion."""
        names = ("magnitude_deviation", "phase_deviation_rad", "output_deviation")
        steps: list[tuple[str, dict[str, Any]]] = [
            ("errors of operands and outputs", {f"operand_noise.{name}": 0.0 for name in names})
        ]
        if self.dispersion.present:
            steps.append(("dispersion of the couplers", {"dispersion.present": False}))
        return steps

    # The light and its noise ---------------------------------------------------------------------------------

    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on a photodiode."""
        return self.detection.electrons_per_joule(self.link.photon_energy_j())

    def electrons_per_operand(self) -> Scalar:
        """e_p: electrons that one operand at full drive makes in one unit and symbol, one wavelength."""
        at = self.operating_point
        return self.link.operand_power_w(at.laser_power_w, self.core) / at.symbol_rate_hz * self.electrons_per_joule()

    def gain_electrons(self) -> Scalar:
        """Electrons of the photodiodes' difference per unit of the normalised product: 2 e_p."""
        return 2.0 * self.electrons_per_operand()

    def required_laser_power_w(self, bits: int | None = None) -> Scalar:
        """Light of one core that the published formula asks for, for so many bits or those of the ADC [W]."""
        return self.link.required_power_w(self.core, self.adc.bits if bits is None else bits)

    def way_of_light(self) -> tuple[str, Sequence[tuple[str, Scalar]]]:
        """The laser of one core, to one unit; see `LaserLink.way`."""
        return "laser of one core", self.link.way(self.core)

    def noise_budget(self) -> list["NoiseTerm"]:
        """See `photonics.dynamic_operand.origins`."""
        return origins.noise_budget(self)

    def typical_signal_electrons(self) -> float:
        """Rms signal of a full dot product of typical operands [electrons]."""
        rms2 = operands.mean_square(self.inputs)
        return float(self.gain_electrons() * self.operand_noise.mean_factor()) * math.sqrt(self.inputs) * rms2

    def typical_full_scale_electrons(self) -> float:
        """Half range of one converter for typical operands [electrons]."""
        typical = jnp.asarray(operands.typical(self.inputs), jnp.float32)[None, :, None]
        return float(self.full_scale_of(None, {"v": typical})[0, 0] * self.gain_electrons())

    def _imbalance(self, rows: int) -> Array:
        return self.dispersion.imbalance(rows, self.core.wavelengths)

    def _detected_variance(self, light: Array, v: Array) -> Array:
        core = self.core
        return self.detection.variance(light, self.operating_point, core.cores_per_tile, core.symbols(v.shape[0]))

    # What it costs -------------------------------------------------------------------------------------------

    def count(self, contraction: "Contraction") -> Tally:
        """Every symbol shows `columns` vectors to `outputs` outputs; both operands are converted anew each time.

        Activations are converted once for all tiles, weights once for the vectors of a symbol. Weights come from far
        memory once for each execution.
        """
        core = self.core
        # Sums of tiles are the work of adders, which `parts` charges.
        return count_streams(contraction, core.fan_in, core.outputs, core.columns, core.symbols, output_ops=1)

    def standing_power_w(self) -> dict[str, Scalar]:
        """What is on all the time: lasers, photodiodes, amplifiers, wavelength routers, buffers [W]."""
        core, detection = self.core, self.detection
        return {
            "laser": self.link.wall_power_w(self.operating_point.laser_power_w, core),
            "photodetector": detection.diodes_power_w(core.units),
            "receiver": core.converters * detection.amplifier_power_w,
            "modulator": self.parts.routers_power_w(core),
            "memory": self.parts.buffers_power_w(core),
            "control": self.system.control_power_w,
            "host": self.system.host_power_w,
        }

    def event_energy_j(self, tally: Tally) -> dict[str, Scalar]:
        """Converters and modulators of both operands, ADC, adders and digital operations, memory traffic [J]."""
        drives, memory, byte = float(tally.drives + tally.weight_drives), self.memory, self.weight_byte()
        adders_j = float(tally.conversions) * number(self.parts.adder_energy_j)
        fetched_j = float(tally.weights * byte) * number(memory.far_energy_j_per_byte)
        return {
            "dac": drives * number(self.dac.conversion_energy_j(self.dac.bits)),
            "modulator": drives * number(self.parts.modulator_energy_j),
            "adc": float(tally.conversions) * number(self.adc.conversion_energy_j()),
            "digital": adders_j + float(tally.digital_ops) * number(self.digital.op_energy_j),
            "memory": memory.traffic_energy_j(tally, byte, byte) + fetched_j,
        }

    def weight_byte(self) -> float:
        """Bytes of one operand in memory, either of them."""
        return self.dac.bits / 8

    def enob(self) -> Scalar | None:
        """Effective bits of the ADC: all of them."""
        return float(self.adc.bits)

    def conversion_rate_hz(self) -> Scalar:
        """Conversions of one ADC per second [Hz]."""
        return self.operating_point.symbol_rate_hz / self.core.accumulated_symbols

    def launched_power_w(self) -> Scalar:
        """Light of all cores [W]."""
        return self.core.cores * self.operating_point.laser_power_w

    def areas_m2(self) -> dict[str, float]:
        """Area of the chip by part [m^2]."""
        return self.area.areas_m2(self.core)
