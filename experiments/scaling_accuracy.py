"""How much light an accuracy needs: from an accuracy run to facts that hold for another engine of its kind.

The run gives the least laser power for a divergence. What matters of that power is how many electrons a source put on
a detector, and how much noise shot and receiver added to them; `models.hardware.required_light` keeps their ratio on
another engine. Everything else that sets an accuracy is that of the run: bits and encoding have to be the same, other
differences that act on it are named. Intensity noise of the sources grows with the symbol rate, which is not followed.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import RequestError
from experiments.scaling_runs import Record, record, stored_runs
from photonics.catalogue import EngineFile, build_engine
from photonics.families import DEFAULT, FAMILIES
from photonics.schema import Value, shortened

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine

LASER_POWER, ROTATE, BITS_X, BITS_W = "operating_point.laser_power_w", "encoding.rotate", "dac.bits", "panel.bits"
SHOT_NOISE = ("shot noise of the signal light", "shot noise of the extinction floors")

# Of fields that one version has and another does not.
_MOST_NAMES = 3

MUST_AGREE = (
    "encoding.activation_sign",
    "encoding.weight_sign",
    "encoding.conversion",
    "encoding.activation_slices",
    "encoding.weight_slices",
    "encoding.repetitions",
    "adc.bits",
    "adc.enob_loss",
    "adc.ideal",
    "dac.ideal",
    "panel.ideal",
)
"""Values without which electrons and bits of two engines cannot be compared."""

ACT_ON_ACCURACY = (
    "operating_point.age_s",
    "encoding.activation_scale",
    "encoding.activation_percentile",
    "encoding.weight_percentile",
    "source.count",
    "source.rin_per_hz",
    "source.noise",
    "source.beats",
    "source.mode_overlap",
    "source.optical_span_hz",
    "source.gain_residual",
    "source.drift_per_root_s",
    "modulator.extinction_ratio",
    "modulator.response",
    "modulator.curvature",
    "modulator.skew",
    "modulator.settling",
    "modulator.bandwidth_hz",
    "optics.crosstalk_per_neighbour",
    "optics.crosstalk_residual",
    "optics.rail_leakage",
    "optics.crosstalk",
    "panel.extinction_ratio",
    "panel.response",
    "panel.curvature",
    "panel.skew",
    "panel.element_residual",
    "panel.rail_residual",
    "panel.fixed_pattern",
    "photodetector.dark_current_a",
    "photodetector.saturates",
    "photodetector.saturation_current_a",
    "photodetector.shot_noise",
    "receiver.kind",
    "receiver.filter",
    "receiver.bandwidth_hz",
    "receiver.output_swing_v",
    "readout.saturates",
    "readout.pass_mismatch",
    "readout.pass_residual",
    "readout.fixed_pattern",
    "readout.gain_residual",
    "readout.offset_residual",
    "readout.drift_per_root_s",
    "readout.crosstalk",
    "readout.crosstalk_per_neighbour",
    "readout.crosstalk_residual",
    "ranging.statistic",
    "ranging.per",
    "ranging.sigmas",
    "ranging.percentile",
    "ranging.margin",
    "ranging.fraction",
)
"""Values that act on the accuracy other than by electrons per path and by the receiver's noise; they may differ."""


@dataclasses.dataclass(frozen=True)
class AccuracyNeed:
    """What a divergence needed in a run; plain numbers.

    Attributes:
        kl_nats: the divergence asked for.
        laser_power_w: least power of one source of the run for it [W].
        electrons_per_path: at that power, everything fully open [electrons].
        shot_variance_per_electron: a, shot noise of one output of a full tile of typical operands (`noise_budget`),
            signal and extinction floors, over electrons per path [electrons^2 per electron].
        readout_variance: R of the run's engine [electrons^2 per pass].
        readout_weight: b, so that b R is the receiver's noise in the same output.
        noise_band: beta of the run's engine, noise bandwidth over symbol rate.
        photons_per_mac: photoelectrons per logical MAC at that power, its logarithm linear in that of power.
        inputs_per_tile: mean number of inputs that one tile summed, None where the run does not say.
        snr_db: mean over layers at that power, linear in the logarithm of power [dB].
        below_sweep: whether the weakest power of the run was good enough, so that the need may be lower still.
        beyond_power_max: whether a source of the run's engine cannot give that power.
        provenance: where this comes from: run, model, text, engine, date, versions, machine, source.
        differs: "path: value of the run -> value of the projected engine" for what acts on the accuracy.
    """

    kl_nats: float
    laser_power_w: float
    electrons_per_path: float
    shot_variance_per_electron: float
    readout_variance: float
    readout_weight: float
    noise_band: float
    photons_per_mac: float
    inputs_per_tile: float | None
    snr_db: float
    below_sweep: bool
    beyond_power_max: bool
    provenance: dict[str, str]
    differs: list[str]


