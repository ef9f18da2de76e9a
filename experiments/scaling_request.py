"""From the options of `exalight scaling` to a request that can be met; refuses all others, without JAX."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.accuracy_request import checked_engine_file
from experiments.errors import RequestError
from experiments.runs import RunFolder, short_hash
from experiments.scaling_config import ScalingConfig, check_options
from models.hardware.roadmap_file import FIRST_YEAR, LAST_YEAR, SYSTEM, RoadmapFile, read_roadmap_file
from models.hardware.workloads import Request, parse_workload
from photonics.catalogue import apply_overrides
from photonics.families import DEFAULT, FAMILIES
from photonics.schema import nearest, shortened

if TYPE_CHECKING:
    from experiments.scaling_accuracy import AccuracyNeed
    from photonics.catalogue import EngineFile

EXPERIMENT = "scaling"
LASER_POWER = "operating_point.laser_power_w"
_RUNS = Path("runs")
# Options that do not change what is computed.
_NOT_THE_RUN = ("plot", "out")
# Fields of the engine that options of their own set.
_BITS = {"dac.bits": "bits-x", "panel.bits": "bits-w"}
_ACCURACY_SETS_IT = "the laser power is what the accuracy requires (--kl-nats, --accuracy)"


@dataclasses.dataclass(frozen=True)
class ScalingRequest:
    """A checked request.

    Attributes:
        config: the options.
        roadmap_file: how technology may move, without the parameters that `--set` holds.
        held: value by path of those parameters, and of the system's, the same in all years and samples.
        engine_file: the engine with what the roadmap presumes, `--set` and the bits applied.
        request: the workload.
        accuracy: folder of the accuracy run, None for the stored one.
        need: the light that the accuracy needs.
        folder: where results go.
    """

    config: ScalingConfig
    roadmap_file: RoadmapFile
    held: Mapping[str, float]
    engine_file: "EngineFile"
    request: Request
    accuracy: Path | None
    need: "AccuracyNeed"
    folder: RunFolder

    @property
    def options(self) -> dict[str, Any]:
        """The options by name, as they stand in `config.toml` and `result.json`."""
        return _options(self.config)

    def need_at(self, kl_nats: float) -> "AccuracyNeed | None":
        """The light that another divergence needs, None where the accuracy run does not reach it."""
        try:
            return _need(dataclasses.replace(self.config, kl_nats=kl_nats), self.accuracy, self.engine_file)
        except RequestError:
            return None


def check_request(config: ScalingConfig) -> ScalingRequest:
    """Check options, workload, roadmap, engine, folder and accuracy, cheapest first. RequestError says what is wrong.

    JAX is imported last, where everything but a number in the accuracy run is known to be right.
    """
    check_options(config)
    if config.year not in range(FIRST_YEAR, LAST_YEAR + 1):
        raise RequestError(
            f"--year {config.year}: roadmaps speak of {FIRST_YEAR} to {LAST_YEAR}; give a whole year of these"
        )
    request = _workload(config.workload)
    whole, digest = _roadmap(config.roadmap)
    engine_file = _engine(config.engine, whole)
    around, own = _split(config, whole)
    engine_file = _as_asked(config, whole, engine_file, own)
    _check_receiver(engine_file)
    roadmap_file, held = _held(whole, engine_file, around, own)
    accuracy = Path(config.accuracy) if config.accuracy is not None else None
    document: dict[str, Any] = {
        "experiment": EXPERIMENT,
        "options": _options(config),
        "roadmap": {"sha256": digest},
        "accuracy": {"sha256": _run_digest(accuracy)},
        "engine": dict(engine_file.values),
    }
    path = Path(config.out) if config.out is not None else _RUNS / EXPERIMENT / short_hash(document)
    folder = RunFolder(path, document)
    folder.check()
    need = _need(config, accuracy, engine_file)
    return ScalingRequest(config, roadmap_file, held, engine_file, request, accuracy, need, folder)


def _workload(text: str) -> Request:
    try:
        return parse_workload(text)
    except ValueError as error:
        raise RequestError(shortened(f"--{error}")) from error


def _roadmap(name: str) -> tuple[RoadmapFile, str]:
    """The roadmap and the hash of its file; RequestError where it is wrong, or is one for other machines."""
    try:
        file = read_roadmap_file(name)
        digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
    except OSError as error:
        raise RequestError(shortened(f"--roadmap {name} cannot be read ({error.strerror})")) from error
    except ValueError as error:
        raise RequestError(f"--roadmap: {error}") from error
    if LASER_POWER in file.parameters:
        raise RequestError(f"roadmap {file.name} states {LASER_POWER}; {_ACCURACY_SETS_IT}, so leave it out")
    return file, digest


def _engine(name: str, roadmap: RoadmapFile) -> "EngineFile":
    """The engine as its file states it; RequestError unless it is of the roadmap's family, and of one that will do."""
    file = checked_engine_file(name, ())
    if file.family != DEFAULT:
        raise RequestError(
            f"engine {file.name} is of the family {file.family}; how much light an accuracy needs is known for "
            f"{DEFAULT} engines only, such as free-space-2048"
        )
    if file.family != roadmap.family:
        raise RequestError(
            f"roadmap {roadmap.name} is for engines of the family {roadmap.family}, and {file.name} is of the family "
            f"{file.family}; give --roadmap and --engine of one family"
        )
    return file


