"""What an explained engine comes down to, as data: budgets, one conversion in electrons, and remarks."""

import dataclasses
import math
from typing import Any

from photonics.budgets import LinkStep
from photonics.noise_budget import NoiseTerm
from photonics.remarks import Filling, Warning_


@dataclasses.dataclass(frozen=True)
class Electrons:
    """One output of a full tile of typical operands, counted in photoelectrons.

    Attributes:
        signal_rms: the output.
        noise_rms: everything in it that is not signal, static errors included.
        full_scale: half of the range of one converter, which with digits, offsets or a conversion for each pass sees
            another signal than the output; what it would be, for an ideal converter.
        lsb: one step of its code.
        per_joule: photoelectrons per joule of light on a detector.
    """

    signal_rms: float
    noise_rms: float
    full_scale: float
    lsb: float
    per_joule: float


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What `Engine.explain` returns.

    Attributes:
        engine: its name.
        laser_power_w, symbol_rate_hz: its operating point.
        link: light of one source on its way to one detector.
        noise: variance of one output by origin, largest first.
        power_w: power at the wall by part [W], largest first.
        electrons: signal, noise and converter steps.
        snr_db: 20 log10(signal rms / noise rms); None without noise.
        effective_bits: (snr_db - 1.76) / 6.02, the bits of an ideal converter that gives a full-scale sine this ratio;
            None without noise.
        photons_per_mac: photoelectrons per logical multiply-accumulate, all rails and passes.
        absorbed_w: light that the panel turns into heat [W], for typical operands, all losses of the lenses counted
            behind it; an upper bound. None where there is no panel in the light.
        filling: use of the converter's range; None for an ideal converter.
        fill: share of the lit pixels that the work uses; None without work.
        warnings: remarks, warnings before notes.
    """

    engine: str
    laser_power_w: float
    symbol_rate_hz: float
    link: tuple[LinkStep, ...]
    noise: tuple[NoiseTerm, ...]
    power_w: dict[str, float]
    electrons: Electrons
    snr_db: float | None
    effective_bits: float | None
    photons_per_mac: float
    absorbed_w: float | None
    filling: Filling | None
    fill: float | None
    warnings: tuple[Warning_, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, lists, texts and finite numbers; what is not finite is None."""
        return _plain(dataclasses.asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
