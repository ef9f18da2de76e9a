"""What every engine answers: its product, its noise, its power, whatever the family of machine it belongs to."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import jax.numpy as jnp
from jax import Array

from photonics import budgets
from photonics import cost as costs
from photonics.digital import DigitalBackEnd
from photonics.draws import check_key
from photonics.fixed_pattern import Instance
from photonics.memory import Memory
from photonics.stage import OperatingPoint, Scalar
from photonics.system import System

if TYPE_CHECKING:
    from photonics.budgets import LinkStep, Parameter
    from photonics.cost import Cost, Deployment
    from photonics.explanation import Explanation
    from photonics.noise_budget import NoiseTerm
    from photonics.tally import Tally
    from photonics.work import Contraction, Work


class Engine(ABC):
    """One optical matrix multiplier. Families (`photonics.families`) are subclasses; the catalogue builds them.

    An engine is a frozen dataclass of stages whose physical values are leaves of a pytree (differentiable, swept
    without compiling again); shapes, bits and switches are static. A family states what is specific to it in the
    abstract methods; everything that a user calls is the same for all.

    Attributes:
        family: name of the family, as in the heading of an engine file.
        operating_point: laser power, symbol rate, temperature, age of the calibration.
        digital, memory, system: what the engine needs beside the optics.
        name: catalogue name or file.
    """

    family: ClassVar[str]
    operating_point: OperatingPoint
    digital: DigitalBackEnd
    memory: Memory
    system: System
    name: str

    def at(self, **values: Scalar) -> Self:
        """The same machine at another operating point, e.g. `engine.at(laser_power_w=3e-2)`."""
        known = [field.name for field in dataclasses.fields(OperatingPoint)]
        for name in values:
            if name not in known:
                raise TypeError(f"{name!r} is not part of the operating point; it has {', '.join(known)}")
        return self.replace(**{f"operating_point.{name}": value for name, value in values.items()})

    def replace(self, **values: Any) -> Self:
        """Another machine: fields by dotted path, e.g. `engine.replace(**{"adc.bits": 8})`."""
        engine: Any = self
        for path, value in values.items():
            head, _, tail = path.partition(".")
            if head not in {field.name for field in dataclasses.fields(engine)}:
                raise TypeError(f"an engine of family {self.family} has no field {head!r}")
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
    ) -> Any:
        """Encode weights w (k, n), once; for an engine with a panel, onto that.

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
        if w.ndim != 2:
            raise ValueError(f"weights must have shape (k, n), not {w.shape}")
        return self._load_panel(w, sample, instance, ranges)

    def matmul(self, key: Array, x: Array, w: Any) -> Array:
        """x (..., k) times w (k, n), computed with light: (..., n) in the floating type of x.

        `key` is a typed PRNG key: one for the call, or one per leading index of x (shape (batch,) for x
        (batch, time, k)). `w` is a panel from `load_panel`, or weights, which are then encoded on the spot.
        No result depends on other rows, but for symbols that leak: then a vector sees the one before it along the axis
        before the last (`photonics.settling`). Raises TypeError and ValueError with the shapes that do not fit.
        """
        x, panel = self._operands(key, x, w)
        if 0 in x.shape or panel.n == 0:
            return jnp.zeros((*x.shape[:-1], panel.n), x.dtype)
        return self._matmul(key, x, panel).astype(x.dtype)

    def detected_electrons(self, x: Array, panel: Any) -> Array:
        """Photoelectrons that one product of x (..., k) puts on all detectors, both rails and all passes, shape ()."""
        if x.size == 0 or panel.n == 0:
            return jnp.zeros(())
        return self._detected_electrons(x, panel)

    def matmul_reference(
        self, key: Array, x: Array, w: Array, *, instance: Instance = 0, sample: Array | None = None
    ) -> Array:
        """The same product, followed stage by stage on the host (numpy): slow, readable, not differentiable.

        Arguments as in `matmul` and `load_panel`, concrete arrays only; one key for the call. Same law as the fast
        path, other draws.
        """
        x, panel = self._operands(key, x, self.load_panel(w, sample=sample, instance=instance))
        if 0 in x.shape or panel.n == 0:
            return jnp.zeros((*x.shape[:-1], panel.n), x.dtype)
        return self._matmul_reference(key, x, jnp.asarray(w), panel, instance)

    def _operands(self, key: Array, x: Array, w: Any) -> tuple[Array, Any]:
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"x must hold real floating numbers, not {x.dtype}")
        panel = self.load_panel(w) if hasattr(w, "ndim") else w
        if x.ndim == 0 or x.shape[-1] != panel.k:
            raise ValueError(f"x of shape {x.shape} does not end in k = {panel.k} of weights ({panel.k}, {panel.n})")
        check_key(key, x.shape[:-1])
        return x, panel

    @abstractmethod
    def _load_panel(
        self, w: Array, sample: Array | None, instance: Instance, ranges: tuple[Array, Array] | None
    ) -> Any: ...

    @abstractmethod
    def _matmul(self, key: Array, x: Array, panel: Any) -> Array: ...

    @abstractmethod
    def _detected_electrons(self, x: Array, panel: Any) -> Array: ...

    @abstractmethod
    def _matmul_reference(self, key: Array, x: Array, w: Array, panel: Any, instance: Instance) -> Array: ...

    # What it is ------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def inputs(self) -> int:
        """Fan-in: inputs that one output sums in one tile."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Fan-out: outputs of one tile."""

    @property
    @abstractmethod
    def passes(self) -> int:
        """Symbols that one vector takes on one tile."""

    @property
    def rotates(self) -> bool:
        """Whether the contraction axis of the operands is rotated before they are encoded (`encoding.rotate`)."""
        return self.can_rotate and self.encoding.rotate  # pyright: ignore[reportAttributeAccessIssue]

    @property
    def can_rotate(self) -> bool:
        """Whether the family has a switch `encoding.rotate`."""
        return hasattr(getattr(self, "encoding", None), "rotate")

    @property
    def holds_weights(self) -> bool:
        """Whether weights stand on a panel; an engine that does not stream both operands holds nothing."""
        return True

    @property
    @abstractmethod
    def reload_time_s(self) -> Scalar:
        """Time to write one panel [s]; 0 where weights are streamed."""

    @property
    @abstractmethod
    def power_max_w(self) -> Scalar:
        """Optical power that one source can give [W]."""

    def macs_per_s(self) -> Scalar:
        """Logical multiply-accumulates of one engine that never pauses: inputs outputs f / passes [1/s]."""
        return self.operating_point.symbol_rate_hz / self.passes * self.inputs * self.outputs

    def removals(self) -> list[tuple[str, dict[str, Any]]]:
        """What keeps the brightest engine from being exact: causes, and the values that remove each, in order."""
        return []

    # The light and its noise -----------------------------------------------------------------------------------

    @abstractmethod
    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on a detector."""

    @abstractmethod
    def link_budget(self) -> list["LinkStep"]:
        """Where the light of one source goes, on its way to one detector."""

    @abstractmethod
    def noise_budget(self) -> list["NoiseTerm"]:
        """Variance of one tile's output by origin for typical operands, largest first; see `photonics.noise_budget`."""

    @abstractmethod
    def typical_signal_electrons(self) -> float:
        """Rms signal of one output for the operands of `noise_budget` [electrons]."""

    # What it costs ---------------------------------------------------------------------------------------------

    @abstractmethod
    def count(self, contraction: "Contraction") -> "Tally":
        """How often things happen on this engine for all matrices of one record of the work."""

    @abstractmethod
    def standing_power_w(self) -> dict[str, Scalar]:
        """Power by part, whether or not vectors are shown, before the loss of the power supply [W]."""

    @abstractmethod
    def event_energy_j(self, tally: "Tally") -> dict[str, Scalar]:
        """Energy by part of what is counted, before the loss of the power supply, loads of panels left out [J]."""

    def load_energy_j(self) -> Scalar:
        """Energy of writing one panel, the weights' way from memory left out [J]; 0 where weights are streamed."""
        return 0.0

    @abstractmethod
    def weight_byte(self) -> float:
        """Bytes of one weight in memory."""

    def enob(self) -> Scalar | None:
        """Effective bits of the ADC; None where there is none."""
        adc = getattr(self, "adc", None)
        return None if adc is None else adc.enob()

    def conversion_rate_hz(self) -> Scalar:
        """Conversions of one ADC per second [Hz]."""
        return self.operating_point.symbol_rate_hz

    @abstractmethod
    def launched_power_w(self) -> Scalar:
        """Optical power of all sources, for typical operands [W]."""

    def areas_m2(self) -> dict[str, float]:
        """Area of the chip by part [m^2]; empty where none is published."""
        return {}

    def cost(
        self,
        work: "Work",
        panels: "Deployment" = "resident",
        digital: Sequence[str] = (),
        dynamic: Sequence[str] = (),
    ) -> "Cost":
        """Energy, time and use of hardware for some work; see `photonics.cost.cost`."""
        return costs.cost(self, work, panels=panels, digital=digital, dynamic=dynamic)

    def power_budget(self) -> dict[str, Scalar]:
        """Power at the wall by part of this engine, showing full vectors without a pause [W]."""
        return costs.power_budget(self)

    # What there is to know -------------------------------------------------------------------------------------

    @abstractmethod
    def explain(
        self,
        work: "Work | None" = None,
        *,
        sample: Array | None = None,
        w: Any = None,
        chosen: Sequence[str] = (),
    ) -> "Explanation":
        """Link, noise and power budgets as data, with warnings about settings that waste or limit; `photonics.explain`.

        With `sample` (..., k) and `w` (k, n) the use of the converter's range is measured instead of estimated; with
        `work` the panels that stay partly empty are named; of the dotted paths in `chosen` it is said why they have no
        effect, if they have none.
        """

    def parameters(self) -> list["Parameter"]:
        """Every value with its unit and meaning; sources are in the catalogue (`photonics.catalogue`)."""
        return budgets.parameters(self)