def _split(config: ScalingConfig, roadmap: RoadmapFile) -> tuple[dict[str, float], tuple[str, ...]]:
    """What `--set` says of the system, by path, and what it says of the engine, as texts."""
    family = FAMILIES[roadmap.family]
    around: dict[str, float] = {}
    own: list[str] = []
    for item in config.set:
        key, separator, text = item.partition("=")
        key = key.strip()
        if not separator:
            raise RequestError(shortened(f"--set {item} should be PATH=VALUE, for example {next(iter(SYSTEM))}=1e12"))
        if key == LASER_POWER:
            raise RequestError(f"--set {LASER_POWER}: {_ACCURACY_SETS_IT}; leave it out")
        if key in _BITS:
            raise RequestError(f"--set {key}: give --{_BITS[key]}, which the accuracy run has to agree with")
        if key in SYSTEM:
            around[key] = _number_around(key, text)
        elif key in family.spellings:
            own.append(f"{key}={text}")
        else:
            near = nearest(key, (*family.spellings, *SYSTEM))
            raise RequestError(shortened(f"--set {item}: unknown key {key!r}; the nearest is {near!r}"))
    return around, tuple(own)


def _number_around(key: str, text: str) -> float:
    try:
        return float(SYSTEM[key].parse(text))
    except ValueError as error:
        raise RequestError(shortened(f"--set {key}={text}: {error}")) from None


def _as_asked(config: ScalingConfig, roadmap: RoadmapFile, file: "EngineFile", own: tuple[str, ...]) -> "EngineFile":
    """The engine with the switches of the roadmap, `--set` and the bits."""
    _check_presumed(config, roadmap, own)
    try:
        file = apply_overrides(file, roadmap.presumes)
    except ValueError as error:
        raise RequestError(f"engine {file.name} cannot be what roadmap {roadmap.name} presumes: {error}") from error
    bits = {"dac.bits": config.bits_x, "panel.bits": config.bits_w}
    asked = [f"{path}={value}" for path, value in bits.items()]
    try:
        return apply_overrides(file, (*own, *asked))
    except ValueError as error:
        # The bits were given as options, so they are spoken of as options.
        options = " ".join(f"--{_BITS[path]} {value}" for path, value in bits.items())
        words = " ".join(asked)
        raise RequestError(str(error).replace(f"--set {words}", options).replace(words, options)) from error


def _check_receiver(file: "EngineFile") -> None:
    """Refuse a receiver whose noise does not fall where symbols last longer, as they do where sources are weak."""
    if file.values.get("receiver.filter") == "one-pole":
        raise RequestError(
            f"engine {file.name} has receiver.filter = one-pole, whose noise does not follow the symbol rate; "
            "give --set receiver.filter=integrate"
        )


