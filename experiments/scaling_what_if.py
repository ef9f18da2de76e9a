"""What would change the answer: one decision of the scenario at a time, at the median of the year."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.scaling_model import Model, light_of, work_of
from models.hardware.optical_system import OpticalSystem
from models.hardware.workloads import DENSE

if TYPE_CHECKING:
    from experiments.scaling_request import ScalingRequest

RELOAD, RATE = "panel.reload_time_s", "operating_point.symbol_rate_hz"
FAST_RELOAD_S = 1e-6
PROMPTS = 64
_LOOSER = 2.0
_RATES = 41


@dataclasses.dataclass(frozen=True)
class _Change:
    """One decision: in words, what it does to the machine, and parameters that it fixes.

    One that stands `alone` was chosen for the scenario as it is, and is no part of all changes together.
    """

    words: str
    change: Callable[[OpticalSystem], OpticalSystem]
    values: dict[str, float] = dataclasses.field(default_factory=dict)
    alone: bool = False


def what_if(request: "ScalingRequest", model: Model) -> list[dict[str, Any]]:
    """Delivered and peak TOPS/W at the median for each change, and for all of them together.

    Changes that the scenario has already, or that its workload does not know, are left out. None of them is a
    prediction: they say how much of the answer is a choice.
    """
    changes = list(_changes(request, model))
    rows = [_row("as it is", model, model.system, {})]
    rows += [_row(one.words, model, one.change(model.system), one.values) for one in changes]
    together, values = model.system, {}
    joined = [one for one in changes if not one.alone]
    for one in joined:
        together, values = one.change(together), {**values, **one.values}
    if len(joined) > 1:
        words = "all of these" if len(joined) == len(changes) else "all of these but the symbol rate"
        rows.append(_row(words, model, together, values))
    for row in rows:
        row["factor"] = row["tops_per_w"] / rows[0]["tops_per_w"]
    return rows


def _changes(request: "ScalingRequest", model: Model) -> Iterator[_Change]:
    system, config = model.system, request.config
    batched = model.request.model != DENSE
    figures = system.figures(model.values)
    loads, load_s = float(figures.load_share) > 0, float(system.lit_engine(model.values).reload_time_s)
    if batched and model.request.batch < PROMPTS:
        work = work_of(model.request, system.engine, PROMPTS)
        yield _Change(f"{PROMPTS} prompts at once", lambda one: dataclasses.replace(one, work=work))
    if loads and load_s > FAST_RELOAD_S * 1.001:
        yield _Change(f"panels written in {FAST_RELOAD_S * 1e6:g} us", lambda one: one, {RELOAD: FAST_RELOAD_S})
    if loads and system.idle == "lit":
        yield _Change("lasers dark while panels are written", lambda one: dataclasses.replace(one, idle="dark"))
    if RATE in model.values:
        rate_hz = _best_rate_hz(model)
        words = f"the symbol rate that is best for the workload, {rate_hz / 1e9:.2g} GHz"
        yield _Change(words, lambda one: one, {RATE: rate_hz}, alone=True)
    if system.engine.source.modulation == "external":
        yield _Change("lasers modulated by their own current", _directly_modulated)
    if config.photons == "per-mac" and request.need.inputs_per_tile:
        light = light_of(request.need, "per-dot-product")
        yield _Change("constant photons per dot product (1/d)", lambda one: dataclasses.replace(one, light=light))
    looser = request.need_at(config.kl_nats * _LOOSER)
    if looser is not None:
        lesser = light_of(looser, config.photons)
        words = f"a divergence of {config.kl_nats * _LOOSER:g} nats instead of {config.kl_nats:g}"
        yield _Change(words, lambda one: dataclasses.replace(one, light=_as_held(lesser, one)))


def _best_rate_hz(model: Model) -> float:
    """The symbol rate, up to that of the median, with most operations per joule: idle light may be worth less speed."""
    rates_hz = float(model.values[RATE]) * np.logspace(-2.0, 0.0, _RATES)
    delivered = jax.jit(jax.vmap(lambda rate_hz: model.system.log_ops_per_j({**model.values, RATE: rate_hz})))
    return float(rates_hz[int(jnp.argmax(delivered(jnp.asarray(rates_hz, jnp.float32))))])


def _directly_modulated(system: OpticalSystem) -> OpticalSystem:
    return dataclasses.replace(system, engine=system.engine.replace(**{"source.modulation": "direct"}))


def _as_held(light: Any, system: OpticalSystem) -> Any:
    return dataclasses.replace(light, held=system.light.held)


def _row(words: str, model: Model, system: OpticalSystem, values: dict[str, float]) -> dict[str, Any]:
    fixed: dict[str, Array] = {path: jnp.asarray(value, jnp.float32) for path, value in values.items()}
    figures = system.figures({**model.values, **fixed})
    return {
        "change": words,
        "tops_per_w": float(figures.ops_per_j) / 1e12,
        "peak_tops_per_w": float(figures.peak_ops_per_j) / 1e12,
        "busy_share": float(figures.busy_share),
        "laser_power_w": float(figures.laser_power_w),
        "symbol_rate_hz": float(figures.symbol_rate_hz),
    }
