"""What `exalight engines NAME --plot` leaves behind: tables, figures drawn from them, `result.json`."""

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.engines_config import EnginesConfig
from experiments.runs import ENVIRONMENT_FILE, RESULT_FILE, RunFolder, short_hash

if TYPE_CHECKING:
    from photonics.catalogue import EngineFile
    from photonics.engine import Engine
    from photonics.explanation import Explanation

EXPERIMENT = "engines"
_RUNS = Path("runs")
# Laser powers of the noise sweep, relative to the operating point: from receiver noise to the plateau of most engines.
_SWEEP = (1 / 30, 10.0)
_SWEEP_POINTS = 41


def run_folder(config: EnginesConfig, file: "EngineFile") -> RunFolder:
    """Where the files go, checked: `--out`, or a folder of its own for each set of values under the engine's name."""
    options = {key: value for key, value in dataclasses.asdict(config).items() if key not in ("out", "plot")}
    document = {"experiment": EXPERIMENT, "options": options, "engine": dict(file.values)}
    path = Path(config.out) if config.out is not None else _RUNS / EXPERIMENT / file.name / short_hash(document)
    folder = RunFolder(path, document)
    folder.check()
    return folder


def write_output(folder: RunFolder, engine: "Engine", explanation: "Explanation") -> Path:
    """Write tables, figures and last `result.json`, whose path is returned."""
    import jax

    from experiments.engines_plot import draw
    from experiments.environment import environment
    from experiments.tables import write_table

    folder.open()
    # A drawing has no points to go on from.
    with contextlib.suppress(OSError):
        folder.points.rmdir()
    for name, rows in tables(engine, explanation).items():
        write_table(folder.path, name, rows)
    folder.write_json(ENVIRONMENT_FILE, environment(_command(folder), seed=0, backend=jax.default_backend()))
    draw(folder.path)
    options = folder.document["options"]
    result = {"experiment": EXPERIMENT, "config": options, "seed": 0, **explanation.to_dict()}
    return folder.write_json(RESULT_FILE, result)


def tables(engine: "Engine", explanation: "Explanation") -> dict[str, list[dict[str, Any]]]:
    """Rows of the tables `link`, `noise`, `power`, `conversion` (one row), `sweep` and `warnings`."""
    electrons = explanation.electrons
    per_w = electrons.per_joule / explanation.symbol_rate_hz
    conversion = {
        "laser_power_w": explanation.laser_power_w,
        "symbol_rate_hz": explanation.symbol_rate_hz,
        "source_power_max_w": float(engine.power_max_w),
        **dataclasses.asdict(electrons),
        "snr_db": explanation.snr_db,
        "effective_bits": explanation.effective_bits,
        "photons_per_mac": explanation.photons_per_mac,
    }
    return {
        "link": [{**dataclasses.asdict(step), "electrons": step.power_w * per_w} for step in explanation.link],
        "noise": [dataclasses.asdict(term) for term in explanation.noise],
        "power": [{"part": part, "power_w": power_w} for part, power_w in explanation.power_w.items()],
        "conversion": [conversion],
        "sweep": noise_sweep(engine),
        "warnings": [dataclasses.asdict(warning) for warning in explanation.warnings],
    }


def noise_sweep(engine: "Engine") -> list[dict[str, Any]]:
    """Variance by origin, share of the whole and signal-to-noise ratio over laser powers around the operating point."""
    low, high = (math.log(factor) for factor in _SWEEP)
    rows = []
    for index in range(_SWEEP_POINTS):
        factor = math.exp(low + (high - low) * index / (_SWEEP_POINTS - 1))
        at_power = engine.at(laser_power_w=float(engine.operating_point.laser_power_w) * factor)
        terms = at_power.noise_budget()
        total = sum(term.variance_electrons2 for term in terms)
        snr_db = 10 * math.log10(at_power.typical_signal_electrons() ** 2 / total) if total else None
        rows += [
            {"laser_power_w": at_power.operating_point.laser_power_w, "snr_db": snr_db, **dataclasses.asdict(term)}
            for term in terms
        ]
    return rows


def _command(folder: RunFolder) -> list[str]:
    """The command line that these options stand for."""
    options = folder.document["options"]
    command = [EXPERIMENT, str(options["name"]), "--plot", "--out", str(folder.path)]
    for item in options["set"]:
        command += ["--set", item]
    if options["laser_power_w"] is not None:
        command += ["--laser-power-w", repr(options["laser_power_w"])]
    return command
