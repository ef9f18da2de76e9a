"""The figure of `exalight validate`: from the table alone, every case, also those that cannot be placed."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from experiments.runs import RunFolder
from experiments.tables import write_table
from experiments.validate_plot import draw, ratio_figure


def row(name: str, ratio: float, low: float = 0.9, high: float = 1.1, kind: str = "derived", group: str = "") -> dict:
    return {
        **{"id": name, "group": group, "kind": kind},
        **{"ratio": ratio, "ratio_low": low, "ratio_high": high, "pass": low <= ratio <= high},
    }


def texts(folder, rows) -> str:
    RunFolder(folder, {"experiment": "validate", "options": {}}).open()
    write_table(folder, "points", rows)
    png, svg = draw(folder)
    assert png.read_bytes().startswith(b"\x89PNG")
    root = ElementTree.fromstring(svg.read_bytes())
    return " ".join("".join(node.itertext()) for node in root.iter() if "text" in node.tag)


def test_cases_groups_kinds_and_verdicts_are_named(tmp_path):
    rows = [
        row("one", 1.0, group="Noise"),
        row("two", 1.5, kind="vendor", group="Power"),
        row("two", 1.05, group="Power"),
    ]
    words = texts(tmp_path, rows)
    for expected in ("one", "two", "Noise", "Power", "vendor", "derived", "tolerance", "passes", "fails"):
        assert expected in words


def test_what_passes_by_construction_is_hollow():
    given = {**row("two", 1.0), "by_construction": True}
    axes = ratio_figure([row("one", 1.0), given]).axes[0]
    faces = {line.get_ydata()[0]: line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "D"}
    assert [faces[place] == "white" for place in sorted(faces)] == [False, True]


def test_the_legend_explains_hollow_points_where_there_are_any(tmp_path):
    assert "by construction" not in texts(tmp_path, [row("one", 1.0)])
    assert "by construction" in texts(tmp_path, [{**row("one", 1.0), "by_construction": True}])


@pytest.mark.parametrize("ratio", [1e-9, 0.5, 1.0, 1e9, -2.0, 0.0])
def test_any_ratio_can_be_drawn(tmp_path, ratio):
    assert "one" in texts(tmp_path, [row("one", ratio)])


def test_open_tolerances_and_zeros_are_drawn(tmp_path):
    words = texts(tmp_path, [row("open", 2.0, 1.0, math.inf), row("zero", math.nan, math.nan, math.nan)])
    assert "0 published: zero" in words and "open" in words
