"""The engine: one optical matrix multiplier, its stages by name, its product, its noise and its power."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import budgets, explain, fast, loaded_panel, operands, reference
from photonics import cost as costs
from photonics import noise_budget as noise_budgets
from photonics.adc import Adc
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.draws import check_key
from photonics.encoding import Encoding, Exposure, digit_levels, digits
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
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.system import System

if TYPE_CHECKING:
    from photonics.budgets import LinkStep, Parameter
    from photonics.cost import Cost, Deployment
    from photonics.explain import Explanation
    from photonics.noise_budget import NoiseTerm
    from photonics.work import Work


@stage
class Engine:
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

    def at(self, **values: Scalar) -> "Engine":
        """The same machine at another operating point, e.g. `engine.at(laser_power_w=3e-2)`."""
        known = [field.name for field in dataclasses.fields(OperatingPoint)]
        for name in values:
            if name not in known:
                raise TypeError(f"{name!r} is not part of the operating point; it has {', '.join(known)}")
        return self.replace(**{f"operating_point.{name}": value for name, value in values.items()})

    def replace(self, **values: Any) -> "Engine":
        """Another machine: fields by dotted path, e.g. `engine.replace(**{"adc.bits": 8})`."""
        engine = self
        for path, value in values.items():
            head, _, tail = path.partition(".")
            if head not in {field.name for field in dataclasses.fields(engine)}:
                raise TypeError(f"an engine has no field {head!r}")
            new = dataclasses.replace(getattr(engine, head), **{tail: value}) if tail else value
            engine = dataclasses.replace(engine, **{head: new})
        return engine

    # The product -----------------------------------------------------------------------------------------------

    def load_panel(
        self,
        w: Array,
        *,
        sample: Array | None = None,
        instance: Instance = 0,
        ranges: tuple[Array, Array] | None = None,
    ) -> LoadedPanel:
        """Encode weights w (k, n) onto panels, once.

        `sample` (..., k), if given, are activations that set the ADC ranges (and static activation scales); they must
        be disjoint from what is measured later. `ranges` gives (full_scale, activation_scale) of an earlier panel
        instead. `instance`, a number or a typed PRNG key, tells one fabricated engine from another: all its fixed
        errors are drawn from it (`photonics.fixed_pattern`). Raises ValueError on weights that are not a matrix, and on
        a sample that is empty or of another length.
        """
        w = jnp.asarray(w)
        if sample is not None and sample.shape[-1] != w.shape[0]:
            raise ValueError(f"the sample has vectors of length {sample.shape[-1]}, the weights take {w.shape[0]}")
        if sample is not None and sample.size == 0 and w.size:
            raise ValueError(f"a calibration sample needs at least one vector; this one has shape {sample.shape}")
        return loaded_panel.load_panel(self, w, sample, instance, ranges)

    def matmul(self, key: Array, x: Array, w: Array | LoadedPanel) -> Array:
        """x (..., k) times w (k, n), computed with light: (..., n) in the floating type of x.

        `key` is a typed PRNG key: one for the call, or one per leading index of x (shape (batch,) for x
        (batch, time, k)). `w` is a panel from `load_panel`, or weights, which are then encoded on the spot.
        No result depends on other rows, but for symbols that leak: then a vector sees the one before it along the axis
        before the last (`photonics.settling`). Raises TypeError and ValueError with the shapes that do not fit.
        """
        x, panel = self._operands(key, x, w)
        if 0 in x.shape or panel.n == 0:
            return jnp.zeros((*x.shape[:-1], panel.n), x.dtype)
        return fast.matmul(self, key, x, panel).astype(x.dtype)

    def detected_electrons(self, x: Array, panel: LoadedPanel) -> Array:
        """Photoelectrons that one product of x (..., k) puts on all detectors, both rails and passes, shape ()."""
        if x.size == 0 or panel.n == 0:
            return jnp.zeros(())
        return fast.detected_electrons(self, x, panel)

    def matmul_reference(
        self, key: Array, x: Array, w: Array, *, instance: Instance = 0, sample: Array | None = None
    ) -> Array:
        """The same product, followed photon by photon on the host (numpy): slow, readable, not differentiable.

        Arguments as in `matmul` and `load_panel`, concrete arrays only; one key for the call. Same law as the fast
        path, other draws.
        """
        x, panel = self._operands(key, x, self.load_panel(w, sample=sample, instance=instance))
        if 0 in x.shape or panel.n == 0:
            return jnp.zeros((*x.shape[:-1], panel.n), x.dtype)
        return reference.matmul(self, key, np.asarray(x), jnp.asarray(w), panel, instance)

    def _operands(self, key: Array, x: Array, w: Array | LoadedPanel) -> tuple[Array, LoadedPanel]:
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"x must hold real floating numbers, not {x.dtype}")
        panel = w if isinstance(w, LoadedPanel) else self.load_panel(w)
        if x.ndim == 0 or x.shape[-1] != panel.k:
            raise ValueError(f"x of shape {x.shape} does not end in k = {panel.k} of weights ({panel.k}, {panel.n})")
        check_key(key, x.shape[:-1])
        return x, panel

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

    def cost(self, work: "Work", panels: "Deployment" = "resident", digital: Sequence[str] = ()) -> "Cost":
        """Energy, time and use of hardware for some work; see `photonics.cost.cost`."""
        return costs.cost(self, work, panels=panels, digital=digital)

    def power_budget(self) -> dict[str, Scalar]:
        """Power at the wall by part of this engine, showing full vectors without a pause [W]."""
        return costs.power_budget(self)

    def link_budget(self) -> list["LinkStep"]:
        """Where the light of one source goes; see `photonics.budgets.link_budget`."""
        return budgets.link_budget(self)

    def noise_budget(self) -> list["NoiseTerm"]:
        """Variance of one tile's output by origin; see `photonics.noise_budget`."""
        return noise_budgets.noise_budget(self)

    def explain(
        self,
        work: "Work | None" = None,
        *,
        sample: Array | None = None,
        w: Array | LoadedPanel | None = None,
        chosen: Sequence[str] = (),
    ) -> "Explanation":
        """Link, noise and power budgets as data, with warnings about settings that waste or limit; `photonics.explain`.

        With `sample` (..., k) and `w` (k, n) the use of the converter's range is measured instead of estimated; with
        `work` the panels that stay partly empty are named; of the dotted paths in `chosen` it is said why they have no
        effect, if they have none.
        """
        return explain.explain(self, work=work, sample=sample, w=w, chosen=chosen)

    def parameters(self) -> list["Parameter"]:
        """Every value with its unit and meaning; sources are in the catalogue (`photonics.catalogue`)."""
        return budgets.parameters(self)
