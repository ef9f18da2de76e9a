"""The settings at which the optical model is evaluated: the sweep, and what is switched off to find its plateau."""

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photonics.engine import Engine

# The variance of shot noise relative to the signal falls with the power, that of readout noise with its square.
_BRIGHTER = 1e4
# What changes between products without touching encoded weights.
_BEHIND_PANELS = ("operating_point.laser_power_w", "source.rin", "adc.")

LIGHT, INTENSITY, CONVERTERS, RESIDUALS, ROUNDING = (
    "shot and readout noise",
    "source intensity noise",
    "ADC noise beyond rounding",
    "residual errors of elements, rails and crosstalk",
    "rounding, clipping and the rest",
)
"""What may set the plateau, in the order in which it is switched off; the last is what remains."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One state of the engine in which the model is evaluated.

    Attributes:
        label: name of the stored point.
        title: what it is, for people.
        changes: fields of the engine by dotted path, other than those of the engine as asked for.
        laser_power_w: for a point of the sweep, its power; None for a state that only explains the plateau.
        removed: for such a state, the cause that is absent here and present in the state before.
    """

    label: str
    title: str
    changes: dict[str, Any]
    laser_power_w: float | None = None
    removed: str | None = None

    @property
    def reaches_panels(self) -> bool:
        """Whether the weights have to be encoded anew."""
        return not all(path.startswith(_BEHIND_PANELS) for path in self.changes)

    def apply(self, engine: "Engine") -> "Engine":
        """The engine in this state."""
        return engine.replace(**self.changes)


def _same_structure(engine: "Engine", path: str, value: Any) -> bool:
    import jax

    return jax.tree.structure(engine.replace(**{path: value})) == jax.tree.structure(engine)


def sweep(powers_w: tuple[float, ...]) -> list[Setting]:
    """One setting per laser power, in the order given."""
    return [
        Setting(f"power-{power_w!r}", f"{power_w * 1e3:.4g} mW", {"operating_point.laser_power_w": power_w}, power_w)
        for power_w in powers_w
    ]


def explanations(engine: "Engine", power_w: float) -> list[Setting]:
    """States that switch off, one after the other, what keeps the highest power from being exact.

    The last has neither noise nor residual errors: rounding and clipping, and on some engines errors that only a switch
    removes. Causes that the engine does not have are left out. Errors in the panels go last.
    """
    changes: dict[str, Any] = {"operating_point.laser_power_w": power_w * _BRIGHTER}
    steps: list[tuple[str, dict[str, Any]]] = [(LIGHT, {})]
    for cause, more in engine.removals():
        # What would compile anew (a switch instead of a value) stays, and counts among the rest.
        kept = {path: value for path, value in more.items() if _same_structure(engine, path, value)}
        if kept:
            steps.append((cause, kept))
    settings = []
    for index, (cause, more) in enumerate(steps):
        changes = changes | more
        settings.append(Setting(f"without-{index}", f"without {cause}", changes, removed=cause))
    return settings
