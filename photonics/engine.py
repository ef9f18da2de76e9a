"""The engine: one optical matrix multiplier, its stages by name, its product, its noise and its power."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import budgets, fast, loaded_panel, reference
from photonics import cost as costs
from photonics.adc import Adc
from photonics.dac import Dac
from photonics.digital import DigitalBackEnd
from photonics.draws import check_key
from photonics.encoding import TwoRailTwoPass
from photonics.loaded_panel import LoadedPanel
from photonics.memory import Memory
from photonics.modulator import Modulator
from photonics.optics import Optics
from photonics.panel import WeightPanel
from photonics.photodetector import Photodetector
from photonics.ranging import Ranging
from photonics.receiver import INTEGRATE_AND_DUMP, Receiver
from photonics.source import SourceArray
from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.system import System

if TYPE_CHECKING:
    from photonics.budgets import LinkStep, NoiseTerm, Parameter
    from photonics.cost import Cost, Deployment
    from photonics.work import Work


@stage
class Engine:
    """A weight-stationary, intensity-encoded free-space engine.

        x - scale - DAC - source/modulator - fan-out - panel - fan-in - photodiode - receiver - ADC - rescale - y

    Every stage is a field; `operating_point` is what all of them read. Physical values are leaves of the pytree
    (differentiable, swept without compiling again), shapes, bits and switches are static. Engines come from the
    catalogue: `photonics.load_engine`.

    Attributes:
        operating_point: laser power, symbol rate, temperature.
        encoding: how signed operands become light.
        dac, source, modulator, optics, panel, photodetector, receiver, adc: the path of the light.
        ranging: full scale of the ADC.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    operating_point: OperatingPoint
    encoding: TwoRailTwoPass
    dac: Dac
    source: SourceArray
    modulator: Modulator
    optics: Optics
    panel: WeightPanel
    photodetector: Photodetector
    receiver: Receiver
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
        instance: int | Array = 0,
        ranges: tuple[Array, Array] | None = None,
    ) -> LoadedPanel:
        """Encode weights w (k, n) onto panels, once.

        `sample` (..., k), if given, are activations that set the ADC ranges (and static activation scales); they must
        be disjoint from what is measured later. `ranges` gives (full_scale, activation_scale) of an earlier panel
        instead. `instance` tells one piece of glass from another: it seeds the fixed pattern of pixel errors. Raises
        ValueError on weights that are not a matrix, and on a sample that is empty or of another length.
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
        No result depends on the other rows. Raises TypeError and ValueError with the shapes that do not fit.
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
        self, key: Array, x: Array, w: Array, *, instance: int = 0, sample: Array | None = None
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

    def light_efficiency(self) -> Scalar:
        """Light on all detectors over light launched, with every modulator and every pixel fully open."""
        return self.modulator.transmission * self.optics.transmission * self.panel.transmission

    def columns(self) -> int:
        """Physical columns that share the light: every rail of every output, used or not."""
        return self.encoding.rails * self.panel.outputs

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
        """Electrons of difference per unit of x_hat v: e_p (1 - e_m)(1 - e_T)."""
        return self.electrons_per_path() * (1.0 - self.modulator.floor()) * (1.0 - self.panel.floor())

    def readout_variance(self) -> Scalar:
        """Receiver noise of one conversion, all passes [electrons^2]."""
        return self.encoding.passes * self.receiver.readout_variance(self.operating_point)

    def shot_variance_per_light(self) -> tuple[Scalar, Scalar]:
        """Shot noise in units of (x_hat v)^2: per unit of the light D @ P, and of the dark current.

        var = 2 beta (e_p light + passes rails dark), divided by the gain squared.
        """
        gain, spread = self.gain_electrons(), 2.0 * INTEGRATE_AND_DUMP
        diodes = self.encoding.passes * self.encoding.rails
        dark = spread * diodes * self.photodetector.dark_electrons(self.operating_point)
        return spread * self.electrons_per_path() / gain / gain, dark / gain / gain

    def unused_light(self, rows: int) -> Scalar:
        """Light D P per output from the sources that a tile of `rows` inputs leaves idle: floors of both stages."""
        idle = self.source.count - rows
        return idle * 2.0 * self.modulator.floor() * 2.0 * self.panel.floor()

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
        """Variance of one conversion by origin; see `photonics.budgets.noise_budget`."""
        return budgets.noise_budget(self)

    def parameters(self) -> list["Parameter"]:
        """Every value with its unit and meaning; sources are in the catalogue (`photonics.catalogue`)."""
        return budgets.parameters(self)
