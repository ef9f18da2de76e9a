"""The figure of `exalight bench`: from the table alone, a marker per shape, targets where there are some."""

import xml.etree.ElementTree as ElementTree

import pytest

from experiments.bench_plot import draw
from experiments.runs import RunFolder
from experiments.tables import write_table


def case(name: str, shape: tuple[int, int, int] | None, ratio: float, target: float | None) -> dict:
    m, k, n = shape or (1024, None, None)
    return {
        "title": name,
        **{"m": m, "k": k, "n": n},
        **{"ratio_low": 0.9 * ratio, "ratio_median": ratio, "ratio_high": 1.2 * ratio, "target_ratio": target},
    }


ROWS = [
    case("as catalogued", (512, 1024, 1024), 1.7, 1.75),
    case("as catalogued", (512, 768, 3072), 1.9, 1.85),
    case("from weights", (512, 1024, 1024), 13.0, None),
    case("a model", None, 2.3, 1.8),
]


def texts(folder, rows, **options) -> str:
    RunFolder(folder, {"experiment": "bench", "options": {"engine": "free-space-1024", "set": [], **options}}).open()
    write_table(folder, "cases", rows)
    png, svg = draw(folder)
    assert png.read_bytes().startswith(b"\x89PNG")
    root = ElementTree.fromstring(svg.read_bytes())
    return " ".join("".join(node.itertext()) for node in root.iter() if "text" in node.tag)


def test_cases_shapes_and_targets_are_named(tmp_path):
    words = texts(tmp_path, ROWS, set=["adc.bits=8"])
    for expected in ("as catalogued", "from weights", "512 x 768 x 3072", "whole model", "asked for, at most", "10"):
        assert expected in words
    assert "free-space-1024 with adc.bits=8: optical over plain time" in words


@pytest.mark.parametrize("ratio", [0.4, 1.0, 300.0])
def test_one_ratio_of_any_size_can_be_drawn(tmp_path, ratio):
    words = texts(tmp_path, [case("ideal", (4, 4, 4), ratio, None)])
    assert "asked for" not in words and " 1 " in f" {words} "
