"""The engine that Optical Transformers account for: quantised operands, resident weights, counted photons."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import operands
from photonics.adc import Adc
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.draws import stream
from photonics.fixed_pattern import Instance
from photonics.gradients import gaussian_counts
from photonics.loaded_tiles import Encoded
from photonics.memory import Memory
from photonics.noise_budget import NoiseTerm
from photonics.optical_transformer import accounting, noise
from photonics.optical_transformer.panel import Panel
from photonics.optical_transformer.photon_budget import electrons_per_path
from photonics.optical_transformer.quantiser import Quantiser
from photonics.optical_transformer.receiver import Receiver
from photonics.optical_transformer.signs import PARTS, Signs, part
from photonics.optical_transformer.source import Source
from photonics.ranging import Ranging
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.system import System
from photonics.tally import Tally
from photonics.tiled_engine import TiledEngine, token_draws
from photonics.work import Contraction


@stage
class OpticalTransformerEngine(TiledEngine):
    """Anderson et al., Optical Transformers, TMLR 2024 (arXiv 2302.10360).

        x - scale - DAC - source/modulator - weights - photodiodes - amplifier - ADC - rescale - y

        electrons of an output   counts of e_p (x+ v+ + x- v-)  minus counts of e_p (x+ v- + x- v+)
        variance                 e_p sum |x| |v| + k T C / q^2,       N = e_p sum |x| |v| photons of the dot product

    Operands are quantised as there, weights with the least transmission of a finite extinction. Left out: fixed pattern
    errors, crosstalk, intensity noise, drift, all of which the paper leaves out.

    Attributes:
        operating_point: laser power, symbol rate, temperature; the age is not read.
        encoding: how signed operands become light.
        dac, source, panel, quantiser, receiver, adc: the path of the light.
        ranging: full scale of the ADC.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    family = "optical-transformer"
    operating_point: OperatingPoint
    encoding: Signs
    dac: Dac
    source: Source
    panel: Panel
    quantiser: Quantiser
    receiver: Receiver
    adc: Adc
    ranging: Ranging
    digital: DigitalBackEnd
    memory: Memory
    system: System
    name: str = static(default="unnamed")

    # The product ---------------------------------------------------------------------------------------------

    def encode(self, w: Array, instance: Instance) -> Encoded:
        """See `TiledEngine.encode`: "v" (tiles, rows, n), one scale for the matrix; instances do not differ."""
        del instance
        scale = self.encoding.weight_scale(w)
        v = self.quantiser.weights(w / scale)
        return Encoded({"v": v}, jnp.broadcast_to(scale, (w.shape[0], w.shape[2])))

    def activation_scale(self, x: Array) -> Array:
        """See `Signs.activation_scales`."""
        return self.encoding.activation_scales(x)

    def drive(self, normalised: Array) -> Array:
        """Codes of the DAC over its largest one; the rounding of `quantise` on each part."""
        return self.dac.drive(normalised)

    def products(self, drive: Array, v: Array) -> list[Array]:
        """What each conversion is meant to see (..., m, n), without noise, in the order of `signs.PARTS`."""
        if self.encoding.signs == "rails":
            return [drive @ v]
        return [part(drive, of_x) @ part(v, of_w) for _, of_x, of_w in PARTS]

    def analog(
        self, key: Array, drive: Array, full_scale: Array, tile: dict[str, Array], leading: Sequence[int]
    ) -> Array:
        """See `TiledEngine.analog`; (4, m, n) where the products of parts are converted one by one."""
        path, v = electrons_per_path(self), tile["v"]
        means = self.products(drive, v)
        lights = [jnp.abs(drive) @ jnp.abs(v)] if self.encoding.signs == "rails" else means
        behind = self.receiver.readout_variance(self.operating_point) / path / path
        behind = behind + self.converter_variance(full_scale)
        seen = []
        for place, (mean, light) in enumerate(zip(means, lights, strict=True)):
            variance = (light / path if self.receiver.shot_noise else 0.0) + behind
            seen.append(gaussian_counts(mean, variance, token_draws(stream(key, place), leading, v.shape[1])))
        return seen[0] if len(seen) == 1 else jnp.stack(seen)

    def counted(
        self, random: np.random.Generator, drive: np.ndarray, full_scale: Signal, tile: dict[str, np.ndarray]
    ) -> np.ndarray:
        """See `TiledEngine.counted`: photons of the four products of parts, counted on their detectors."""
        path, v = float(electrons_per_path(self)), np.asarray(tile["v"], float)
        positive, negative = np.maximum(drive, 0.0), np.maximum(-drive, 0.0)
        open_positive, open_negative = np.maximum(v, 0.0), np.maximum(-v, 0.0)
        if self.encoding.signs == "rails":
            plus = self._detect(random, path * (positive @ open_positive + negative @ open_negative))
            minus = self._detect(random, path * (positive @ open_negative + negative @ open_positive))
            electrons = (plus - minus)[None]
        else:
            pairs = [(x, w) for x in (positive, negative) for w in (open_positive, open_negative)]
            electrons = np.stack([self._detect(random, path * (x @ w)) for x, w in pairs])
        read = np.sqrt(float(self.receiver.readout_variance(self.operating_point)))
        seen = (electrons + random.normal(size=electrons.shape) * read) / path
        if not self.adc.ideal:
            seen = seen + random.normal(size=seen.shape) * np.sqrt(self.adc.noise_variance(full_scale))
            if self.quantiser.rounding == "random":
                seen = seen + random.uniform(-0.5, 0.5, size=seen.shape) * full_scale / self.adc.levels()
        return seen[0] if len(seen) == 1 else seen

    def _detect(self, random: np.random.Generator, mean: np.ndarray) -> np.ndarray:
        return random.poisson(mean).astype(float) if self.receiver.shot_noise else mean

    def converter_variance(self, full_scale: Array) -> Scalar:
        """Variance that the converter adds ahead of its rounding, in the square of the unit of `full_scale`."""
        if self.adc.ideal:
            return 0.0
        lsb = full_scale / self.adc.levels()
        return self.adc.noise_variance(full_scale) + self.quantiser.output_variance(lsb)

    def convert(self, analog: Array, full_scale: Array, tile: dict[str, Array]) -> Array:
        """See `TiledEngine.convert`; a product of parts has one sign, so its codes start at zero."""
        del tile
        signs = (1.0,) if self.encoding.signs == "rails" else tuple(sign for sign, _, _ in PARTS)
        parts = analog[None] if len(signs) == 1 else analog
        shift = 0.0 if len(signs) == 1 else full_scale
        if self.adc.ideal:
            return sum((sign * one for sign, one in zip(signs, parts, strict=True)), start=jnp.zeros(()))
        codes = (self.adc.convert(one - shift, full_scale) + shift for one in parts)
        return sum((sign * code for sign, code in zip(signs, codes, strict=True)), start=jnp.zeros(()))

    def full_scale_of(self, drive: Array | None, values: dict[str, Array]) -> Array:
        """See `TiledEngine.full_scale_of`; the converters of one output share the widest range that they need."""
        v, unipolar = values["v"], self.encoding.signs == "passes"
        largest = jnp.sum(jnp.abs(v), axis=1)
        if drive is not None:
            each = [self.ranging.from_sample(z, largest, unipolar=unipolar) for z in self.products(drive, v)]
            return jax.lax.stop_gradient(jnp.max(jnp.stack(each), axis=0))
        typical = jnp.asarray(operands.typical(v.shape[1]), jnp.float32)
        pairs = [(typical, v)] if not unipolar else [(part(typical, x), part(v, w)) for _, x, w in PARTS]
        means = jnp.stack([jnp.mean(x) * jnp.sum(w, axis=1) for x, w in pairs])
        variances = jnp.stack([jnp.var(x) * jnp.sum(jnp.square(w), axis=1) for x, w in pairs])
        return jax.lax.stop_gradient(self.ranging.from_moments(means, variances, largest, unipolar=unipolar))

    def electrons(self, drive: Array, tile: dict[str, Array]) -> Array:
        """See `TiledEngine.electrons`: e_p sum |x| |v|, all detectors and symbols."""
        return electrons_per_path(self) * jnp.sum(jnp.abs(drive) @ jnp.abs(tile["v"]))

    # What it is ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> int:
        """Fan-in of one panel."""
        return self.panel.inputs

    @property
    def outputs(self) -> int:
        """Fan-out of one panel."""
        return self.panel.outputs

    @property
    def passes(self) -> int:
        """Symbols that one vector takes on one tile."""
        return self.encoding.passes

    @property
    def reload_time_s(self) -> Scalar:
        """Time to write one panel [s]."""
        return self.panel.reload_time_s

    @property
    def power_max_w(self) -> Scalar:
        """Optical power that one source can give [W]."""
        return self.source.power_max_w

    def removals(self) -> list[tuple[str, dict[str, Any]]]:
        """Converter noise, and the least transmission of weights."""
        steps: list[tuple[str, dict[str, Any]]] = []
        if not self.adc.ideal:
            steps.append(("ADC noise beyond rounding", {"adc.enob_loss": 0.0}))
            if self.quantiser.rounding == "random":
                steps.append(("random rounding", {"quantiser.rounding": "nearest"}))
        if not self.quantiser.ideal:
            steps.append(("least transmission of weights", {"quantiser.floor": 0.0}))
        return steps

    # The light and its noise ---------------------------------------------------------------------------------

    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on a detector."""
        return self.receiver.electrons_per_joule(self.source.photon_energy_j())

    def way_of_light(self) -> tuple[str, Sequence[tuple[str, Scalar]]]:
        """One source at full drive, to one detector with its weight fully open."""
        return "one source", (
            ("modulator, lenses and weight, open", self.panel.transmission),
            (f"shared by {self.panel.columns()} columns", 1.0 / self.panel.columns()),
        )

    def noise_budget(self) -> list[NoiseTerm]:
        """See `photonics.optical_transformer.noise.noise_budget`."""
        return noise.noise_budget(self)

    def typical_signal_electrons(self) -> float:
        """Rms signal of one output for the operands of `noise_budget` [electrons]."""
        return noise.typical_signal_electrons(self)

    def typical_full_scale_electrons(self) -> float:
        """Half range of one converter for the same operands [electrons]."""
        return noise.typical_full_scale_electrons(self)

    # What it costs -------------------------------------------------------------------------------------------

    def count(self, contraction: Contraction) -> Tally:
        """See `photonics.optical_transformer.accounting.count`."""
        return accounting.count(self, contraction)

    def standing_power_w(self) -> dict[str, Scalar]:
        """See `photonics.optical_transformer.accounting.standing_power_w`."""
        return accounting.standing_power_w(self)

    def event_energy_j(self, tally: Tally) -> dict[str, Scalar]:
        """See `photonics.optical_transformer.accounting.event_energy_j`."""
        return accounting.event_energy_j(self, tally)

    def load_energy_j(self) -> Scalar:
        """Energy of writing one panel [J]."""
        return self.panel.weights() * self.panel.write_energy_j

    def weight_byte(self) -> float:
        """Bytes of one weight in memory: as many bits as its levels need."""
        return (self.quantiser.levels - 1).bit_length() / 8

    def launched_power_w(self) -> Scalar:
        """Optical power of all sources [W], which are lit whatever is shown."""
        return self.panel.inputs * self.operating_point.laser_power_w
