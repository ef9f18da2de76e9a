"""The engine of the family `analog-optical-computer`: its product from the stages, and what other parts ask of it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import operands
from photonics.adc import Adc
from photonics.analog_optical_computer import law, noise, power
from photonics.analog_optical_computer.amplitude_panel import AmplitudePanel, split
from photonics.analog_optical_computer.crosstalk import DiodeCrosstalk
from photonics.analog_optical_computer.fan_in import FanIn
from photonics.analog_optical_computer.microled import MicroLedArray
from photonics.analog_optical_computer.output_stage import OutputStage
from photonics.analog_optical_computer.pattern import dark_correction, drawn, response
from photonics.analog_optical_computer.rail_leakage import RailLeakage
from photonics.analog_optical_computer.saturation import Saturation
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.draws import standard_normal, stream
from photonics.fixed_pattern import Instance
from photonics.gradients import gaussian_counts, largest_magnitude
from photonics.loaded_tiles import Encoded
from photonics.memory import Memory
from photonics.photodetector import Photodetector
from photonics.receiver import Receiver
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.system import System
from photonics.tally import Tally, count_tiles
from photonics.tiled_engine import TiledEngine
from photonics.transmissions import by_panel, from_panel

if TYPE_CHECKING:
    from photonics.noise_budget import NoiseTerm
    from photonics.work import Contraction


@stage
class AnalogOpticalComputerEngine(TiledEngine):
    """Free-space intensity machine of the class of Microsoft's analog optical computer, used as a matrix multiplier.

        x / s_x - DAC - microLED about its bias - beam splitter = 2 (fan-out - panel - fan-in - photodiodes - TIA)
                - difference - gain - ADC

    One symbol per vector: drives are signed about the bias, weights stand on two rails, and the pedestal of the bias is
    taken off ahead of the converter, as an alternating-current coupling does. The feedback loop of the machine, its
    tanh and its analog sums over iterations are not part of a matrix product; here each product is converted.

    Kalinin et al., Analog optical computer for AI inference and combinatorial optimization, Nature 645 (2025);
    order and constants of the effects: microsoft/aoc (MIT licence), `AOCCell`. `twin` has the same steps with explicit
    constants.

    Attributes:
        operating_point: light of a source at full drive, symbol rate, temperature; the machine does not drift.
        dac, source, fan_in, panel, leakage, crosstalk, photodetector, receiver, output, saturation, adc: the path.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    family: ClassVar[str] = "analog-optical-computer"

    operating_point: OperatingPoint
    dac: Dac
    source: MicroLedArray
    fan_in: FanIn
    panel: AmplitudePanel
    leakage: RailLeakage
    crosstalk: DiodeCrosstalk
    photodetector: Photodetector
    receiver: Receiver
    output: OutputStage
    saturation: Saturation
    adc: Adc
    digital: DigitalBackEnd
    memory: Memory
    system: System
    name: str = static(default="unnamed")

    # The product -----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> int:
        """Fan-in: sources."""
        return self.source.count

    @property
    def outputs(self) -> int:
        """Fan-out: columns of a panel."""
        return self.panel.outputs

    @property
    def passes(self) -> int:
        """Symbols per vector: one, because drives are signed."""
        return 1

    def encode(self, w: Array, instance: Instance) -> Encoded:
        """Weights (tiles, rows, n) as responses of both rails, with the constants of one instance in them."""
        normalised, scale = self._normalised(w)
        openings, pattern = (
            split(self.panel.quantise(normalised)),
            drawn(self, (w.shape[0], w.shape[1], w.shape[2]), instance),
        )
        pixels, unit = pattern.pixels or (None, None), self.unit()
        values: dict[str, Array] = {}
        constants = []
        for name, rail, opening, errors in zip(
            ("plus", "minus"), (pattern.plus, pattern.minus), openings, pixels, strict=True
        ):
            values[name] = response(rail, opening, errors, self.outputs)
            values[f"base_{name}"] = jnp.sum(values[name], axis=1)
            constants.append(dark_correction(rail)[:, 0])
        if self.crosstalk.dark_subtraction:
            # The twin takes off the dark transmission, a ratio, from a signal in the unit of its LED fit.
            taken = (constants[0] - constants[1]) / self.source.full_unit() / unit
        else:
            taken = jnp.zeros_like(scale)
        full_scale = jax.lax.stop_gradient(self._full_scale(normalised))
        values |= {
            "constant": taken,
            "loop_gain": pattern.loop_gain,
            "offset": pattern.offset_v / self.saturation.full_scale_v * full_scale,
            "full_scale": full_scale,
        }
        return Encoded(values, scale)

    def _normalised(self, w: Array) -> tuple[Array, Array]:
        """Weights over the largest magnitude of their panel (tiles, rows, n), and that magnitude (tiles, n)."""
        n = w.shape[-1]
        largest = by_panel(largest_magnitude(w, 1), self.outputs)
        largest = jnp.broadcast_to(largest_magnitude(largest, 3), largest.shape)
        largest = from_panel(largest, n)
        largest = jnp.where(largest > 0, largest, 1.0)
        return w / largest, largest[:, 0]

    def _full_scale(self, normalised: Array) -> Array:
        """Half range (tiles, n) for typical drives: the same for all outputs of a panel, at most the largest signal."""
        rows, n = normalised.shape[1:]
        squares = by_panel(jnp.sum(jnp.square(normalised), axis=1), self.outputs)
        used = jnp.maximum(jnp.sum(squares > 0, axis=-1, keepdims=True), 1)
        rms = jnp.sqrt(jnp.sum(squares, axis=-1, keepdims=True) / used * operands.mean_square(rows))
        most = by_panel(jnp.sum(jnp.abs(normalised), axis=1), self.outputs)
        half = jnp.minimum(self.output.full_scale_sigmas * rms, jnp.max(most, axis=-1, keepdims=True))
        return from_panel(jnp.broadcast_to(jnp.where(half > 0, half, 1.0), squares.shape), n)

    def activation_scale(self, x: Array) -> Array:
        """Largest magnitude of each token in each tile (tiles, m, 1)."""
        largest = largest_magnitude(x, 2)
        return jnp.where(largest > 0, largest, 1.0)

    def drive(self, normalised: Array) -> Array:
        """Signed drives in [-1, 1] about the bias."""
        return self.dac.drive(normalised)

    def analog(
        self, key: Array, drive: Array, full_scale: Array, tile: dict[str, Array], leading: Sequence[int]
    ) -> Array:
        """What the ADC sees (m, n) in normalised products: closed-form mean and noise, then the electronics."""
        del full_scale
        plus, minus = self.source.emitted(drive)
        shape = (*leading, tile["offset"].shape[-1])
        first, second = (standard_normal(stream(key, number), shape).reshape(-1, shape[-1]) for number in (0, 1))
        seen = law.received(self, plus @ tile["plus"], minus @ tile["minus"], tile, first)
        return gaussian_counts(law.behind(self, seen, tile), law.adc_noise(self, tile["full_scale"]), second)

    def counted(
        self, random: np.random.Generator, drive: np.ndarray, full_scale: Signal, tile: dict[str, np.ndarray]
    ) -> np.ndarray:
        """The same (m, n), photon by photon, float64."""
        del full_scale
        plus, minus = (np.asarray(light, float) for light in self.source.emitted(drive))
        seen = np.asarray(law.behind(self, law.counted(self, random, (plus, minus), tile), tile), float)  # pyright: ignore
        deviation = np.sqrt(np.asarray(law.adc_noise(self, np.asarray(tile["full_scale"], float)), float))
        return seen + deviation * random.normal(size=seen.shape)

    def convert(self, analog: Array, full_scale: Array, tile: dict[str, Array]) -> Array:
        """Codes of the ADC times lsb (m, n); the range is that of the gain which the weights have set."""
        del full_scale
        return analog if self.adc.ideal else self.adc.convert(analog, tile["full_scale"])

    def full_scale_of(self, drive: Array | None, values: dict[str, Array]) -> Array:
        """Half range (tiles, n): that of the gain which the weights have set, whatever the sample."""
        del drive
        return values["full_scale"]

    def electrons(self, drive: Array, tile: dict[str, Array]) -> Array:
        """Photoelectrons on all photodiodes for drives (m, rows), the light of the bias included, shape ()."""
        plus, minus = self.source.emitted(drive)
        counts = law.electrons(self, plus @ tile["plus"], minus @ tile["minus"], tile)
        return jnp.sum(counts[0]) + jnp.sum(counts[1])

    # The light and its noise -----------------------------------------------------------------------------------

    def columns(self) -> int:
        """Columns that share the light of a source: those of both panels, the beam splitter halves it."""
        return 2 * self.panel.outputs

    def pixels(self) -> int:
        """Pixels of both panels."""
        return self.source.count * self.columns()

    def light_efficiency(self) -> Scalar:
        """Light on all detectors over light emitted at transmissions of 1."""
        return self.fan_in.efficiency() * self.panel.transmission

    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on a detector."""
        return self.photodetector.electrons_per_joule(self.source.photon_energy_j())

    def electrons_per_path(self) -> Scalar:
        """Photoelectrons of one source at full drive on one photodiode in one symbol, at a transmission of 1."""
        at = self.operating_point
        symbol_j = at.laser_power_w / at.symbol_rate_hz
        return symbol_j * self.electrons_per_joule() * self.light_efficiency() / self.columns()

    def unit(self) -> Scalar:
        """Signal of one product x v = 1 in units of open paths at full swing, mean of the rails."""
        parts = zip(self.source.rail_slopes(), self.panel.swings(), self.output.gains(), strict=True)
        return sum(slope * swing * gain for slope, swing, gain in parts) / 2.0

    def signal_electrons(self) -> Scalar:
        """Electrons of one product x v = 1."""
        return self.electrons_per_path() * self.source.swing() * self.unit()

    def noise_band(self) -> Scalar:
        """Noise bandwidth over symbol rate, beta."""
        return self.receiver.noise_bandwidth_hz(self.operating_point) / self.operating_point.symbol_rate_hz

    def diode_f(self) -> Scalar:
        """Capacitance of one photodiode [F]."""
        per_m2 = self.photodetector.capacitance_f_per_m2
        return self.fan_in.capacitance_f(self.source.emitter_area_m2, self.source.count, per_m2)

    def readout_variance(self) -> Scalar:
        """Noise of the receiver of one rail and output in one symbol [electrons^2]."""
        return self.receiver.readout_variance(self.operating_point, self.diode_f())

    def mean_transmission(self) -> Scalar:
        """Mean relative light of the pixels of both panels for typical weights."""
        return noise.mean_transmission(self)

    def way_of_light(self) -> tuple[str, Sequence[tuple[str, Scalar]]]:
        """One source at full drive, to one detector, at a transmission of 1."""
        return "one source", (
            ("light of a Lambertian emitter collected", self.fan_in.source_aperture**2),
            ("lenses and beam splitter", self.fan_in.transmission),
            ("panel, transmission 1", self.panel.transmission),
            (f"shared by {self.columns()} columns", 1.0 / self.columns()),
        )

    def noise_budget(self) -> list["NoiseTerm"]:
        """Variance of one output of a full tile of typical operands; see `noise.noise_budget`."""
        return noise.noise_budget(self)

    def typical_signal_electrons(self) -> float:
        """Rms signal of one output of a full tile of typical operands [electrons]."""
        return float(self.signal_electrons()) * math.sqrt(self.inputs) * operands.mean_square(self.inputs)

    def typical_full_scale_electrons(self) -> float:
        """Half range of one converter for typical operands [electrons of the signal]."""
        return float(self.output.full_scale_sigmas) * self.typical_signal_electrons()

    # What it costs ---------------------------------------------------------------------------------------------

    @property
    def reload_time_s(self) -> Scalar:
        """Time to write a matrix on both panels [s]."""
        return self.panel.reload_time_s

    @property
    def power_max_w(self) -> Scalar:
        """Optical power that one source can give [W]."""
        return self.source.power_max_w

    def count(self, contraction: "Contraction") -> Tally:
        """A scale for each activation; each conversion is rescaled and added."""
        return count_tiles(contraction, self.inputs, self.outputs)

    def standing_power_w(self) -> dict[str, Scalar]:
        """Power by part, always on [W]."""
        return power.standing_power_w(self)

    def event_energy_j(self, tally: Tally) -> dict[str, Scalar]:
        """Energy of what is counted, by part [J]."""
        return power.event_energy_j(self, tally)

    def load_energy_j(self) -> Scalar:
        """Energy of writing one matrix on both panels [J]."""
        return self.panel.write_energy_j(self.pixels(), self.memory)

    def weight_byte(self) -> float:
        """Bytes of one weight in memory."""
        return self.panel.bits / 8

    def launched_power_w(self) -> Scalar:
        """Optical power of all sources while signed vectors are shown [W]."""
        return self.source.launched_power_w(self.operating_point)

    def removals(self) -> list[tuple[str, dict[str, Any]]]:
        """What keeps the brightest engine from being exact: causes, and the values that remove each, in order."""
        return [
            ("bent responses", {"source.response": "linear", "panel.response": "linear"}),
            ("unequal rails", {"output.plus_gain": 1.0, "output.minus_gain": 1.0}),
            ("fixed patterns", dict.fromkeys(power.PATTERNS, 0.0)),
            ("leakage and crosstalk", {"leakage.present": False, "crosstalk.present": False}),
            ("saturation", {"saturation.present": False}),
            ("operand rounding", {"dac.ideal": True, "panel.ideal": True}),
            ("ADC", {"adc.ideal": True}),
        ]