def required_light(
    run: Path | None, bits_x: int, bits_w: int, kl_nats: float, rotate: bool, engine_file: EngineFile
) -> AccuracyNeed:
    """The light that a divergence of `kl_nats` needs, from a run folder or (None) the stored run of these bits.

    `engine_file` is the engine to project: the run has to agree with it in bits and encoding. Raises RequestError for
    a folder that is no such run, other bits, encoding, family or rotation, and a divergence that the run never reaches.
    """
    held = _stored(bits_x, bits_w, rotate) if run is None else record(run)
    try:
        run_file = _engine_file(held["engine"], engine_file, rotate)
        _check_agree(run_file.values, engine_file.values, bits_x, bits_w)
        points = [point for point in held["points"] if point["rotate"] is rotate]
        if not points:
            raise RequestError(f"it has no points {_words(rotate)}; run exalight accuracy with --rotate both")
        power_w, below_sweep = _power(points, kl_nats)
        return _need(held, run, run_file, engine_file, points, kl_nats, power_w, below_sweep)
    except RequestError as error:
        which = f"the stored accuracy run of {bits_x}/{bits_w} bits" if run is None else f"--accuracy {run}"
        raise RequestError(shortened(f"{which}: {error}")) from None


def _stored(bits_x: int, bits_w: int, rotate: bool) -> Record:
    """The stored run of these bits and this rotation."""
    there = []
    for held in stored_runs():
        bits = held["engine"][BITS_X], held["engine"][BITS_W]
        rotations = {point["rotate"] for point in held["points"]}
        if bits == (bits_x, bits_w) and rotate in rotations:
            return held
        there += [f"{bits[0]}/{bits[1]} {_words(one)}" for one in sorted(rotations, reverse=True)]
    raise RequestError(
        f"--bits-x {bits_x} --bits-w {bits_w} {_words(rotate)}: no accuracy run is stored for these (stored are "
        f"{', '.join(there)}); give --accuracy RUN with one of your own (exalight accuracy --set {BITS_X}={bits_x} "
        f"{BITS_W}={bits_w})"
    )


def _engine_file(values: Mapping[str, Any], engine_file: EngineFile, rotate: bool) -> EngineFile:
    """The run's engine at this rotate setting, checked like a file."""
    family = FAMILIES[DEFAULT]
    _check_family(values)
    if engine_file.family != DEFAULT:
        raise RequestError(f"it is of the family {DEFAULT}, and {engine_file.name} of the family {engine_file.family}")
    rows = family.row_of
    try:
        read = {path: rows[path].read(value) for path, value in values.items() if path in rows}
        needed = family.needed(read)
        lacking, more = [path for path in needed if path not in read], [path for path in values if path not in needed]
        if not lacking and not more:
            family.check(read)
    except ValueError as error:
        raise RequestError(f"this version cannot build its engine: {error}") from None
    if lacking or more:
        parts = [f"lacks {_some(lacking)}"] * bool(lacking) + [f"has {_some(more)}"] * bool(more)
        raise RequestError(f"its engine {' and '.join(parts)}, as another version made it; run exalight accuracy again")
    return dataclasses.replace(engine_file, values={**read, ROTATE: rotate})


def _check_family(values: Mapping[str, Any]) -> None:
    """Refuse an engine that is of another family to the last field; one with a few foreign fields is older."""
    if set(values) <= set(FAMILIES[DEFAULT].row_of):
        return
    for family in FAMILIES.values():
        if family.name != DEFAULT and set(values) <= set(family.row_of):
            raise RequestError(
                f"its engine is of the family {family.name}; how much light an accuracy needs is known for {DEFAULT} "
                "engines only"
            )


def _check_agree(there: Mapping[str, Value], here: Mapping[str, Value], bits_x: int, bits_w: int) -> None:
    """Refuse other bits, and another encoding; the first difference is named."""
    bits = there[BITS_X], there[BITS_W]
    if bits != (bits_x, bits_w):
        raise RequestError(
            f"the run has {bits[0]}/{bits[1]} bits, --bits-x {bits_x} --bits-w {bits_w} were asked; give a run made "
            f"with --set {BITS_X}={bits_x} {BITS_W}={bits_w}, or other bits"
        )
    for path in MUST_AGREE:
        if there[path] != here[path]:
            raise RequestError(
                f"it has {path} = {_shown(there[path])}, and the projected engine {_shown(here[path])}; give "
                f"--accuracy with a run made with --set {path}={_shown(here[path])}"
            )


