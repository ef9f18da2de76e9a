"""Options of `exalight plot`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.errors import RequestError
from experiments.option_checks import check_not_empty

FIGURE_KINDS = ("png", "svg")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlotConfig:
    """Draw a run or a sweep again from its tables: any column against any other, or the figures of its command.

    Where several rows share x, hue and style (seeds, instances, whatever else was swept), the line goes through their
    medians and the band holds the middle half of them. Rows that failed or have no finite value are left out, and
    counted on standard error. The last line on standard output is the path of the figure.

    For example:

    exalight plot runs/accuracy/1a2b3c4d5e

    exalight plot runs/mine --x energy_per_token_j --y perplexity --hue rotate

    exalight plot runs/mine --table layers --x laser_power_w --y snr_db --hue rotate --out layers.svg
    """

    run: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="RUN", help_behavior_hint="(required)")] = (
        None
    )
    """Folder of a run."""

    x: Annotated[str | None, tyro.conf.arg(metavar="COLUMN", help_behavior_hint="(default: as the command drew)")] = (
        None
    )
    """Column along the horizontal axis."""

    y: Annotated[str | None, tyro.conf.arg(metavar="COLUMN", help_behavior_hint="(default: as the command drew)")] = (
        None
    )
    """Column along the vertical axis."""

    hue: Annotated[str | None, tyro.conf.arg(metavar="COLUMN", help_behavior_hint="(default: none)")] = None
    """Column whose values get a colour each."""

    style: Annotated[str | None, tyro.conf.arg(metavar="COLUMN", help_behavior_hint="(default: none)")] = None
    """Column whose values get a kind of line and marker each."""

    table: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: the first that fits)")] = (
        None
    )
    """Table of the run, for example points or layers: the name of a Parquet file without its ending."""

    log: Literal["auto", "x", "y", "both", "none"] = "auto"
    """Logarithmic axes; auto: for positive values that span more than a factor of 10."""

    out: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: RUN/plot-<table>-<y>-<x>.png and .svg)"),
    ] = None
    """Figure to write: FILE.png or FILE.svg; both for a name without ending."""


def check_options(config: PlotConfig) -> None:
    """Refuse options that are wrong whatever the files hold; RequestError names option, value and what is right."""
    check_not_empty(config, ("x", "y", "hue", "style", "table", "out"))
    if not config.run:
        raise RequestError("exalight plot needs the folder of a run: exalight plot RUN --x COLUMN --y COLUMN")
    if (config.x is None) != (config.y is None):
        given, missing = ("y", "x") if config.x is None else ("x", "y")
        raise RequestError(f"--{given} {getattr(config, given)} needs --{missing} COLUMN as well")
    if config.x is None:
        for option in ("hue", "style", "table", "out"):
            if getattr(config, option) is not None:
                raise RequestError(f"--{option} {getattr(config, option)} needs --x COLUMN and --y COLUMN as well")
    if config.out is not None:
        ending = Path(config.out).suffix
        if ending and ending[1:] not in FIGURE_KINDS:
            raise RequestError(f"--out {config.out}: figures are written as .png or .svg")
