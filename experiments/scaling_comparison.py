"""Conventional accelerators beside the projection: those of today, their trend, and the pace that others found."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.hardware.conventional_trend import FORMATS, ConventionalMachines, Trend, fit_trend, load_machines

_PACE = "epoch_leading"
SCOPE = (
    "dense peak at the wall, cooling of the building left out, no accuracy stated; to be compared with whole products "
    "of engines that never wait, not with one pass, and not with what is delivered"
)


def conventional_rows(years: Sequence[int]) -> list[dict[str, Any]]:
    """The projected leading accelerator of each year and number format, peak TOPS/W at the wall.

    `epoch_tops_per_w` starts from the last machine of the fit and goes on at the published pace of leading hardware.
    """
    machines, rows = load_machines(), []
    for number_format in FORMATS:
        trend = fit_trend(number_format, machines=machines)
        for year in years:
            low, median, high = (float(trend.project(year, quantile)) for quantile in (0.05, 0.5, 0.95))
            rows.append(
                {
                    "year": year,
                    "number_format": number_format,
                    "tops_per_w_p05": low,
                    "tops_per_w_p50": median,
                    "tops_per_w_p95": high,
                    "epoch_tops_per_w": _at_published_pace(machines, trend, year),
                }
            )
    return rows


def machine_rows() -> list[dict[str, Any]]:
    """Accelerators that can be bought or are announced, by number format, peak TOPS/W at the wall."""
    machines = load_machines()
    factor = machines.wall_power_factor.value
    return [
        {
            "name": one.name,
            "year": int(one.year.value),
            "number_format": number_format,
            "tops_per_w": one.wall_tops_per_w(number_format, factor),
            "kind": one.peak_ops_per_s[number_format].kind,
            "source": one.peak_ops_per_s[number_format].source,
            "left_out_of_fit": one.left_out_of_fit,
        }
        for one in machines.accelerators.values()
        for number_format in FORMATS
        if number_format in one.peak_ops_per_s
    ]


def comparison(rows: Sequence[Mapping[str, Any]], peaks: Mapping[int, float]) -> dict[str, Any]:
    """The part of `result.json`: projection by year with its trend and sources, and light over it, peak over peak.

    `peaks` are medians of the TOPS/W of light by year, of engines that never wait and whole products, all passes done.
    """
    machines = load_machines()
    trends = {}
    for number_format in FORMATS:
        trend = fit_trend(number_format, machines=machines)
        trends[number_format] = {
            "doubling_time_years": trend.doubling_time_years,
            "machines": [machines.accelerators[key].name for key in trend.machines],
            "wall_power_factor": trend.wall_power_factor,
            "source": "least squares through the leading chips by their makers' dense peaks and rated powers",
            "kind": trend.kind,
        }
    pace = machines.published_trends[_PACE]
    return {
        "scope": SCOPE,
        "years": [
            {
                **row,
                "light_peak_tops_per_w": peaks[row["year"]],
                "light_peak_over_it": peaks[row["year"]] / row["tops_per_w_p50"],
                "kind": "projection",
            }
            for row in rows
        ],
        "trends": trends,
        "epoch": {"name": pace.name, "what": pace.what, "source": pace.doubling_time_years.source},
    }


def _at_published_pace(machines: ConventionalMachines, trend: Trend, year: int) -> float | None:
    last = max((machines.accelerators[key] for key in trend.machines), key=lambda one: one.year.value)
    if year < last.year.value:
        return None
    start = last.wall_tops_per_w(trend.number_format, trend.wall_power_factor)
    return start * machines.published_trends[_PACE].growth(year - last.year.value)
