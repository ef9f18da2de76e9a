"""An engine of tiles explained: its budgets as data, and the few remarks that hold for every family."""

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import jax.numpy as jnp

from photonics import operands
from photonics.explanation import Electrons, Explanation
from photonics.remarks import FILL_MIN, Warning_, fill_share, idle

if TYPE_CHECKING:
    from photonics.tiled_engine import TiledEngine
    from photonics.work import Work


def explain(engine: "TiledEngine", *, work: "Work | None" = None, chosen: Collection[str] = ()) -> Explanation:
    """Budgets of an engine at its operating point; see `Explanation`. Concrete engines only, no tracers."""
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
        fill=None if work is None else fill_share(engine, work),
        warnings=tuple(_remarks(engine, work, snr_db, chosen)),
    )


# Outputs share the light of their tile alike, so a few stand for all.
_COLUMNS = 64


def photons_per_mac(engine: "TiledEngine") -> float:
    """Photoelectrons per multiply-accumulate of one full tile of typical operands."""
    rows, n = engine.inputs, min(engine.outputs, _COLUMNS)
    vector = jnp.asarray(operands.typical(rows), jnp.float32)
    # Columns that are shifted against the drives are as good as independent of them.
    w = jnp.stack([jnp.roll(vector, 1 + shift * max(rows // n, 1)) for shift in range(n)], axis=1)
    panel = engine.load_panel(w)
    return float(engine.detected_electrons(vector[None], panel)) / (rows * n)


def _remarks(
    engine: "TiledEngine", work: "Work | None", snr_db: float | None, chosen: Collection[str]
) -> list[Warning_]:
    """Too much light, more noise than signal, panels that stay empty, settings that nothing reads."""
    found = []
    laser_w, most_w = float(engine.operating_point.laser_power_w), float(engine.power_max_w)
    if laser_w > most_w:
        message = (
            f"{laser_w:.3g} W are asked of a source that gives at most {most_w:.3g} W: lower the laser power by "
            f"{laser_w / most_w:.3g} times, or take another source."
        )
        found.append(Warning_("source_above_limit", "warning", "operating_point.laser_power_w", message))
    if snr_db is not None and snr_db < 0.0:
        message = f"The noise of a typical output is above its signal ({snr_db:.1f} dB): more light, or less noise."
        found.append(Warning_("noise_above_signal", "warning", "operating_point.laser_power_w", message))
    fill = None if work is None else fill_share(engine, work)
    if fill is not None and fill < FILL_MIN:
        message = (
            f"The work fills {fill:.0%} of the products that its passes compute ({engine.inputs} x {engine.outputs})."
        )
        found.append(Warning_("unfilled_panels", "warning", "", message))
    found += idle(engine, chosen)
    return sorted(found, key=lambda remark: remark.severity == "note")
