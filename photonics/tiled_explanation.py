"""An engine of tiles explained: its budgets as data, and the few remarks that hold for every family."""

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import jax.numpy as jnp

from photonics import operands
from photonics.explanation import Electrons, Explanation
from photonics.remarks import Warning_

if TYPE_CHECKING:
    from photonics.tiled_engine import TiledEngine
    from photonics.work import Work

# A part of the power that is this small is no reason to look for savings elsewhere.
_MOST = 0.5


def explain(engine: "TiledEngine", *, work: "Work | None" = None, chosen: Collection[str] = ()) -> Explanation:
    """Budgets of an engine at its operating point; see `Explanation`. Concrete engines only, no tracers."""
    del chosen
    at = engine.operating_point
    noise = tuple(engine.noise_budget())
    power_w = {part: float(watt) for part, watt in engine.power_budget().items()}
    signal, deviation = engine.typical_signal_electrons(), math.sqrt(sum(term.variance_electrons2 for term in noise))
    snr_db = 20 * math.log10(signal / deviation) if deviation and signal else None
    full_scale, levels = engine.typical_full_scale_electrons(), engine.adc_levels()
    return Explanation(
        engine=engine.name,
        laser_power_w=float(at.laser_power_w),
        symbol_rate_hz=float(at.symbol_rate_hz),
        link=tuple(engine.link_budget()),
        noise=noise,
        power_w=dict(sorted(power_w.items(), key=lambda item: -item[1])),
        electrons=Electrons(
            signal_rms=signal,
            noise_rms=deviation,
            full_scale=full_scale,
            lsb=full_scale / levels if levels else 0.0,
            per_joule=float(engine.electrons_per_joule()),
        ),
        snr_db=snr_db,
        effective_bits=None if snr_db is None else (snr_db - 1.76) / 6.02,
        photons_per_mac=photons_per_mac(engine),
        absorbed_w=None,
        filling=None,
        fill=None if work is None else filled(engine, work),
        warnings=tuple(_remarks(engine, noise, power_w)),
    )


def photons_per_mac(engine: "TiledEngine") -> float:
    """Photoelectrons per multiply-accumulate of one full tile of typical operands."""
    rows, n = engine.inputs, engine.outputs
    vector = jnp.asarray(operands.typical(rows), jnp.float32)
    # Columns that are shifted against the drives are as good as independent of them.
    w = jnp.stack([jnp.roll(vector, 1 + shift * max(rows // n, 1)) for shift in range(n)], axis=1)
    panel = engine.load_panel(w)
    return float(engine.detected_electrons(vector[None], panel)) / (rows * n)


def filled(engine: "TiledEngine", work: "Work") -> float | None:
    """Share of the multiply-accumulates of full tiles that the weight products of some work use; None for none."""
    used = offered = 0
    for one in work:
        if one.weights and one.macs:
            tiles = math.ceil(one.k / engine.inputs) * math.ceil(one.n / engine.outputs)
            used += one.macs
            offered += one.macs // (one.k * one.n) * tiles * engine.inputs * engine.outputs
    return used / offered if offered else None


def _remarks(engine: "TiledEngine", noise: tuple, power_w: dict[str, float]) -> list[Warning_]:
    found = []
    laser_w, most_w = float(engine.operating_point.laser_power_w), float(engine.power_max_w)
    if laser_w > most_w:
        found.append(
            Warning_(
                "source-power",
                "warning",
                "operating_point.laser_power_w",
                f"one source would have to give {laser_w:g} W; the part gives at most {most_w:g} W",
            )
        )
    total_w = sum(power_w.values())
    for part, watt in power_w.items():
        if total_w and watt > _MOST * total_w:
            message = f"{part} takes {100 * watt / total_w:.0f} % of the power: the other parts hardly matter"
            found.append(Warning_("one-part-takes-most", "note", part, message))
    if noise and noise[0].share > _MOST:
        message = f"{noise[0].origin} makes {100 * noise[0].share:.0f} % of the noise: the other origins hardly matter"
        found.append(Warning_("one-origin-makes-most", "note", "", message))
    return found
