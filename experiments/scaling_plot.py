"""Figures of `exalight scaling`, drawn from the tables of a run alone: nothing is computed anew."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from experiments.figures import STYLE, save_figure
from experiments.runs import CONFIG_FILE, RESULT_FILE
from experiments.scaling_plot_labels import Tables
from experiments.scaling_plot_limits import path_figure, requirements_figure, tornado_figure, utilisation_figure
from experiments.scaling_plot_years import fan_figure, power_figure
from experiments.tables import read_table

# Figures by name: the table that each needs, and who draws it from all tables and a subtitle.
_FIGURES: dict[str, tuple[str, Callable[[Tables, str], Figure]]] = {
    "fan": ("years", fan_figure),
    "tornado": ("sensitivity", tornado_figure),
    "power": ("breakdown", power_figure),
    "utilisation": ("utilisation", utilisation_figure),
    "path": ("path", path_figure),
    "requirements": ("requirements", requirements_figure),
}
_TABLES = (*(needed for needed, _ in _FIGURES.values()), "conventional", "machines")


def draw(folder: Path) -> list[Path]:
    """Draw every figure whose table is there and has rows, as PNG and SVG; returns the files.

    FileNotFoundError if there is no such table. A target that is reached already has neither path nor requirements.
    """
    tables = {name: _rows(folder, name) for name in _TABLES}
    subtitle, files = _subtitle(folder), []
    with matplotlib.rc_context(STYLE):
        for name, (needed, figure) in _FIGURES.items():
            if tables[needed] and not (name == "requirements" and _reached(tables["requirements"])):
                files += save_figure(figure(tables, subtitle), folder, name)
    if not files:
        raise FileNotFoundError(f"{folder} holds none of the tables {', '.join(_TABLES)}")
    return files


def _reached(requirements: list[dict[str, Any]]) -> bool:
    """Whether the median machine reaches the target, so that no parameter has to be anything else."""
    return all(row["best_tops_per_w"] is None for row in requirements)


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return read_table(folder, name).to_dicts() if (folder / f"{name}.parquet").exists() else []


def _subtitle(folder: Path) -> str:
    """Engine, workload, bits and accuracy from the configuration of the run, "" where there is none.

    `config.toml` first: it is there from the start, and holds the options that `result.json` repeats at the end.
    """
    config: dict[str, Any] = {}
    if (folder / CONFIG_FILE).exists():
        config = tomllib.loads((folder / CONFIG_FILE).read_text("utf-8")).get("options", {})
    elif (folder / RESULT_FILE).exists():
        config = json.loads((folder / RESULT_FILE).read_text("utf-8")).get("config", {})
    words = [Path(str(config["engine"])).stem] if config.get("engine") else []
    if config.get("set"):
        words[-1:] = [" with ".join([*words[-1:], ", ".join(config["set"])])]
    if config.get("workload"):
        work = config["workload"]
        words.append(work if isinstance(work, str) else ", ".join(work))
    if config.get("bits_x") and config.get("bits_w"):
        words.append(f"{config['bits_x']}-bit activations, {config['bits_w']}-bit weights")
    if config.get("kl_nats"):
        of = f" by {Path(str(config['accuracy'])).name}" if config.get("accuracy") else ""
        words.append(f"light for a divergence of {config['kl_nats']:.3g} nats per token{of}")
    if config.get("photons") == "per-dot-product":
        words.append("photons per dot product held")
    if config.get("roadmap"):
        words.append(f"roadmap {Path(str(config['roadmap'])).stem}")
    return " \u00b7 ".join(words)
