"""Walls: what no better laser helps against. Panel reloads, panels for a whole model, bytes from weight memory, links.

    busy share          = M p / f / (M p / f + t_load)             panels written, then shown M vectors
    M for a busy share  = u / (1 - u) t_load f / p                 double-buffered: u t_load f / p, u at most 1
    engines             = throughput / (2 inputs outputs f)        a symbol counted as a whole product

with p passes for each vector at f symbols per second, and u the busy share that is wanted.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from models.hardware.optical_system import OpticalSystem, accumulator_byte
from models.hardware.workloads import panels_needed, weight_bytes
from photonics.free_space import FreeSpaceEngine

UTILISATIONS = (0.1, 0.5, 0.9)


@dataclasses.dataclass(frozen=True)
class ReloadWall:
    """Vectors that one panel has to be shown between two loads to be busy for a share of the time.

    Attributes:
        busy_share: the share.
        load_time_s: time of one panel load [s].
        vectors: least number of vectors (tokens of all prompts together).
        prompts: the same in prompts of the workload, None where it has none.
        vectors_double_buffered: with a second panel that is written meanwhile.
        load_time_needed_s: longest load that leaves this share at the workload's own batch, None without prompts [s].
    """

    busy_share: float
    load_time_s: float
    vectors: float
    prompts: float | None
    vectors_double_buffered: float
    load_time_needed_s: float | None


def busy_share(vectors: float, passes: int, symbol_rate_hz: float, load_time_s: float) -> float:
    """Share of the time in which a panel shows vectors that is loaded, shown `vectors`, and loaded again."""
    shown_s = vectors * passes / symbol_rate_hz
    return shown_s / (shown_s + load_time_s)


def reload_walls(
    load_time_s: float, passes: int, symbol_rate_hz: float, tokens: int, batch: int
) -> tuple[ReloadWall, ...]:
    """What 10, 50 and 90 % busy panels ask for, at prompts of `tokens` tokens, `batch` at once; 0 without prompts."""
    symbol_s = passes / symbol_rate_hz
    return tuple(
        ReloadWall(
            busy_share=share,
            load_time_s=load_time_s,
            vectors=share / (1.0 - share) * load_time_s / symbol_s,
            prompts=share / (1.0 - share) * load_time_s / symbol_s / tokens if tokens else None,
            vectors_double_buffered=share * load_time_s / symbol_s,
            load_time_needed_s=(1.0 - share) / share * tokens * batch * symbol_s if tokens else None,
        )
        for share in UTILISATIONS
    )


def engines_for(ops_per_s: float, engine: FreeSpaceEngine) -> float:
    """Engines whose peak is `ops_per_s`, a symbol counted as a whole product; not rounded up."""
    return ops_per_s / (2.0 * engine.inputs * engine.outputs * float(engine.operating_point.symbol_rate_hz))


def walls(
    system: OpticalSystem, values: Mapping[str, Any], target_ops_per_s: float, tokens: int, batch: int
) -> dict[str, Any]:
    """Everything that stands in the way at one point of the roadmap; plain numbers, SI units.

    Engines that deliver the target are counted at what the workload gets. `weight_byte_per_s` is the traffic of all
    of them together from their weight memories; `link_byte_per_s_at_full_rate` what one engine receives and sends if
    it never waits, beside what its links carry. `accumulator_byte` are the partial sums of one engine between two
    tiles of the product that has most, beside what the memory near it holds. `absorbed_power_w` is the light that heats
    one panel, beside what it bears; nothing is slowed by it.
    """
    figures, engine = system.figures(values), system.lit_engine(values)
    ops = 2.0 * float(system.work.macs)
    engine_ops_per_s = float(figures.ops_per_j) * float(figures.engine_power_w)
    rate_hz, load_s = float(figures.symbol_rate_hz), float(figures.load_time_s)
    around = {**values, **system.held}
    into, out_of = (float(one) for one in system.link_bytes())
    shown_s = float(system.shown_s(rate_hz))
    loads = float(figures.load_share) > 0.0
    fetched = weight_bytes(system.work, engine.panel.bits) if loads else 0.0
    panels = panels_needed(system.work, engine.inputs, engine.outputs) * engine.encoding.panels
    # Panels that stay loaded are all there, however little is asked of them.
    needed = target_ops_per_s / engine_ops_per_s
    engines = needed if loads else max(needed, panels)
    return {
        "reload": [dataclasses.asdict(one) for one in reload_walls(load_s, engine.passes, rate_hz, tokens, batch)],
        "busy_share": float(figures.busy_share),
        "engines_at_peak": engines_for(target_ops_per_s, engine),
        "engines_at_peak_whole": math.ceil(engines_for(target_ops_per_s, engine) - 1e-9),
        "engines_delivering": engines,
        "power_delivering_w": engines * float(figures.engine_power_w),
        "panels_resident": panels,
        "reloads": loads,
        "link_share": float(figures.link_share),
        "weight_byte_per_batch": fetched,
        "weight_byte_per_s": fetched * target_ops_per_s / ops,
        "link_byte_per_s_at_full_rate": max(into, out_of) / shown_s,
        "link_byte_per_s": float(around["links.bytes_per_s"]),
        "accumulator_byte": max(
            (float(accumulator_byte(engine, one)) for one in system.work if one.weights), default=0.0
        ),
        "accumulator_near_byte": float(around["accumulators.near_byte"]),
        "accumulator_share": float(figures.accumulator_share),
        "absorbed_power_w": float(figures.absorbed_power_w),
        "absorbed_power_max_w": float(engine.panel.absorbed_power_max_w),
    }


def utilisation_grid(
    system: OpticalSystem, values: Mapping[str, Any], load_times_s: Sequence[float], batches: Mapping[int, Any]
) -> list[dict[str, float]]:
    """Busy share and delivered TOPS/W for each reload time and each batch (its work by number of prompts).

    Time of a load as written, the rest at `values`; one compiled call for each batch.
    """
    times = np.asarray(load_times_s, np.float32)
    rows = []
    for batch, work in batches.items():
        of_batch = dataclasses.replace(system, work=work)

        def figures(time_s: jax.Array, of_batch: OpticalSystem = of_batch) -> tuple[Any, Any]:
            found = of_batch.figures({**values, "panel.reload_time_s": time_s})
            return found.busy_share, found.ops_per_j

        busy, ops_per_j = jax.jit(jax.vmap(figures))(times)
        rows += [
            {"reload_time_s": float(t), "batch": batch, "busy_share": float(b), "tops_per_w": float(o) / 1e12}
            for t, b, o in zip(times, busy, ops_per_j, strict=True)
        ]
    return rows
