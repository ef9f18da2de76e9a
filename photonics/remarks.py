"""What an engine is told about its budgets: one small function for each kind of remark, with its threshold.

A new remark is a function of `Facts` that yields `Warning_`s, and its name in `CHECKS`. Thresholds are named and say
why they are where they are. The messages give the numbers and what to do.
"""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Literal

from photonics.settings_in_use import Unused, reason, unused_settings
from photonics.units import ELEMENTARY_CHARGE_C

if TYPE_CHECKING:
    from photonics.engine import Engine
    from photonics.free_space import FreeSpaceEngine
    from photonics.work import Work

# A converter whose bits were this much fewer would add a tenth to the noise of everything else: 0.4 dB.
SPARE_VARIANCE_SHARE = 0.1
# One code in a thousand clips: in a vector of 1,024 outputs, one output of every vector is wrong by its excess.
CLIPPED_SHARE_MAX = 1e-3
# Normal signals stay within 4 rms (6e-5 do not). Rms below a sixteenth of full scale leaves two whole bits unused.
RMS_OVER_FULL_SCALE_MIN = 1 / 16
REACH_RMS = 4.0
# From about 20 electrons up the Gaussian noise of the fast path agrees with Poisson counts (docs/physics.md).
ELECTRONS_MIN = 20.0
# Under half of the panel in use, an engine of half the size would do the same work.
FILL_MIN = 0.5
# Thermal noise, jitter and distortion always take something; how much at least is not stated here, because it is from
# memory that published parts lose half a bit or more.
ENOB_LOSS_MIN = 0.0
# Noise beyond rounding 15 times rounding itself (4^2 - 1): the bits below carry the converter's own noise.
ENOB_LOSS_MAX = 2.0

# A photodiode at a share s of its saturation loses about 2 s of its small-signal gain. A calibrated machine takes
# that out, and a tenth of s in what varies bends products: a hundredth, as large as the pixel errors of the catalogue.
SATURATION_MAX = 0.1
# Where saturation is modelled nothing here calibrates the gain out, so a hundredth is an error of two hundredths.
MODELLED_SATURATION_MAX = 0.01
# Half a step of an 8-bit operand, 1 / 254.
LEAK_MAX = 0.004
# Remarks on settings that nothing reads, of which any engine has some: alternatives that were not chosen.
IDLE_CODES = ("no_effect", "costs_without_effect")

Severity = Literal["note", "warning"]


@dataclasses.dataclass(frozen=True)
class Warning_:
    """One remark on an engine.

    Attributes:
        code: what kind of remark, a fixed slug.
        severity: "warning" for what spoils a result or cannot be built, "note" for what is merely wasted or idle.
        path: dotted path of the setting that it is about.
        message: one sentence with the numbers and what to do.
    """

    code: str
    severity: Severity
    path: str
    message: str