def _power(points: list[dict[str, Any]], kl_nats: float) -> tuple[float, bool]:
    from experiments.accuracy_results import least_power

    power_w, below_sweep = least_power(points, kl_nats)
    if power_w is None:
        best, last = min(points, key=lambda p: p["kl_nats"]), max(points, key=lambda p: p["laser_power_w"])
        found = f"its lowest is {best['kl_nats']:.3g} at {best['laser_power_w']:.3g} W"
        if best["kl_nats"] <= kl_nats:
            found += f", with {last['kl_nats']:.3g} again at {last['laser_power_w']:.3g} W"
        raise RequestError(f"a KL divergence of {kl_nats:g} nats is not reached ({found}); give a larger --kl-nats")
    return power_w, below_sweep


def _need(
    held: Record,
    run: Path | None,
    run_file: EngineFile,
    engine_file: EngineFile,
    points: list[dict[str, Any]],
    kl_nats: float,
    power_w: float,
    below_sweep: bool,
) -> AccuracyNeed:
    import numpy as np

    points = sorted(points, key=lambda point: point["laser_power_w"])
    at, powers = np.log(power_w), np.log([point["laser_power_w"] for point in points])
    photons, snr_db = ([point[name] for point in points] for name in ("photons_per_mac", "snr_db"))
    engine: FreeSpaceEngine = build_engine(run_file).at(laser_power_w=power_w)  # pyright: ignore[reportAssignmentType]
    try:
        shot, readout_weight = _noise(engine)
        electrons, readout = float(engine.electrons_per_path()), float(engine.readout_variance())
    except (ArithmeticError, ValueError) as error:
        raise RequestError(f"the noise of its engine is no number ({error}); give another run") from None
    if not all(map(math.isfinite, (shot, electrons, readout))) or electrons <= 0.0:
        raise RequestError(f"the noise of its engine is no number at {power_w:.3g} W; give another run")
    if shot == readout == 0.0:
        raise RequestError(
            "its engine has neither shot nor receiver noise, so that no accuracy needs light; give another"
        )
    return AccuracyNeed(
        kl_nats=kl_nats,
        laser_power_w=power_w,
        electrons_per_path=electrons,
        shot_variance_per_electron=shot / electrons,
        readout_variance=readout,
        readout_weight=readout_weight,
        noise_band=float(engine.noise_band()),
        photons_per_mac=float(np.exp(np.interp(at, powers, np.log(photons)))),
        inputs_per_tile=held["inputs_per_tile"],
        snr_db=float(np.interp(at, powers, snr_db)),
        below_sweep=below_sweep,
        beyond_power_max=power_w > float(engine.power_max_w),
        provenance=_provenance(held, run),
        differs=_differs(run_file.values, engine_file.values),
    )


def _noise(engine: "FreeSpaceEngine") -> tuple[float, float]:
    """Shot noise of one output [electrons^2], and how many passes' readout noise it holds, weighted."""
    from photonics.noise_budget import conversions

    terms = {term.origin: term.variance_electrons2 for term in engine.noise_budget()}
    # As the budget has it, which leaves out what a perfect receiver does not add.
    weight = sum(one.weight**2 * len(one.lights) for one in conversions(engine)) / engine.encoding.repetitions
    return sum(terms.get(origin, 0.0) for origin in SHOT_NOISE), float(weight)


def _provenance(held: Record, run: Path | None) -> dict[str, str]:
    packages = ", ".join(f"{name} {version}" for name, version in held["packages"].items())
    facts = {
        "run": "stored" if run is None else run.name or str(run),
        **{name: held[name] for name in ("model", "model_sha256", "text", "text_sha256", "tokens", "context", "seed")},
        "engine": " ".join((held["engine_name"] or "unnamed", *held["overrides"])),
        "digital": ", ".join(held["digital"]) or None,
        "dynamic": ", ".join(held["dynamic"]) or None,
        "date": held["date"],
        "versions": f"Python {held['python']}, {packages}" if held["python"] else packages or None,
        "machine": f"{held['cpus']} CPUs, {held['cpu']}" if held["cpu"] and held["cpus"] else held["cpu"],
        "source_sha256": held["source_sha256"],
    }
    return {name: str(fact) for name, fact in facts.items() if fact is not None}


def _differs(there: Mapping[str, Value], here: Mapping[str, Value]) -> list[str]:
    rows = ((path, there.get(path), here.get(path)) for path in ACT_ON_ACCURACY)
    return [f"{path}: {_shown(one)} -> {_shown(other)}" for path, one, other in rows if one != other]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_MOST_NAMES]) + (
        f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    )


def _shown(value: Value | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool | str):
        return str(value).lower()
    return f"{value:.6g}"


def _words(rotate: bool) -> str:
    return "rotated" if rotate else "not rotated"
