"""How every figure looks, and how it is written: one style, colours that all readers can tell apart, PNG and SVG."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.runs import write_file

# P. Tol's muted scheme for the parts of a whole; small parts together are grey.
PARTS = ("#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499")
OTHER = "#BBBBBB"
# Behind a text that stands on lines.
HALO = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
# For `matplotlib.rc_context`; text of an SVG stays text, and its identifiers stay the same from run to run.
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "exalight",
}


_METADATA: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}}


def save_figure(figure: Figure, folder: Path, name: str, kinds: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write a figure as `name`.png and `name`.svg into a folder, each whole or not at all; returns the files."""
    files = []
    for kind in kinds:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=160, metadata=_METADATA[kind])
        files.append(folder / f"{name}.{kind}")
        write_file(files[-1], buffer.getvalue())
    return files