def _check_presumed(config: ScalingConfig, roadmap: RoadmapFile, own: tuple[str, ...]) -> None:
    """Refuse bits that the engine cannot have, and switches that are not those of the roadmap."""
    rows = FAMILIES[roadmap.family].row_of
    presumed = dict(item.split("=", 1) for item in roadmap.presumes)
    for path, option in _BITS.items():
        value = config.bits_x if option == "bits-x" else config.bits_w
        try:
            rows[path].read(value)
        except ValueError as error:
            raise RequestError(f"--{option} {value}: {error}") from None
        if path in presumed and rows[path].parse(presumed[path]) != value:
            raise RequestError(
                f"--{option} {value}: roadmap {roadmap.name} presumes {path}={presumed[path]}, under which its "
                f"parameters are read; give --{option} {presumed[path]} or another roadmap"
            )
    for item in own:
        path, _, text = item.partition("=")
        if path in presumed and text.strip().lower() != presumed[path].strip().lower():
            raise RequestError(
                shortened(
                    f"--set {item}: roadmap {roadmap.name} presumes {path}={presumed[path]}, under which its "
                    "parameters are read; leave it out or give another roadmap"
                )
            )


def _held(
    roadmap: RoadmapFile, engine_file: "EngineFile", around: Mapping[str, float], own: Iterable[str]
) -> tuple[RoadmapFile, dict[str, float]]:
    """The roadmap without what `--set` holds, and what that is; RequestError where both leave a gap or contradict."""
    decibels = FAMILIES[engine_file.family].decibels
    keys = (item.partition("=")[0] for item in own)
    paths = [decibels[key].path if key in decibels else key for key in keys]
    held = {path: float(engine_file.values[path]) for path in paths if path in roadmap.parameters} | dict(around)
    for path, value in held.items():
        if path in roadmap.parameters:
            _check_bounds(roadmap, path, value)
    moving = {path: one for path, one in roadmap.parameters.items() if path not in held}
    if not moving:
        raise RequestError(f"--set holds every parameter of roadmap {roadmap.name}; leave at least one to the years")
    foreign = [path for path in moving if path not in SYSTEM and path not in engine_file.values]
    if foreign:
        raise RequestError(
            f"roadmap {roadmap.name} states {', '.join(foreign)}, which engine {engine_file.name} does not have "
            f"({FAMILIES[engine_file.family].chosen(engine_file.values)}); leave it out or give another engine"
        )
    lacking = [path for path in SYSTEM if path not in moving and path not in held]
    if lacking:
        raise RequestError(
            f"roadmap {roadmap.name} says nothing of {', '.join(lacking)}, which a system needs; add it to the file, "
            f"or hold it with --set {lacking[0]}=VALUE ({SYSTEM[lacking[0]].describe()})"
        )
    return dataclasses.replace(roadmap, parameters=moving), held


def _check_bounds(roadmap: RoadmapFile, path: str, value: float) -> None:
    """Refuse a held value beyond what the roadmap says that physics allows."""
    parameter = roadmap.parameters[path]
    floor, ceiling = parameter.floor, parameter.ceiling
    if floor is not None and value < floor.value:
        raise RequestError(
            f"--set {path}={value:g} is below its physical floor {floor.value:g} in roadmap {roadmap.name} "
            f"({floor.source.title}); give at least that"
        )
    if ceiling is not None and value > ceiling.value:
        raise RequestError(
            f"--set {path}={value:g} is above its physical ceiling {ceiling.value:g} in roadmap {roadmap.name} "
            f"({ceiling.source.title}); give at most that"
        )


def _run_digest(run: Path | None) -> str:
    """A hash of the accuracy run, or of all that are stored; RequestError for a folder that holds none."""
    from experiments.scaling_runs import record, stored_runs

    runs = stored_runs() if run is None else record(run)
    return hashlib.sha256(json.dumps(runs, sort_keys=True).encode()).hexdigest()


def _need(config: ScalingConfig, run: Path | None, engine_file: "EngineFile") -> "AccuracyNeed":
    """The light that `--kl-nats` needs; RequestError where the run does not fit, or does not reach it."""
    from experiments.scaling_accuracy import required_light

    rotate = engine_file.values["encoding.rotate"] is True
    need = required_light(run, config.bits_x, config.bits_w, config.kl_nats, rotate, engine_file)
    if config.photons == "per-dot-product" and need.inputs_per_tile is None:
        raise RequestError(
            "--photons per-dot-product: the accuracy run does not say how many inputs one tile summed; run exalight "
            "accuracy again, or give --photons per-mac"
        )
    return need


def _options(config: ScalingConfig) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in _NOT_THE_RUN}
