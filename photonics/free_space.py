"""The free-space engine: sources, lenses, a weight panel and detectors; the light that its stages make together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import budgets, explain, fast, free_space_cost, loaded_panel, operands, reference
from photonics import noise_budget as noise_budgets
from photonics.adc import Adc
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.encoding import Encoding, Exposure, digit_levels, digits
from photonics.engine import Engine
from photonics.fixed_pattern import Instance
from photonics.loaded_panel import LoadedPanel
from photonics.memory import Memory
from photonics.modulator import Modulator
from photonics.optics import Optics
from photonics.panel import WeightPanel
from photonics.photodetector import Photodetector
from photonics.ranging import Ranging
from photonics.readout import Readout
from photonics.receiver import Receiver
from photonics.settling import Lights, leaked
from photonics.source import SourceArray
from photonics.stage import OperatingPoint, Scalar, Signal, number, stage, static
from photonics.system import System
from photonics.tally import Tally
from photonics.work import Contraction

if TYPE_CHECKING:
    from photonics.budgets import LinkStep
    from photonics.explanation import Explanation
    from photonics.noise_budget import NoiseTerm
    from photonics.work import Work


@stage
class FreeSpaceEngine(Engine):
    """A weight-stationary, intensity-encoded free-space engine.

        x - scale - DAC - source/modulator - fan-out - panel - fan-in - photodiode - receiver - ADC - rescale - y

    Every stage is a field; `operating_point` is what all of them read. Physical values are leaves of the pytree
    (differentiable, swept without compiling again), shapes, bits and switches are static. Engines come from the
    catalogue: `photonics.load_engine`.

    Attributes:
        operating_point: laser power, symbol rate, temperature, age of the calibration.
        encoding: how signed operands become light.
        dac, source, modulator, optics, panel, photodetector, receiver, readout, adc: the path of the light.
        ranging: full scale of the ADC.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    family: ClassVar[str] = "free-space"
    operating_point: OperatingPoint
    encoding: Encoding
    dac: Dac
    source: SourceArray
    modulator: Modulator
    optics: Optics
    panel: WeightPanel
    photodetector: Photodetector
    receiver: Receiver
    readout: Readout
    adc: Adc
    ranging: Ranging
    digital: DigitalBackEnd
    memory: Memory
    system: System
    name: str = static(default="unnamed")

    # The product -----------------------------------------------------------------------------------------------

    def _load_panel(
        self, w: Array, sample: Array | None, instance: Instance, ranges: tuple[Array, Array] | None
    ) -> LoadedPanel:
        return loaded_panel.load_panel(self, w, sample, instance, ranges)

    def _matmul(self, key: Array, x: Array, panel: LoadedPanel) -> Array:
        return fast.matmul(self, key, x, panel)

    def _detected_electrons(self, x: Array, panel: LoadedPanel) -> Array:
        return fast.detected_electrons(self, x, panel)

    def _matmul_reference(self, key: Array, x: Array, w: Array, panel: LoadedPanel, instance: Instance) -> Array:
        return reference.matmul(self, key, np.asarray(x), w, panel, instance)

    # What it is ------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> int:
        """Sources, hence inputs of one panel."""
        return self.source.count

    @property
    def outputs(self) -> int:
        """Outputs of one panel."""
        return self.panel.outputs

    @property
    def passes(self) -> int:
        """Symbols that one vector takes on one panel: signs, digits, repetitions."""
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
        """Intensity noise, converters, residuals: those that this engine has, panels last."""
        steps: list[tuple[str, dict[str, Any]]] = []
        if self.source.noise != "none":
            steps.append(("source intensity noise", {"source.rin_per_hz": 0.0}))
        if not self.adc.ideal:
            steps.append(("ADC noise beyond rounding", {"adc.enob_loss": 0.0}))
        residuals: dict[str, Any] = {}
        if self.panel.fixed_pattern:
            residuals |= {"panel.element_residual": 0.0, "panel.rail_residual": 0.0}
        if self.optics.crosstalk:
            residuals["optics.crosstalk_residual"] = 0.0
        if residuals:
            steps.append(("residual errors of elements, rails and crosstalk", residuals))
        return steps

    # The light and its noise -----------------------------------------------------------------------------------

    def exposures(self, drive: Signal) -> list[Exposure]:
        """What is shown for signed drives (..., k) in [-1, 1], one entry per conversion; see `Encoding.exposures`."""
        return self.encoding.exposures(drive, self.dac.levels(), self.modulator.floor())

    def lights(self, drive: Signal, leading: Sequence[int]) -> Lights:
        """Relative light of the sources in every pass, by exposure: signed drives (..., m, k) as they are shown.

        `leading` are the axes that the m vectors had; the last of them is time, along which symbols leak.
        """
        levels = self._drive_levels()
        shown = [
            tuple(self.modulator.transmit(part, levels) for part in exposure.drives)
            for exposure in self.exposures(drive)
        ]
        time = leading[-1] if leading else 1
        for part in (self.modulator, self.receiver):
            if part.settles:
                shown = leaked(shown, part.leak(self.operating_point), self.modulator.floor(), time)
        return shown

    def _drive_levels(self) -> int | None:
        """Largest code of the unipolar DAC, None for an ideal one."""
        digit = digit_levels(self.dac.levels(), self.encoding.activation_slices)
        return None if self.dac.ideal else digit if self.encoding.activation_sign == "passes" else 2 * digit

    def shows_codes(self) -> bool:
        """Whether the light is exactly what the codes say: a straight response and no memory."""
        return self.modulator.response == "linear" and not (self.modulator.settles or self.receiver.settles)

    def answers_one_by_one(self) -> bool:
        """Whether photodiodes and receivers have to be followed light by light (`photonics.one_by_one`)."""
        detector, readout = self.photodetector, self.readout
        return detector.saturates or readout.saturates or readout.pass_mismatch or self.source.beats

    def has_pedestal(self) -> bool:
        """Whether a conversion holds light that stands for no operand."""
        return self.encoding.activation_sign == "offset" or self.encoding.conversion == "pass"

    def unipolar(self) -> bool:
        """Whether converters see light of one sign only and use all their codes for it."""
        return self.has_pedestal() and self.encoding.weight_sign == "offset"

    def weight_pedestal(self) -> Scalar:
        """Light of a weight of 0 over 1 - e_T: that of an offset and of the floor; rails have none."""
        if self.encoding.weight_sign == "rails":
            return 0.0
        return 0.5 + self.panel.floor() / (1.0 - self.panel.floor())

    def recorded_base(self) -> Scalar:
        """Drive U of an operand of 0, as a calibration without operands records it; 0 where passes are subtracted."""
        if not self.has_pedestal():
            return 0.0
        zero = 0.5 if self.encoding.activation_sign == "offset" else 0.0
        return self.modulator.transmit(jnp.asarray(zero), self._drive_levels()) / (1.0 - self.modulator.floor())

    def constant_signal(self, rows: int) -> Scalar:
        """Signal of idle sources and dark current in one conversion of a tile of `rows` inputs, in units of U V."""
        if not self.unipolar():
            return 0.0
        dark = self.photodetector.dark_electrons(self.operating_point)
        return (self.electrons_per_path() * self.idle_light(rows) + dark) / self.gain_electrons()

    def light_efficiency(self) -> Scalar:
        """Light on all detectors over light launched, with every modulator and every pixel fully open."""
        return self.modulator.transmission * self.optics.transmission * self.panel.transmission

    def columns(self) -> int:
        """Physical columns that share the light: every rail of every output, used or not."""
        return self.encoding.rails * self.panel.outputs

    def pixels(self) -> int:
        """Pixels of one panel."""
        return self.source.count * self.columns()

    def electrons_per_path(self) -> Scalar:
        """Photoelectrons that one source puts on one detector in one pass, everything fully open.

        QE P eta / (h nu f columns)
        """
        at = self.operating_point
        # Joules over joules first: a symbol holds 1e-12 J and a photon 1e-19 J, so their quotient stays in range.
        symbol_j = at.laser_power_w / at.symbol_rate_hz
        per_joule = self.photodetector.electrons_per_joule(self.source.photon_energy_j())
        return symbol_j * per_joule * self.light_efficiency() / self.columns()

    def gain_electrons(self) -> Scalar:
        """Electrons per unit of U V: e_p (1 - e_m)(1 - e_T); of x_hat v where neither has an offset."""
        return self.electrons_per_path() * (1.0 - self.modulator.floor()) * (1.0 - self.panel.floor())

    def noise_band(self) -> Scalar:
        """Noise bandwidth over symbol rate, beta."""
        return self.receiver.noise_bandwidth_hz(self.operating_point) / self.operating_point.symbol_rate_hz

    def diodes_f(self) -> Scalar:
        """Capacitance of the photodiodes of one output, as large as the etendue of all sources asks for [F]."""
        area_m2 = self.photodetector.area_m2(self.source.etendue_m2_sr(), self.optics.numerical_aperture)
        return self.encoding.rails * area_m2 * self.photodetector.capacitance_f_per_m2

    def readout_variance(self) -> Scalar:
        """Receiver noise of one pass [electrons^2]."""
        return self.receiver.readout_variance(self.operating_point, self.diodes_f())

    def shot_variance_per_light(self) -> tuple[Scalar, Scalar]:
        """Shot noise in units of (U V)^2: per unit of the light D @ P, and of the dark current of one pass.

        var = 2 beta (e_p light + rails dark), divided by the gain squared.
        """
        gain, spread = self.gain_electrons(), 2.0 * self.noise_band()
        dark = spread * self.encoding.rails * self.photodetector.dark_electrons(self.operating_point)
        return spread * self.electrons_per_path() / gain / gain, dark / gain / gain

    def idle_light(self, rows: int) -> Scalar:
        """Light D P per output and pass from the sources that a tile of `rows` inputs leaves idle: both floors."""
        idle = self.source.count - rows
        return idle * self.modulator.floor() * self.encoding.rails * self.panel.floor()

    def mean_light(self) -> tuple[Scalar, Scalar]:
        """Relative light of a source, and transmission of a pixel, for typical operands (`photonics.operands`)."""
        drive = jnp.asarray(operands.typical(self.source.count), jnp.float32)
        shown = [jnp.mean(light) for lights in self.lights(drive, ()) for light in lights]
        held = [
            jnp.mean(self.panel.transmit(opening))
            for digit, _ in digits(drive, self.panel.levels(), self.encoding.weight_slices)
            for opening in self.encoding.openings(jnp.asarray(digit))
        ]
        return sum(shown) / len(shown), sum(held) / len(held)

    def absorbed_power_w(self) -> Scalar:
        """Light that one panel takes up [W], for typical operands, the lenses' loss counted as behind the panel."""
        light, transmission = self.mean_light()
        onto_panel_w = self.source.count * self.operating_point.laser_power_w * self.modulator.transmission * light
        return onto_panel_w * (1.0 - self.panel.transmission * transmission)

    # What it costs ---------------------------------------------------------------------------------------------

    def count(self, contraction: Contraction) -> Tally:
        """See `photonics.free_space_cost.count`."""
        return free_space_cost.count(self, contraction)

    def standing_power_w(self) -> dict[str, Scalar]:
        """See `photonics.free_space_cost.standing_power_w`."""
        return free_space_cost.standing_power_w(self)

    def event_energy_j(self, tally: Tally) -> dict[str, Scalar]:
        """See `photonics.free_space_cost.event_energy_j`."""
        return free_space_cost.event_energy_j(self, tally)

    def load_energy_j(self) -> Scalar:
        """Energy of writing every pixel of one panel once [J]."""
        return self.panel.write_energy_j(self.pixels(), self.encoding.pixel_bits(self.panel.bits), self.memory)

    def weight_byte(self) -> float:
        """Bytes of one weight in memory: its signed code."""
        return self.panel.bits / 8

    def conversion_rate_hz(self) -> Scalar:
        """Conversions of one ADC per second [Hz]: one for the passes that it gathers."""
        return self.operating_point.symbol_rate_hz / self.encoding.passes_per_conversion

    def launched_power_w(self) -> Scalar:
        """Optical power of all sources for typical operands [W]."""
        return self.source.launched_power_w(self.operating_point, number(self.mean_light()[0]))

    # What there is to know -------------------------------------------------------------------------------------

    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on a detector."""
        return self.photodetector.electrons_per_joule(self.source.photon_energy_j())

    def link_budget(self) -> list["LinkStep"]:
        """Where the light of one source goes; see `photonics.budgets.link_budget`."""
        return budgets.link_budget(self)

    def noise_budget(self) -> list["NoiseTerm"]:
        """Variance of one tile's output by origin; see `photonics.noise_budget`."""
        return noise_budgets.noise_budget(self)

    def typical_signal_electrons(self) -> float:
        """Rms signal of one output for the operands of `noise_budget` [electrons]."""
        return noise_budgets.typical_signal_electrons(self)

    def explain(
        self,
        work: "Work | None" = None,
        *,
        sample: Array | None = None,
        w: Array | LoadedPanel | None = None,
        chosen: Sequence[str] = (),
    ) -> "Explanation":
        """See `Engine.explain` and `photonics.explain`."""
        return explain.explain(self, work=work, sample=sample, w=w, chosen=chosen)
