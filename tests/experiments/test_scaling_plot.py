"""The figures of `exalight scaling`: from tables alone, whatever the answer is, and nothing runs into anything else."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

import matplotlib
import pytest

from experiments import scaling_plot
from experiments.figures import STYLE
from experiments.runs import RunFolder
from experiments.scaling_plot import draw
from experiments.scaling_plot_limits import path_figure, requirements_figure, tornado_figure, utilisation_figure
from experiments.scaling_plot_years import fan_figure, power_figure
from experiments.tables import read_table, write_table
from models.hardware.conventional_trend import load_machines, project
from models.hardware.roadmap_file import read_roadmap_file

YEARS = tuple(range(2024, 2033))
SHARES = {"adc": 0.31, "digital": 0.19, "weight_memory": 0.13, "laser": 0.11, "host": 0.08, "control": 0.06}
SHARES |= {"power_supply": 0.05, "dac": 0.03, "links": 0.02, "modulator": 0.015, "tia": 0.005}
OPTIONS = {"engine": "free-space-2048", "workload": "llama-3.1-70b:prefill:8192", "bits_x": 8, "bits_w": 8}


def year_rows(years: Sequence[int] = YEARS, width: float = 1.0, probability: float | None = None) -> list[dict]:
    """Delivered 1.4 TOPS/W in 2024, 30 % more each year, three times as much at the peak, in 10 kW."""
    rows = []
    for year in years:
        median = 1.4 * 1.3 ** (year - 2024)
        quantiles = {"p05": median * 4**-width, "p25": median * 1.7**-width, "p50": median}
        quantiles |= {"p75": median * 1.65**width, "p95": median * 3.2**width}
        row: dict[str, Any] = {"year": year} | {f"tops_per_w_{name}": value for name, value in quantiles.items()}
        for name in ("p05", "p50", "p95"):
            row[f"peak_tops_per_w_{name}"] = 3.1 * quantiles[name]
            row[f"delivered_exaops_{name}"] = 1e-2 * quantiles[name]
            row[f"peak_exaops_{name}"] = 3.1e-2 * quantiles[name]
        reached = 0.5 * math.erfc((math.log(100 / median)) / 1.1) if probability is None else probability
        row |= {"energy_per_op_j_p50": 1e-12 / median, "probability_of_target": reached}
        row |= {"facility_tops_per_w_p50": median / 1.25, "target_tops_per_w": 100.0, "target_year": 2029}
        rows.append(row | {"rate_limited_share": 0.1})
    return rows


def breakdown_rows(years: Sequence[int] = YEARS) -> list[dict]:
    """Shares of 10 kW: converters fall a little every year, memory rises."""
    rows = []
    for year in years:
        pace = {"adc": -0.06, "weight_memory": 0.09}
        shares = {part: share * math.exp(pace.get(part, 0.0) * (year - 2024)) for part, share in SHARES.items()}
        rows += [{"year": year, "part": part, "power_w": 1e4 * s / sum(shares.values())} for part, s in shares.items()]
    return rows


def conventional_rows(years: Sequence[int] = YEARS) -> list[dict]:
    rows = []
    for number_format in ("8-bit", "4-bit"):
        for year in years:
            low, median, high = (float(v) for v in project(year, (0.05, 0.5, 0.95), number_format))
            pace = 3.0 * 1.5 ** (year - 2024) if number_format == "8-bit" else None
            row = {"year": year, "number_format": number_format, "epoch_tops_per_w": pace}
            rows.append(row | {"tops_per_w_p05": low, "tops_per_w_p50": median, "tops_per_w_p95": high})
    return rows


def machine_rows() -> list[dict]:
    known = load_machines()
    return [
        {"name": chip.name, "year": int(chip.year.value), "number_format": number_format, "tops_per_w": rate}
        for chip in known.accelerators.values()
        for number_format in chip.peak_ops_per_s
        for rate in [chip.wall_tops_per_w(number_format, known.wall_power_factor.value)]
    ]


def sensitivity_rows(width: float = 1.0) -> list[dict]:
    """Every parameter of the default roadmap: the later in the file, the less it does."""
    file = read_roadmap_file("default")
    rows = []
    for index, known in enumerate(file.parameters.values()):
        elasticity = (-1.0) ** (index % 3) * 0.9 * 0.85**index
        spread, reach = 4.0**width, 4.0 ** (elasticity * width)
        share = elasticity**2 / 3
        row = {"name": known.path, "kind": "parameter", "elasticity": elasticity, "share_first": 0.8 * share}
        row |= {"share_total": share, "share_first_error": 0.01, "share_total_error": 0.1 * share, "unit": known.row.unit}
        row |= {"low": known.value / spread, "median": known.value, "high": known.value * spread}
        rows.append(row | {"tops_per_w_at_low": 5.2 / reach, "tops_per_w_at_high": 5.2 * reach})
    empty = dict.fromkeys(("elasticity", "low", "median", "high", "tops_per_w_at_low", "tops_per_w_at_high"))
    for index, name in enumerate(file.factors):
        share = 0.1 * 0.5**index
        row = {"name": name, "kind": "factor", "share_first": share, "share_total": 1.1 * share, "unit": ""}
        rows.append(empty | row | {"share_first_error": 0.01, "share_total_error": 0.01})
    return rows


def utilisation_rows(median_s: float = 5e-4, busy: float | None = None) -> list[dict]:
    rows = []
    for batch in (1, 4, 16, 64, 256):
        for step in range(41):
            reload_s = 10 ** (-6 + 0.1 * step)
            compute_s = batch * 8192 * 2 / 1.5e9
            share = compute_s / (compute_s + reload_s) if busy is None else busy
            row = {"reload_time_s": reload_s, "batch": batch, "tokens": batch * 8192, "busy_share": share}
            rows.append(row | {"tops_per_w": 30 * share / (0.4 + 0.6 * share), "median_reload_time_s": median_s})
    return rows


def path_rows() -> list[dict]:
    """The default roadmap on its way from 5 to 200 TOPS/W, each parameter as far as it matters."""
    rows, known = [], [row for row in sensitivity_rows() if row["kind"] == "parameter"]
    norm = sum(row["elasticity"] ** 2 for row in known)
    for point in range(9):
        goal = 5.2 * (200 / 5.2) ** (point / 8)
        for row in known:
            steps = math.log(goal / 5.2) * row["elasticity"] / norm
            factor = math.exp(0.8 * steps)
            found = {"point": point, "target_tops_per_w": goal, "effort": math.log(goal / 5.2) / math.sqrt(norm)}
            rows.append(
                found | {"path": row["name"], "steps": steps, "value": factor * row["median"], "factor": factor}
            )
    return rows


def requirement_rows(reachable: int = 2) -> list[dict]:
    rows = []
    for index, row in enumerate(row for row in sensitivity_rows() if row["kind"] == "parameter"):
        found = {"path": row["name"], "unit": row["unit"], "median": row["median"], "value": None, "factor": None}
        found |= {"steps": None, "best_tops_per_w": 5.2 * (1 + 4 * 0.8**index), "probability": None}
        if index < reachable:
            factor = 0.02 * (index + 1)
            found |= {"value": factor * row["median"], "factor": factor, "steps": -3.1, "probability": 0.004}
            found |= {"best_tops_per_w": 150.0 - 30 * index}
        rows.append(found)
    return rows


def tables() -> dict[str, list[dict]]:
    return {
        "years": year_rows(),
        "breakdown": breakdown_rows(),
        "conventional": conventional_rows(),
        "machines": machine_rows(),
        "sensitivity": sensitivity_rows(),
        "utilisation": utilisation_rows(),
        "path": path_rows(),
        "requirements": requirement_rows(),
    }


def write(folder, content: dict[str, list[dict]]):
    RunFolder(folder, {"experiment": "scaling", "options": OPTIONS}).open()
    for name, rows in content.items():
        write_table(folder, name, rows)
    return folder


def texts(path) -> str:
    nodes = ElementTree.fromstring(path.read_bytes()).iter()
    return " ".join("".join(node.itertext()) for node in nodes if "text" in node.tag)
