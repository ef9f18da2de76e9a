"""The `exalight plot` command: a run drawn again from its tables, by its own command's figures or column by column."""

import dataclasses
import importlib
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.errors import RequestError
from experiments.plot_config import FIGURE_KINDS, PlotConfig, check_options
from experiments.plot_data import Run, make_chart, open_run, read_rows, table_of

# Commands with figures of their own, and who draws them from a folder.
_OWN_FIGURES = {
    "accuracy": "experiments.accuracy_plot",
    "engines": "experiments.engines_plot",
    "bench": "experiments.bench_plot",
    "validate": "experiments.validate_plot",
    "scaling": "experiments.scaling_plot",
}
# What is shown of a sweep without being asked, the first of each that its table has.
_DEFAULT_X = ("energy_per_token_j", "energy_per_mac_j", "laser_power_w")
_DEFAULT_Y = ("perplexity", "accuracy", "cosine_p5", "kl_nats", "snr_db")
# Positive values that span more than this get a logarithmic axis.
_LOGARITHMIC_SPAN = 10.0


def run_plot(config: PlotConfig) -> Path:
    """Draw what the options ask for; returns the path of the figure, the PNG where there are both kinds.

    RequestError for a folder without tables, unknown columns, rows that cannot be drawn, and places that cannot be
    written. What a reader has to know beside the figure goes to standard error.
    """
    check_options(config)
    assert config.run is not None, "checked"
    run = open_run(config.run)
    if config.x is None and run.experiment in _OWN_FIGURES:
        return _own_figures(run)
    if config.x is None:
        config = _with_default_columns(run, config)
    table = table_of(run, config)
    rows = read_rows(run, table)
    columns = {option: getattr(config, option) for option in ("x", "y", "hue", "style") if getattr(config, option)}
    logarithmic = _logarithmic(rows, config)
    chart = make_chart(run, rows, config, [columns[option] for option in logarithmic if logarithmic[option]])
    import matplotlib

    from experiments.figures import STYLE
    from experiments.plot_figure import chart_figure

    with matplotlib.rc_context(STYLE):
        figure = chart_figure(chart, columns, _title(run, table), logarithmic)
        path = _save(figure, *_place(run, config, table))
    for note in (chart.left_out, chart.caption):
        if note:
            print(f"exalight plot: {note}", file=sys.stderr)
    return path


def _own_figures(run: Run) -> Path:
    import polars

    try:
        return importlib.import_module(_OWN_FIGURES[run.experiment]).draw(run.folder)[0]
    except (FileNotFoundError, LookupError, ValueError, polars.exceptions.PolarsError) as error:
        raise RequestError(
            f"{run.folder} lacks what the figures of exalight {run.experiment} are drawn from ({error}); "
            "give --x and --y"
        ) from error
    except OSError as error:
        raise _not_writable(run.folder, error) from error


def _with_default_columns(run: Run, config: PlotConfig) -> PlotConfig:
    """The options with columns that a sweep is usually asked for; RequestError where the table has none of them."""
    table, columns = next(iter(run.tables.items()))
    varied = [column for column in run.axes if column in columns and _values(run, table, column) > 1]
    x = next(
        (column for column in (*_DEFAULT_X, *varied) if column in columns and _values(run, table, column) > 1), None
    )
    y = next((column for column in _DEFAULT_Y if column in columns and column != x), None)
    if x is None or y is None:
        raise RequestError(f"{run.folder} has no usual figure; give --x and --y (columns: {', '.join(columns)})")
    # The light, which energy stands for, needs no colour.
    others = [column for column in varied if column not in (x, y) and not column.endswith("laser_power_w")]
    return dataclasses.replace(config, x=x, y=y, hue=others[0] if others else None)


def _values(run: Run, table: str, column: str) -> int:
    return len({row[column] for row in read_rows(run, table) if row[column] is not None})


def _logarithmic(rows: Sequence[Mapping[str, Any]], config: PlotConfig) -> dict[str, bool]:
    """Which of both axes are logarithmic; RequestError where texts are asked to be."""
    chosen = {}
    for option, column in (("x", config.x), ("y", config.y)):
        found = [row[column or ""] for row in rows]
        numbers = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
        finite = [value for value in numbers if math.isfinite(value)]
        if config.log == "auto":
            low, high = min(finite, default=0), max(finite, default=0)
            chosen[option] = low > 0 and high / low > _LOGARITHMIC_SPAN
        else:
            chosen[option] = config.log in (option, "both")
            if chosen[option] and any(isinstance(value, str | bool) for value in found):
                raise RequestError(f"--log {config.log}: --{option} {column} holds no numbers")
    return chosen


def _title(run: Run, table: str) -> str:
    options = run.options
    if run.experiment in ("accuracy", "generate"):
        title = f"{Path(str(options.get('model'))).name} on {Path(str(options.get('engine'))).stem}"
    else:
        swept = f"sweep of {options['experiment']}" if options.get("experiment") else ""
        title = swept or run.experiment or run.folder.resolve().name
    return title if table == "points" else f"{title}: {table.replace('_', ' ')}"


def _place(run: Run, config: PlotConfig, table: str) -> tuple[Path, str, tuple[str, ...]]:
    """Folder, name and kinds of the figure."""
    if config.out is None:
        y_before_x = [column for column in (config.y, config.x, config.hue, config.style) if column]
        name = re.sub(r"[^\w.-]", "_", "-".join(["plot", table, *y_before_x]))
        return run.folder, name, FIGURE_KINDS
    path = Path(config.out)
    return path.parent, path.stem if path.suffix else path.name, (path.suffix[1:],) if path.suffix else FIGURE_KINDS


def _save(figure: Any, folder: Path, name: str, kinds: tuple[str, ...]) -> Path:
    from experiments.figures import save_figure

    try:
        return save_figure(figure, folder, name, kinds)[0]
    except OSError as error:
        raise _not_writable(folder / name, error) from error


def _not_writable(path: Path, error: OSError) -> RequestError:
    reason = error.strerror or type(error).__name__
    return RequestError(f"{path} cannot be written ({reason}); name a FILE that can with --x, --y and --out")
