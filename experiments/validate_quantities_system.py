"""Throughput, power, area and what follows from them, as quantities of `exalight validate`; see `validate_quantities`.

All of them read an engine through what every family offers: `macs_per_s`, `power_budget`, `areas_m2`, `cost`.
"""

import math
from typing import Any

from experiments.errors import RequestError
from photonics.schema import nearest
from photonics.work import Contraction, Work


def throughput(engine: Any, *, engines: int) -> float:
    """2 macs_per_s [op/s]."""
    return 2.0 * float(engine.macs_per_s()) * engines


def engines_needed(engine: Any, *, throughput_op_per_s: float) -> float:
    """Throughput over that of one engine, not rounded."""
    return throughput_op_per_s / throughput(engine, engines=1)


def power(engine: Any, *, engines: int, part: str | None) -> float:
    """Power budget of engines that never pause, or of parts of it, at the wall [W]."""
    budget = {name: float(power_w) for name, power_w in engine.power_budget().items()}
    return engines * _share(budget, part, "power budget")


def area(engine: Any, *, part: str | None) -> float:
    """Published areas added up [m^2]."""
    areas = engine.areas_m2()
    if not areas:
        raise RequestError(f"no area is published for {engine.name}")
    return _share(areas, part, "areas")


def tops_per_w(engine: Any, *, engines: int, power_w: float | None, part: str | None) -> float:
    """Operations per joule in 1e12."""
    return 1e-12 / energy_per_op(engine, engines=engines, power_w=power_w, part=part)


def energy_per_op(engine: Any, *, engines: int, power_w: float | None, part: str | None) -> float:
    """Power over throughput [J]."""
    used_w = power(engine, engines=engines, part=part) if power_w is None else power_w
    return used_w / throughput(engine, engines=engines)


def energy_per_mac(
    engine: Any, *, inputs: int | None, outputs: int | None, vectors: int, panels: int | None, part: str | None
) -> float:
    """Energy of one MAC of a weight matrix [J]: `Engine.cost`, at the wall.

    With `panels` the matrix is cut into tiles and each engine writes its share; one tile more than panels is shown, so
    that they have to be reloaded.
    """
    k, n = inputs or engine.inputs, outputs or engine.outputs
    copies = 1 if panels is None else panels + 1
    work = Work((Contraction(name="", batch=copies, m=vectors, k=k, n=n, count=1, weights=True),))
    cost = engine.cost(work, panels="resident" if panels is None else panels)
    parts = {name: float(energy_j) for name, energy_j in cost.energy_j.items()}
    return _share(parts, part, "energies") / cost.macs


def energy_advantage(engine: Any, *, digital_j_per_mac: float, **matrix: Any) -> float:
    """Digital over optical energy per MAC."""
    return digital_j_per_mac / energy_per_mac(engine, **matrix)


def energy_per_output(engine: Any, *, power_w: float, throughput_op_per_s: float) -> float:
    """Energy that a system has for one output of one tile: 2 K P / throughput [J]."""
    return 2.0 * engine.inputs * power_w / throughput_op_per_s


def power_per_weight(engine: Any, *, power_w: float | None) -> float:
    """Power over inputs times outputs [W]."""
    used_w = power(engine, engines=1, part=None) if power_w is None else power_w
    return used_w / (engine.inputs * engine.outputs)


def panels_needed(engine: Any, *, model_weights: float) -> float:
    """Weights over those of one panel, not rounded: as if every matrix filled its panels."""
    return model_weights / (engine.inputs * engine.outputs)


def reloads(engine: Any, *, model_weights: float, engines: int) -> float:
    """Panels for each engine."""
    return panels_needed(engine, model_weights=model_weights) / engines


def reload_utilisation(engine: Any, *, model_weights: float, engines: int, vectors: int) -> float:
    """`Cost.utilisation` of matrices that fill their panels, reloaded for each pass: M p / (M p + f t)."""
    panels = math.ceil(panels_needed(engine, model_weights=model_weights))
    matrix = Contraction(name="", batch=panels, m=vectors, k=engine.inputs, n=engine.outputs, count=1, weights=True)
    return float(engine.cost(Work((matrix,)), panels=engines).utilisation)


def speedup(
    engine: Any,
    *,
    model_weights: float,
    tokens: int,
    digital_op_per_s: float,
    memory_byte_per_s: float,
    weight_byte: float,
    engines: int,
) -> float:
    """Roofline: max(ops / digital rate, bytes / bandwidth) over max(ops / optical rate, bytes / bandwidth).

    ops = 2 weights tokens, bytes = weights weight_byte. Left out: attention, key-value cache, latency, panel loads.
    """
    ops, memory_s = 2.0 * model_weights * tokens, model_weights * weight_byte / memory_byte_per_s
    optical_s = max(ops / throughput(engine, engines=engines), memory_s)
    return max(ops / digital_op_per_s, memory_s) / optical_s


def _share(parts: dict[str, float], chosen: str | None, what: str) -> float:
    """Sum of the parts named "a+b", of all without a name; RequestError for one that there is not."""
    if chosen is None:
        return math.fsum(parts.values())
    names = [name.strip() for name in chosen.split("+")]
    for name in names:
        if name not in parts:
            raise RequestError(
                f"argument part is {chosen!r}; the {what} have no {name!r}, the nearest is {nearest(name, parts)!r} "
                f"(parts: {', '.join(parts)})"
            )
    return math.fsum(parts[name] for name in names)
