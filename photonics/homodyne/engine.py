"""The homodyne engine: two streams of coherent light, multiplied on balanced photodiodes, summed on capacitors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import operands
from photonics.adc import Adc
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.draws import stream
from photonics.fixed_pattern import Instance, instance_key
from photonics.homodyne import costs, law, noise_terms
from photonics.homodyne.array import HomodyneArray
from photonics.homodyne.encoding import HomodyneEncoding
from photonics.homodyne.fields import FieldModulator
from photonics.homodyne.integrator import Integrator
from photonics.homodyne.laser import CoherentLaser
from photonics.homodyne.phase import PhaseErrors
from photonics.homodyne.quantum_limit import BalancedPair
from photonics.loaded_tiles import Encoded
from photonics.memory import Memory
from photonics.ranging import Ranging
from photonics.scales import largest_scale
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.system import System
from photonics.tiled_engine import StreamingEngine

if TYPE_CHECKING:
    from photonics.noise_budget import NoiseTerm
    from photonics.tally import Tally
    from photonics.work import Contraction

# One stream for each kind of error of an instance.
_PHASES, _PAIRS = 11, 12


@stage
class HomodyneEngine(StreamingEngine):
    """Coherent, time-multiplexed photoelectric multiplication.

        laser -+- weights:     DAC - modulator - copied to all rows    -+
               |                                                        +- 50:50 - two photodiodes - capacitor - ADC
               +- activations: DAC - modulator - copied to all columns -+

        y_in = sum_j A_ij x_jn     a pair sees 2 a b A_ij x_j in symbol j; the capacitor sums over j

    Both operands are streamed, so nothing is loaded: products of two activations cost the same as those with weights.
    Conversions fall once per output and integration. One real number per symbol and arm: the quadrature is not used.

    Hamerly, Bernstein, Sludds, Soljacic, Englund, Large-Scale Optical Neural Networks Based on Photoelectric
    Multiplication, PRX 9, 021032 (2019).

    Attributes:
        operating_point: laser power, symbol rate, temperature, age of the calibration.
        encoding: repetitions and rotation.
        laser, modulator, array, phase, pair, integrator: the path of the light.
        dac, weight_dac: converters of activations and weights.
        adc, ranging: converter behind the capacitors, and its full scale.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    family: ClassVar[str] = "homodyne"

    operating_point: OperatingPoint
    encoding: HomodyneEncoding
    dac: Dac
    weight_dac: Dac
    laser: CoherentLaser
    modulator: FieldModulator
    array: HomodyneArray
    phase: PhaseErrors
    pair: BalancedPair
    integrator: Integrator
    adc: Adc
    ranging: Ranging
    digital: DigitalBackEnd
    memory: Memory
    system: System
    name: str = static(default="unnamed")

    # The product ---------------------------------------------------------------------------------------------

    def encode(self, w: Array, instance: Instance) -> Encoded:
        """Fields of the weights, one scale for each column and tile (its largest magnitude), errors of the units."""
        scale = largest_scale(w, 1)
        at, (tiles, _, n) = self.operating_point, w.shape
        field = self.modulator.field(self.weight_dac.drive(w / scale), at, 1)
        values, key = {"signal": field.signal}, instance_key(instance)
        if self.modulator.leaks:
            values["leak"] = field.leak
        if self.phase.fixed_pattern:
            values["phase"] = self.phase.draw(stream(key, _PHASES), (tiles, n), at)
        if self.pair.fixed_pattern:
            values["gain"], values["imbalance"] = self.pair.draw(stream(key, _PAIRS), (tiles, n))
        return Encoded(values, scale[:, 0])

    def activation_scale(self, x: Array) -> Array:
        """Largest magnitude of each token, (1, m, 1); 1 for a token of zeros."""
        return largest_scale(x, 2, 0)

    def drive(self, normalised: Array) -> Array:
        """Drives in [-1, 1], rounded to the codes of the DAC."""
        return self.dac.drive(normalised)

    def analog(
        self, key: Array, drive: Array, full_scale: Array, tile: dict[str, Array], leading: Sequence[int]
    ) -> Array:
        """What the ADC sees by repetition (R, m, n); see `law.fast`."""
        return law.fast(self, key, drive, full_scale, tile, leading)

    def counted(
        self, random: np.random.Generator, drive: np.ndarray, full_scale: Signal, tile: dict[str, np.ndarray]
    ) -> np.ndarray:
        """The same, photon by photon; see `law.counted`."""
        return law.counted(self, random, drive, full_scale, tile)

    def convert(self, analog: Array, full_scale: Array, tile: dict[str, Array]) -> Array:
        """Codes times lsb, averaged over the repetitions (m, n)."""
        del tile
        return jnp.mean(analog if self.adc.ideal else self.adc.convert(analog, full_scale), axis=0)

    def full_scale_of(self, drive: Array | None, values: dict[str, Array]) -> Array:
        """Half range of the ADC (tiles, n): statistics of sample drives (tiles, m, rows), or of typical operands."""
        signal = values["signal"]
        largest = jnp.sum(jnp.abs(signal), axis=1)
        if drive is not None:
            shown = self.modulator.field(drive, self.operating_point, 2).signal
            return jax.lax.stop_gradient(self.ranging.from_sample(shown @ signal, largest))
        variance = operands.mean_square(signal.shape[1]) * jnp.sum(jnp.square(signal), axis=1)
        typical = self.ranging.from_moments(jnp.zeros_like(variance)[None], variance[None], largest)
        return jax.lax.stop_gradient(typical)

    def electrons(self, drive: Array, tile: dict[str, Array]) -> Array:
        """Photoelectrons of both beams on all photodiodes; see `law.detected`."""
        return law.detected(self, drive, tile)

    # What it is ----------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> int:
        """Symbols that one readout sums at most."""
        return self.array.integration

    @property
    def outputs(self) -> int:
        """Columns of the array."""
        return self.array.columns

    @property
    def passes(self) -> int:
        """Symbols that a vector takes on one full tile; `array.rows` vectors take them together."""
        return self.array.integration * self.encoding.repetitions

    @property
    def power_max_w(self) -> Scalar:
        """Optical power that the laser can give [W]."""
        return self.laser.power_max_w

    def macs_per_s(self) -> Scalar:
        """Logical multiply-accumulates of one engine that never pauses: rows columns f / repetitions [1/s]."""
        return self.operating_point.symbol_rate_hz / self.encoding.repetitions * self.array.units

    def conversion_rate_hz(self) -> Scalar:
        """Conversions of one ADC per second for sums of full length: units per ADC times f / integration [Hz]."""
        return self.operating_point.symbol_rate_hz / self.array.integration * self.array.units_per_adc

    def removals(self) -> list[tuple[str, dict[str, Any]]]:
        """What keeps the brightest engine from being exact, in the order of the light."""
        return [
            ("rounding of the operands", {"dac.ideal": True, "weight_dac.ideal": True}),
            ("settling of the modulators", {"modulator.settling": False}),
            ("extinction of the modulators", {"modulator.leaks": False}),
            ("phase jitter", {"phase.jitters": False}),
            ("phases of the units", {"phase.fixed_pattern": False}),
            ("gains and balance of the units", {"pair.fixed_pattern": False}),
            ("laser intensity", {"laser.fluctuates": False}),
            ("full well", {"integrator.saturates": False}),
            ("converter", {"adc.ideal": True}),
        ]

    # The light and its noise ---------------------------------------------------------------------------------

    def transmission(self) -> Scalar:
        """Light on the photodiodes over light of the laser at full drive, fan-out not counted."""
        return self.modulator.transmission * self.array.transmission

    def electrons_per_symbol(self) -> tuple[Scalar, Scalar]:
        """a^2 and b^2: photoelectrons per symbol that the weights, and the activations, give one unit at full drive.

        a^2 = QE P T s / (h nu f rows columns),   b^2 the same with 1 - s.
        """
        at = self.operating_point
        # Joules over joules first: a symbol holds 1e-11 J and a photon 1e-19 J, so their quotient stays in range.
        symbol_j = at.laser_power_w / at.symbol_rate_hz
        whole = symbol_j * self.electrons_per_joule() * self.transmission() / self.array.units
        return whole * self.array.weight_share, whole * (1.0 - self.array.weight_share)

    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on the photodiodes."""
        return self.pair.electrons_per_joule(self.laser.photon_energy_j())

    def diodes_f(self) -> Scalar:
        """Capacitance of both photodiodes of a unit [F]."""
        return 2.0 * self.pair.capacitance_f

    def readout_variance(self) -> Scalar:
        """Noise of one readout [electrons^2]."""
        at, diodes_f = self.operating_point, self.diodes_f()
        return self.integrator.reset_variance(at, diodes_f) + self.integrator.amplifier_variance(at, diodes_f)

    def way_of_light(self) -> tuple[str, Sequence[tuple[str, Scalar]]]:
        """The laser, to one unit by way of the weights at full drive; the activations have the rest of it."""
        array = self.array
        return "the laser", (
            (f"arm of the weights, {float(array.weight_share):.3g} of the light", array.weight_share),
            (f"split over {array.columns} transmitters", 1.0 / array.columns),
            ("modulator", self.modulator.transmission),
            ("waveguides and couplers", array.transmission),
            (f"shared by {array.rows} units", 1.0 / array.rows),
        )

    def noise_budget(self) -> list["NoiseTerm"]:
        """Variance of one output by origin; see `noise_terms.noise_budget`."""
        return noise_terms.noise_budget(self)

    def typical_signal_electrons(self) -> float:
        """Rms signal of one output for typical operands [electrons]."""
        return float(np.sqrt(noise_terms.signal_variance(self)))

    def typical_full_scale_electrons(self) -> float:
        """Half range of one converter for typical operands [electrons]."""
        return noise_terms.typical_full_scale(self)

    # What it costs -------------------------------------------------------------------------------------------

    def count(self, contraction: "Contraction") -> "Tally":
        """How often things happen; see `costs.count`."""
        return costs.count(self, contraction)

    def standing_power_w(self) -> dict[str, Scalar]:
        """Power by part that is always on; see `costs.standing_power_w`."""
        return costs.standing_power_w(self)

    def event_energy_j(self, tally: "Tally") -> dict[str, Scalar]:
        """Energy by part of what is counted; see `costs.event_energy_j`."""
        return costs.event_energy_j(self, tally)

    def weight_byte(self) -> float:
        """Bytes of one weight in memory."""
        return self.weight_dac.bits / 8

    def launched_power_w(self) -> Scalar:
        """Optical power of the laser [W]; it is on whatever is shown."""
        return self.operating_point.laser_power_w

    def areas_m2(self) -> dict[str, float]:
        """Area of the homodyne units; transmitters, converters and memory are not published [m^2]."""
        return {"units": self.array.units * float(self.array.unit_area_m2)}