@dataclasses.dataclass(frozen=True)
class Filling:
    """How the signal of one conversion fills the range of the converter.

    Attributes:
        full_scale_over_rms: full scale (half range) over rms signal; infinite without any signal.
        clipped_share: share of conversions that clip.
        measured: whether from a sample and weights, or for normal signals.
    """

    full_scale_over_rms: float
    clipped_share: float
    measured: bool


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the checks read.

    Attributes:
        engine: the engine.
        noise: variance of one conversion by origin [electrons^2].
        power_w: power at the wall by part [W].
        signal_electrons: rms signal of one output [electrons].
        diode_electrons: photoelectrons of one photodiode in one pass.
        pass_electrons: largest difference of the rails that a receiver has to follow in one pass [electrons].
        absorbed_w: light that the panel absorbs [W].
        filling: use of the converter's range, None for an ideal converter.
        work: what the engine shall do, if that is known.
        chosen: settings that somebody chose for this engine.
    """

    engine: "FreeSpaceEngine"
    noise: dict[str, float]
    power_w: dict[str, float]
    signal_electrons: float
    diode_electrons: float
    pass_electrons: float
    absorbed_w: float
    filling: Filling | None
    work: "Work | None"
    chosen: Collection[str]


Check = Callable[[Facts], Iterator[Warning_]]


def remarks(facts: Facts) -> tuple[Warning_, ...]:
    """All remarks on an engine, warnings before notes, otherwise in the order of `CHECKS`."""
    found = [remark for check in CHECKS for remark in check(facts)]
    return tuple(sorted(found, key=lambda remark: remark.severity == "note"))


def source_above_limit(facts: Facts) -> Iterator[Warning_]:
    """More light than the source can give."""
    power_w = float(facts.engine.operating_point.laser_power_w)
    limit_w = float(facts.engine.source.power_max_w)
    if power_w > limit_w:
        yield Warning_(
            "source_above_limit",
            "warning",
            "operating_point.laser_power_w",
            f"{power_w:.3g} W are asked of a source that gives at most {limit_w:.3g} W (source.power_max_w): "
            f"lower the laser power by {power_w / limit_w:.3g} times, or take another source.",
        )


def panel_too_hot(facts: Facts) -> Iterator[Warning_]:
    """More light absorbed than the panel stands."""
    limit_w = float(facts.engine.panel.absorbed_power_max_w)
    if facts.absorbed_w > limit_w:
        yield Warning_(
            "panel_too_hot",
            "warning",
            "panel.absorbed_power_max_w",
            f"The panel absorbs {facts.absorbed_w:.3g} W of light and stands {limit_w:.3g} W "
            f"(panel.absorbed_power_max_w): lower the laser power by {facts.absorbed_w / limit_w:.3g} times.",
        )


def few_electrons(facts: Facts) -> Iterator[Warning_]:
    """So little light that counts are visibly not Gaussian."""
    encoding = facts.engine.encoding
    electrons = facts.diode_electrons * encoding.rails * encoding.passes_per_conversion
    if facts.engine.photodetector.shot_noise and electrons < ELECTRONS_MIN:
        yield Warning_(
            "few_electrons",
            "warning",
            "operating_point.laser_power_w",
            f"One conversion counts {electrons:.3g} photoelectrons; below {ELECTRONS_MIN:g} the Gaussian noise of "
            "the fast path is not the Poisson law: raise the laser power, or use matmul_reference.",
        )


def saturation(facts: Facts) -> Iterator[Warning_]:
    """Signals beyond what receivers can swing, light beyond what photodiodes follow, modelled or not."""
    engine, at = facts.engine, facts.engine.operating_point
    limit = float(engine.receiver.limit_electrons(at))
    if 0 < limit < facts.pass_electrons:
        yield Warning_(
            "receiver_saturates",
            "warning",
            "receiver.output_swing_v",
            f"Signals of one pass reach {facts.pass_electrons:.3g} electrons, and the receiver swings to {limit:.3g}: "
            f"lower its gain or the laser power by {facts.pass_electrons / limit:.3g} times"
            f"{_unless(engine.readout.saturates, 'readout.saturates')}.",
        )
    detector = engine.photodetector
    saturation_electrons = float(detector.saturation_current_a) / ELEMENTARY_CHARGE_C / float(at.symbol_rate_hz)
    share = facts.diode_electrons / saturation_electrons if saturation_electrons else 0.0
    if detector.shot_noise and share > (MODELLED_SATURATION_MAX if detector.saturates else SATURATION_MAX):
        yield Warning_(
            "photodiode_saturates",
            "warning",
            "photodetector.saturation_current_a",
            f"A photodiode collects {facts.diode_electrons:.3g} electrons a pass, {share:.1%} of its saturation: "
            f"lower the laser power or take larger photodiodes"
            f"{_unless(detector.saturates, 'photodetector.saturates')}.",
        )


def symbols_leak(facts: Facts) -> Iterator[Warning_]:
    """Stages too slow for the symbol rate, modelled or not; an integrating receiver has no memory."""
    engine = facts.engine
    for name, stage in (("modulator", engine.modulator), ("receiver", engine.receiver)):
        modelled = stage.settles
        slow = stage if modelled or name == "receiver" else dataclasses.replace(stage, settling=True)
        share = float(slow.leak(engine.operating_point)) if slow.settles else 0.0
        if share > LEAK_MAX:
            yield Warning_(
                "symbols_leak",
                "warning",
                f"{name}.bandwidth_hz",
                f"{share:.2%} of every symbol that leaves the {name} belongs to the one before: raise "
                f"{name}.bandwidth_hz or lower the symbol rate; below {LEAK_MAX:.1%} it is half a step of 8 bits."
                + _unless(modelled, f"{name}.settling"),
            )


def noise_above_signal(facts: Facts) -> Iterator[Warning_]:
    """Noise that drowns the signal."""
    noise = math.sqrt(sum(facts.noise.values()))
    if noise >= facts.signal_electrons and noise > 0:
        largest = max(facts.noise, key=lambda origin: facts.noise[origin])
        yield Warning_(
            "noise_above_signal",
            "warning",
            "operating_point.laser_power_w",
            f"The noise of a conversion, {noise:.3g} electrons rms, exceeds its signal, {facts.signal_electrons:.3g}: "
            f"it takes more light, or less of {largest}, which makes {facts.noise[largest] / noise**2:.0%} of it.",
        )


def clipped_codes(facts: Facts) -> Iterator[Warning_]:
    """Converters whose range is too small for the signal."""
    filling = facts.filling
    if filling is not None and filling.clipped_share > CLIPPED_SHARE_MAX:
        path = _range_path(facts.engine)
        signals = "the sample's" if filling.measured else "normal"
        yield Warning_(
            "clipped_codes",
            "warning",
            path,
            f"{filling.clipped_share:.2%} of {signals} signals exceed the full scale of the ADC, which is "
            f"{filling.full_scale_over_rms:.3g} times their rms, and clip: raise {path} until it is above "
            f"{REACH_RMS:g} times.",
        )


def unused_range(facts: Facts) -> Iterator[Warning_]:
    """Converters whose range is mostly empty."""
    filling = facts.filling
    if filling is None or filling.full_scale_over_rms * RMS_OVER_FULL_SCALE_MIN <= 1:
        return
    path, ratio = _range_path(facts.engine), filling.full_scale_over_rms
    if math.isinf(ratio):
        message = f"There is no signal in the range of the ADC at all: look at weights, sample and {path}."
    else:
        message = (
            f"The full scale of the ADC is {ratio:.3g} times the rms signal, of which {REACH_RMS:g} times would do: "
            f"{math.log2(ratio / REACH_RMS):.1f} of {facts.engine.adc.bits} bits are never used; lower {path}."
        )
    yield Warning_("unused_range", "warning", path, message)


def idle_adc_bits(facts: Facts) -> Iterator[Warning_]:
    """ADC bits that do nothing but digitise noise that arrives with the signal."""
    adc = facts.engine.adc
    spare = _spare_bits(facts, "ADC rounding", "ADC noise beyond rounding")
    spare = min(spare, adc.bits - 2, math.floor(float(adc.enob())) - 1)
    if spare < 1:
        return
    fewer = adc.bits - spare
    now_w = facts.power_w.get("adc", 0.0)
    then_w = float(facts.engine.replace(**{"adc.bits": fewer}).power_budget().get("adc", 0.0))
    yield Warning_(
        "idle_adc_bits",
        "note",
        "adc.bits",
        f"Noise that arrives with the signal fills the last {_bits(spare)} of the ADC: adc.bits = {fewer} would add at "
        f"most {SPARE_VARIANCE_SHARE:.0%} to the variance and take {then_w:.3g} W instead of {now_w:.3g} W.",
    )


def idle_operand_bits(facts: Facts) -> Iterator[Warning_]:
    """Bits of activations or weights whose rounding is far below all other noise."""
    for origin, part, name in (("activation rounding", "dac", "DAC"), ("weight rounding", "panel", "weight panel")):
        bits = getattr(facts.engine, part).bits
        spare = min(_spare_bits(facts, origin), bits - 2)
        if spare >= 1:
            yield Warning_(
                f"idle_{part}_bits",
                "note",
                f"{part}.bits",
                f"The noise covers the last {_bits(spare)} of the {name}: {part}.bits = {bits - spare} would add at "
                f"most {SPARE_VARIANCE_SHARE:.0%} to the variance of a conversion.",
            )


def converter_noise(facts: Facts) -> Iterator[Warning_]:
    """An ADC without noise of its own, or with so much that its last bits carry nothing else."""
    adc = facts.engine.adc
    loss = float(adc.enob_loss)
    if adc.ideal:
        return
    if loss <= ENOB_LOSS_MIN:
        yield Warning_(
            "converter_without_noise",
            "note",
            "adc.enob_loss",
            f"An ADC with adc.enob_loss = {loss:g} has all of its {adc.bits} bits effective, which no real part "
            "has: state the bits that noise and distortion take.",
        )
    if loss > ENOB_LOSS_MAX:
        yield Warning_(
            "bits_beyond_enob",
            "note",
            "adc.bits",
            f"Of the {adc.bits} bits of the ADC {float(adc.enob()):.3g} are effective, and its own noise fills the "
            f"last {_bits(math.floor(loss))}: fewer bits and as much less adc.enob_loss would do the same.",
        )


def unfilled_panels(facts: Facts) -> Iterator[Warning_]:
    """Sources and columns that stay idle because the work has other shapes than the panel."""
    if facts.work is None:
        return
    fill = fill_share(facts.engine, facts.work)
    if fill is not None and fill < FILL_MIN:
        count, outputs = facts.engine.source.count, facts.engine.panel.outputs
        worst = min(
            (c for c in facts.work if c.weights and c.macs),
            key=lambda c: _fill(c.k, count) * _fill(c.n, outputs),
        )
        yield Warning_(
            "unfilled_panels",
            "warning",
            "source.count" if _fill(worst.k, count) <= _fill(worst.n, outputs) else "panel.outputs",
            f"The work fills {fill:.0%} of the pixels that its passes light ({worst.name or 'one product'}: "
            f"{worst.k} x {worst.n} on panels of {count} x {outputs}): take an engine whose size divides the shapes.",
        )


def idle_settings(facts: Facts) -> Iterator[Warning_]:
    """Settings that the product, or product and cost, never read; a warning where somebody chose the value."""
    yield from idle(facts.engine, facts.chosen)


def idle(engine: "Engine", chosen: Collection[str]) -> Iterator[Warning_]:
    """The same for an engine of any family."""
    for unused in unused_settings(engine):
        by_choice = unused.path in chosen
        yield Warning_(
            IDLE_CODES[unused.costs],
            "warning" if by_choice else "note",
            unused.path,
            _idle_message(engine, unused, by_choice),
        )


CHECKS: tuple[Check, ...] = (
    source_above_limit,
    panel_too_hot,
    few_electrons,
    saturation,
    symbols_leak,
    noise_above_signal,
    clipped_codes,
    unused_range,
    unfilled_panels,
    idle_adc_bits,
    idle_operand_bits,
    converter_noise,
    idle_settings,
)


def fill_share(engine: "Engine", work: "Work") -> float | None:
    """Weights of the work over the pixel places that its passes light, weighted by passes; None without products."""
    used = lit = 0.0
    for contraction in work:
        if contraction.weights and contraction.macs:
            fill = _fill(contraction.k, engine.inputs) * _fill(contraction.n, engine.outputs)
            used += contraction.macs
            lit += contraction.macs / fill
    return used / lit if lit else None


def _fill(length: int, size: int) -> float:
    return length / (math.ceil(length / size) * size)


def _spare_bits(facts: Facts, *origins: str) -> int:
    """Bits that could go before these origins, four times the variance a bit, make a tenth of all others."""
    own = sum(facts.noise.get(origin, 0.0) for origin in origins)
    others = sum(facts.noise.values()) - own
    if own <= 0 or others <= 0:
        return 0
    return math.floor(0.5 * math.log2(SPARE_VARIANCE_SHARE * others / own))


def _range_path(engine: "FreeSpaceEngine") -> str:
    """The setting that scales the full scale of the ADC."""
    return {"percentile": "ranging.margin"}.get(engine.ranging.statistic, f"ranging.{engine.ranging.statistic}")


def _unless(modelled: bool, switch: str) -> str:
    return "" if modelled else f" (products do not show it: {switch} is false)"


def _bits(count: int) -> str:
    return "bit" if count == 1 else f"{count} bits"


def _idle_message(engine: "Engine", unused: Unused, chosen: bool) -> str:
    effect = "costs energy or time but does not reach the product" if unused.costs else "has no effect"
    # Looking for the switch takes a while.
    switch = reason(engine, unused.path) if chosen else None
    if switch is None:
        return f"{unused.path} {effect} with the other settings as they are."
    stage, _, field = switch.switch.partition(".")
    is_now = getattr(getattr(engine, stage), field)
    return (
        f"{unused.path} {effect} while {switch.switch} is {_shown(is_now)}: set that to {_shown(switch.needed)} "
        "to put it to use."
    )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
