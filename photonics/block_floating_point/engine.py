"""An integrated engine with adaptive block floating point: scales in bfloat16, a gain, one signed pass."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import operands
from photonics.adc import Adc
from photonics.block_floating_point.blocks import block_scale
from photonics.block_floating_point.channels import Channels
from photonics.block_floating_point.chip import TensorCore, WeightBank
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.draws import stream
from photonics.fixed_pattern import Instance
from photonics.gradients import gaussian_counts, standard_deviation
from photonics.loaded_tiles import Encoded
from photonics.memory import Memory
from photonics.noise_budget import NoiseTerm, ranked
from photonics.products import float32_product
from photonics.receiver import TransimpedanceReceiver
from photonics.stage import OperatingPoint, Scalar, Signal, number, stage, static
from photonics.system import System
from photonics.tally import Tally, count_tiles
from photonics.tiled_engine import TiledEngine, token_draws
from photonics.waveguide_photodetector import WaveguidePhotodetector

if TYPE_CHECKING:
    from photonics.work import Contraction

# Kinds of noise within one conversion; each has a stream of its own.
_DETECTION, _CONVERTER = 0, 1


@stage
class BlockFloatingPointEngine(TiledEngine):
    """One tensor core of K channels and N columns, K = `core.inputs`.

        u = Q_x(x / s_x),  v = Q_w(w / s_w)            s the largest magnitude of each vector of the tile, bfloat16
        a = sum_k u_k v_k + noise of light and receiver
        y = sum over tiles  s_x s_w lsb round( g a / lsb + o + noise of the converter ),      lsb = K / (Q G)

    Signed operands take one pass: the sign of u is that of a differential drive, and a weight steers the light of
    its path between the two photodiodes of its output:

        mu+-  = e_p sum_k |u_k| (1 +- sign(u_k) v_k) / 2 + dark
        var a = [e_p sum_k |u_k| + 2 dark + readout] / e_p^2

    e_p electrons of one path at full drive, receivers that integrate. So the shot noise of an output does not depend on
    the weights.

    Basumallik et al., Adaptive Block Floating-Point for Analog Deep Learning Hardware, 2022 (arXiv 2205.06287);
    Ahmed et al., Nature 640, 368 (2025) for a machine that uses it. How that machine carries signs is not public: the
    differential drive is an assumption.

    Attributes:
        operating_point: laser power of one channel, symbol rate, temperature, age (read by nothing here).
        dac: converters of the vector.
        core: channels, columns, light.
        weights: converters and port of the weights.
        photodetector: balanced pair of each column.
        receiver: amplifier of each column.
        channels: gain, errors and noise of each column, and their correction.
        adc: converter of each column.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    family: ClassVar[str] = "block-floating-point"
    operating_point: OperatingPoint
    dac: Dac
    core: TensorCore
    weights: WeightBank
    photodetector: WaveguidePhotodetector
    receiver: TransimpedanceReceiver
    channels: Channels
    adc: Adc
    digital: DigitalBackEnd
    memory: Memory
    system: System
    name: str = static(default="unnamed")

    # The product ---------------------------------------------------------------------------------------------

    def encode(self, w: Array, instance: Instance) -> Encoded:
        """Weights in block floating point, one scale per column of a tile; the range of the ADC follows from G."""
        scale = block_scale(w, 1)
        tiles, _, n = w.shape
        values = {"v": self.weights.quantise(w / scale), **self.channels.errors((tiles, n), instance)}
        return Encoded(values, scale[:, 0])

    def activation_scale(self, x: Array) -> Array:
        """One scale for the part of each token that a tile sees."""
        return block_scale(x, -1)

    def drive(self, normalised: Array) -> Array:
        """Codes of the vector converters over their largest."""
        return self.dac.drive(normalised)

    def analog(
        self, key: Array, drive: Array, full_scale: Array, tile: dict[str, Array], leading: Sequence[int]
    ) -> Array:
        """See `TiledEngine.analog`."""
        mean, n = float32_product(drive, tile["v"]), tile["v"].shape[-1]
        light = jnp.sum(jnp.abs(drive), axis=-1, keepdims=True)
        signal = gaussian_counts(mean, self._variance(light), token_draws(stream(key, _DETECTION), leading, n))
        if "gain" in tile:
            signal = signal * tile["gain"] + tile["offset"] * self.lsb(full_scale)
        if self.adc.ideal:
            return signal
        noise = self.channels.unit_noise(token_draws(stream(key, _CONVERTER), leading, n))
        return signal + standard_deviation(self.adc.noise_variance(full_scale)) * noise

    def counted(
        self, random: np.random.Generator, drive: np.ndarray, full_scale: Signal, tile: dict[str, np.ndarray]
    ) -> np.ndarray:
        """See `TiledEngine.counted`: photons on both photodiodes, receiver, channel, converter."""
        at, path = self.operating_point, float(self.electrons_per_path())
        v, light = tile["v"].astype(np.float64), np.sum(np.abs(drive), axis=-1, keepdims=True)
        product, dark = drive @ v, float(self.photodetector.dark_electrons(at))
        rails = [path * (light + sign * product) / 2 + dark for sign in (1.0, -1.0)]
        if self.photodetector.shot_noise:
            # Rounding may leave a dark photodiode a little below 0.
            rails = [random.poisson(np.maximum(mean, 0.0)).astype(np.float64) for mean in rails]
        read = random.normal(size=product.shape) * math.sqrt(float(self._readout_variance()))
        signal = (rails[0] - rails[1] + read) / path
        if "gain" in tile:
            signal = signal * tile["gain"] + tile["offset"] * self.lsb(full_scale)
        if self.adc.ideal:
            return signal
        draws = {
            "normal": lambda: random.normal(size=signal.shape),
            "logistic": lambda: random.logistic(scale=math.sqrt(3.0) / math.pi, size=signal.shape),
            "uniform": lambda: random.uniform(-math.sqrt(3.0), math.sqrt(3.0), size=signal.shape),
        }
        return signal + np.sqrt(self.adc.noise_variance(full_scale)) * draws[self.channels.noise]()

    def convert(self, analog: Array, full_scale: Array, tile: dict[str, Array]) -> Array:
        """Codes times lsb, channels corrected."""
        code = analog if self.adc.ideal else self.adc.convert(analog, full_scale)
        return self.channels.corrected(code, self.lsb(full_scale), tile if "gain" in tile else {})

    def lsb(self, full_scale: Signal) -> Signal:
        """One step of the ADC in units of a."""
        return full_scale / self.adc.levels()

    def full_scale_of(self, drive: Array | None, values: dict[str, Array]) -> Array:
        """Half range of the ADC (tiles, n): the fan-in over the gain, whatever the operands."""
        del drive
        tiles, _, n = values["v"].shape
        return jnp.full((tiles, n), 1.0) * (self.inputs / self.channels.gain)

    def electrons(self, drive: Array, tile: dict[str, Array]) -> Array:
        """Photoelectrons of all columns, both photodiodes."""
        return self.electrons_per_path() * jnp.sum(jnp.abs(drive)) * tile["v"].shape[-1]

    # What it is ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> int:
        """Channels of one core."""
        return self.core.inputs

    @property
    def outputs(self) -> int:
        """Columns of one core."""
        return self.core.outputs

    @property
    def passes(self) -> int:
        """One symbol per vector."""
        return 1

    @property
    def reload_time_s(self) -> Scalar:
        """Time to write all weights of a core [s]."""
        return self.weights.load_time_s

    @property
    def power_max_w(self) -> Scalar:
        """Optical power that one channel can be given [W]."""
        return self.core.power_max_w

    def removals(self) -> list[tuple[str, dict]]:
        """Noise of the converters, then errors of the channels."""
        steps: list[tuple[str, dict]] = []
        if not self.adc.ideal:
            steps.append(("ADC noise beyond rounding", {"adc.enob_loss": 0.0}))
        if self.channels.fixed_pattern and not self.channels.affine_correction:
            exact = {"gain_mean": 1.0, "gain_spread": 0.0, "offset_mean_lsb": 0.0, "offset_lsb": 0.0}
            steps.append(("errors of the channels", {f"channels.{name}": value for name, value in exact.items()}))
        return steps

    # The light and its noise ---------------------------------------------------------------------------------

    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on a photodiode."""
        return self.photodetector.electrons_per_joule()

    def electrons_per_path(self) -> Scalar:
        """Electrons that one channel at full drive puts on the photodiodes of one column in a symbol."""
        at = self.operating_point
        return self.core.path_power_w(at) / at.symbol_rate_hz * self.electrons_per_joule()

    def _readout_variance(self) -> Scalar:
        return self.receiver.readout_variance(self.operating_point, self.photodetector.capacitance_f)

    def _variance(self, light: Array) -> Array:
        """Noise of light and receiver in units of a^2, for the light sum_k |u_k|."""
        path, readout = self.electrons_per_path(), self._readout_variance()
        dark = 2.0 * self.photodetector.dark_electrons(self.operating_point)
        # Quotients first: the square of the electrons alone may leave float32.
        shot = light / path + dark / path / path if self.photodetector.shot_noise else jnp.zeros_like(light)
        return shot + readout / path / path

    def way_of_light(self) -> tuple[str, Sequence[tuple[str, Scalar]]]:
        """One channel at full drive, to the photodiodes of one column."""
        return "one channel", (
            ("modulator, waveguides and weights", self.core.transmission),
            (f"split to {self.outputs} columns", 1.0 / self.outputs),
        )

    def typical_signal_electrons(self) -> float:
        """Rms signal of one full column of typical operands [electrons]."""
        square = operands.mean_square(self.inputs)
        return float(self.electrons_per_path()) * math.sqrt(self.inputs) * square

    def typical_full_scale_electrons(self) -> float:
        """Half range of one converter [electrons]."""
        return float(self.electrons_per_path()) * self.inputs / float(self.channels.gain)

    def noise_budget(self) -> list[NoiseTerm]:
        """Variance of one full column of typical operands by origin; clipping left out."""
        at, path, count = self.operating_point, float(self.electrons_per_path()), self.inputs
        square, channels = operands.mean_square(count), self.channels
        full_scale, wrong = self.typical_full_scale_electrons(), not channels.affine_correction
        light = path * count * operands.mean_magnitude(count) * self.photodetector.shot_noise
        dark = 2 * float(self.photodetector.dark_electrons(at)) * self.photodetector.shot_noise
        # What comes behind a gain is divided by it where the gain is corrected.
        gain = float(channels.gain_mean) if channels.fixed_pattern and not wrong else 1.0
        there = channels.fixed_pattern and wrong
        signal = self.typical_signal_electrons() ** 2
        moved = (float(channels.gain_mean) * float(channels.gain_spread)) ** 2 + (float(channels.gain_mean) - 1) ** 2
        offset = (float(channels.offset_lsb) ** 2 + float(channels.offset_mean_lsb) ** 2) * self._lsb_electrons() ** 2
        real, coarse = not self.adc.ideal, path**2 * count * square / 12
        return ranked(
            {
                "shot noise of the signal light": light,
                "shot noise of the dark current": dark,
                "receiver": float(self._readout_variance()),
                "ADC rounding": real * self._lsb_electrons() ** 2 / 12 / gain**2,
                "ADC noise beyond rounding": real * float(self.adc.noise_variance(full_scale)) / gain**2,
                "activation rounding": 0.0 if self.dac.ideal else coarse / self.dac.levels() ** 2,
                "weight rounding": 0.0 if self.weights.ideal else coarse / self.weights.levels() ** 2,
                "channel gains": there * moved * signal,
                "channel offsets": there * offset,
            }
        )

    def _lsb_electrons(self) -> float:
        return self.typical_full_scale_electrons() / self.adc.levels()

    # What it costs -------------------------------------------------------------------------------------------

    def count(self, contraction: "Contraction") -> Tally:
        """A comparison and a multiplication per activation and tile; a scale and the correction per conversion."""
        # Every tile of the contraction scales its own part of the vector: still once per activation.
        return count_tiles(contraction, self.inputs, self.outputs, tile_ops=1 + self.channels.correction_ops())

    def standing_power_w(self) -> dict[str, Scalar]:
        """Lasers, photodiodes, receivers, control and host [W]."""
        at = self.operating_point
        light = operands.mean_magnitude(self.inputs)
        received_w = self.outputs * self.inputs * self.core.path_power_w(at) * light
        receivers_w = self.outputs * self.receiver.power_w(at, self.photodetector.capacitance_f)
        return {
            "laser": self.core.laser_power_w(at),
            "photodetector": self.photodetector.power_w(received_w, 2 * self.outputs),
            "receiver": receivers_w,
            "control": self.system.control_power_w,
            "host": self.system.host_power_w,
        }

    def event_energy_j(self, tally: Tally) -> dict[str, Scalar]:
        """Converters, digital operations, memory [J]."""
        return {
            "dac": float(tally.drives) * number(self.dac.conversion_energy_j(self.dac.bits)),
            "adc": float(tally.conversions) * number(self.adc.conversion_energy_j(self.conversion_rate_hz())),
            "digital": float(tally.digital_ops) * number(self.digital.op_energy_j),
            "memory": self.memory.traffic_energy_j(tally, self.dac.bits / 8),
        }

    def load_energy_j(self) -> Scalar:
        """Energy of writing all weights of a core once [J]."""
        return self.weights.load_energy_j(self.inputs * self.outputs)

    def weight_byte(self) -> float:
        """Bytes of one weight in memory."""
        return self.weights.bits / 8

    def launched_power_w(self) -> Scalar:
        """Optical power of all channels [W]."""
        return self.core.launched_power_w(self.operating_point)
