"""Accuracy runs as `exalight scaling` reads them: a run folder as one checked record, and the records that ship.

`scaling_runs.json` holds the shipped records: SmolLM2-135M on free-space-1024 at several bits of both operands,
otherwise the defaults (ten laser powers, 1,024 tokens of the default text). For each pair of bits

    exalight accuracy --set dac.bits=X panel.bits=W --rotate on --out DIR

was run (`--rotate both` at 8 and 8 bits), and `write_stored([DIR, ...])` wrote the file. `source_sha256` names the code
that ran (`experiments.environment.source_hash`); what changed since is not in the numbers. No JAX.
"""

import json
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.errors import RequestError
from experiments.runs import CONFIG_FILE, ENVIRONMENT_FILE, RESULT_FILE, write_file
from photonics.schema import shortened

_FILE = Path(__file__).with_name("scaling_runs.json")
_EXPERIMENT, _TASK = "accuracy", "perplexity"
# As for the values of an engine: products and ratios stay within floating point.
_LEAST, _MOST = 1e-24, 1e24
_AGAIN = "run exalight accuracy again"

Record = dict[str, Any]
"""One accuracy run: what it was, its engine's values by path, and its points; see `record`."""


def stored_runs() -> list[Record]:
    """The records that ship with the package, in the order of the file."""
    return json.loads(_FILE.read_text("utf-8"))


def write_stored(folders: Iterable[Path]) -> Path:
    """Write `scaling_runs.json` from run folders; returns its path."""
    content = json.dumps([record(folder) for folder in folders], indent=1, allow_nan=False, ensure_ascii=False)
    write_file(_FILE, (content + "\n").encode())
    return _FILE


def record(folder: Path) -> Record:
    """A finished run of `exalight accuracy` that predicts text, without anything that says where it ran.

    Keys: `model`, `model_sha256`, `text`, `text_sha256`, `tokens` (that were scored), `context`, `seed`, `generator`,
    `digital`, `dynamic` (patterns of products), `engine_name`, `overrides`, `engine` (values by path),
    `inputs_per_tile` (None in older runs), `points` (laser_power_w, rotate, kl_nats, photons_per_mac, snr_db,
    kl_standard_error_nats, loss_increase_nats), `date`, `python`, `packages`, `cpu`, `cpus`, `backend` and
    `source_sha256` (None where the run does not say).

    Raises RequestError, naming the folder, for anything that is not such a run.
    """
    config = _read(folder, CONFIG_FILE, tomllib.loads)
    _check_kind(folder, config)
    result = _read(folder, RESULT_FILE, json.loads)
    environment = _read(folder, ENVIRONMENT_FILE, json.loads) if _is_file(folder / ENVIRONMENT_FILE) else {}
    options, model, text = (_table(folder, config, name) for name in ("options", "model", "text"))
    baseline = result.get("baseline")
    inputs = result.get("inputs_per_tile")
    if inputs is not None:
        inputs = _number(folder, "inputs_per_tile", inputs, least=1.0)
    return {
        "model": _without_place(options.get("model")),
        "model_sha256": _text(model.get("sha256")),
        "text": _without_place(text.get("source")),
        "text_sha256": _text(text.get("sha256")),
        "tokens": _whole(baseline.get("tokens")) if isinstance(baseline, dict) else None,
        "context": _whole(options.get("context")),
        "seed": _whole(options.get("seed")),
        "generator": _text(options.get("generator")),
        "digital": _texts(options.get("digital")),
        "dynamic": _texts(options.get("dynamic")),
        "engine_name": (_without_place(options.get("engine")) or "").removesuffix(".toml") or None,
        "overrides": _texts(options.get("set")),
        "engine": _table(folder, config, "engine"),
        "inputs_per_tile": inputs,
        **{name: _text(environment.get(name)) for name in ("date", "python", "cpu", "backend", "source_sha256")},
        "cpus": _whole(environment.get("cpus")),
        "packages": _packages(environment.get("packages")),
        "points": _points(folder, result.get("points")),
    }


def _read(folder: Path, name: str, parse: Callable[[str], Any]) -> dict[str, Any]:
    """The content of one file of a run."""
    try:
        text = (folder / name).read_text("utf-8")
    except (OSError, ValueError) as error:  # nothing there, no access, not UTF-8, a name that no file can have
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise RequestError(
            shortened(
                f"--accuracy {folder}: {name} cannot be read ({reason}); give the folder of a finished run of "
                "exalight accuracy"
            )
        ) from None
    try:
        content = parse(text)
    except (ValueError, RecursionError) as error:
        raise _wrong(folder, f"{name} is damaged ({error})") from None
    if not isinstance(content, dict):
        raise _wrong(folder, f"{name} is damaged (it holds no table)")
    return content


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _check_kind(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse runs of other experiments and of other tasks."""
    experiment = config.get("experiment")
    if experiment != _EXPERIMENT:
        raise RequestError(
            shortened(f"--accuracy {folder} holds a run of {_said(experiment)}; give one of exalight {_EXPERIMENT}")
        )
    # The first runs had no other task, and did not name it.
    task = _table(folder, config, "options").get("task", _TASK)
    if task != _TASK:
        raise RequestError(
            shortened(
                f"--accuracy {folder} measured --task {_said(task)}, which has no KL divergence per token; give a run "
                f"of --task {_TASK}"
            )
        )


def _points(folder: Path, points: Any) -> list[dict[str, Any]]:
    if not isinstance(points, list) or not points:
        raise _wrong(folder, f"{RESULT_FILE} has no points")
    return [_point(folder, f"points[{index}]", point) for index, point in enumerate(points)]


def _point(folder: Path, where: str, point: Any) -> dict[str, Any]:
    if not isinstance(point, dict):
        raise _wrong(folder, f"{where} is {_said(point)}; it should be a table")
    if not isinstance(point.get("rotate"), bool):
        raise _wrong(folder, f"{where}.rotate is {_said(point.get('rotate'))}; it should be true or false")

    def number(name: str, least: float) -> float:
        return _number(folder, f"{where}.{name}", point.get(name), least)

    return {
        "laser_power_w": number("laser_power_w", _LEAST),
        "rotate": point["rotate"],
        "kl_nats": number("kl_nats", -_MOST),
        "photons_per_mac": number("photons_per_mac", _LEAST),
        "snr_db": number("snr_db", -_MOST),
        **{name: _finite(point.get(name)) for name in ("kl_standard_error_nats", "loss_increase_nats")},
    }


def _number(folder: Path, where: str, value: Any, least: float) -> float:
    number = _finite(value)
    if number is None or not least <= number <= _MOST:
        # A measure that came out as no number stands as null.
        bound = "" if least == -_MOST else f" from {least:g}"
        raise _wrong(folder, f"{where} is {_said(value)}; it should be a number{bound}")
    return number


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _table(folder: Path, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = config.get(name)
    if not isinstance(table, dict):
        raise _wrong(folder, f"{CONFIG_FILE} has no table [{name}]")
    return table


def _packages(value: Any) -> dict[str, str]:
    rows = value.items() if isinstance(value, dict) else ()
    return {name: version for name, version in rows if isinstance(version, str)}


def _without_place(value: Any) -> str | None:
    """The last part of a path; where it lies is nobody's business."""
    return Path(value).name or None if isinstance(value, str) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST else None


def _said(value: Any) -> str:
    """A value of a file in a message."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _wrong(folder: Path, what: str) -> RequestError:
    return RequestError(shortened(f"--accuracy {folder}: {what}; {_AGAIN}, or give another folder"))
