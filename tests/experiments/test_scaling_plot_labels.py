"""Words, numbers and places that the figures of `exalight scaling` share."""

import math
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.scaling_plot_labels import finite, log_scale, machine, name_ends, parameter, percent, quantity, spread
from models.hardware.roadmap_file import read_roadmap_file


def test_parameters_have_short_names_of_their_own():
    names = [parameter(path) for path in read_roadmap_file("default").parameters]
    assert len(set(names)) == len(names) and max(map(len, names)) <= 30
    assert {"symbol rate", "host power", "near memory energy", "panel reload time"} <= set(names)
    assert parameter("process_node") == parameter("factor.process_node") == "process node"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("NVIDIA A100 SXM 80GB (Ampere)", "A100"),
        ("NVIDIA GB300 in NVL72, one GPU (Blackwell Ultra)", "GB300"),
        ("AMD Instinct MI355X", "MI355X"),
        ("Intel Gaudi 3 OAM", "Gaudi 3"),
        ("Groq LPU v1", "Groq LPU v1"),
        ("(none)", "(none)"),
    ],
)
def test_chips_are_called_as_people_call_them(name, short):
    assert machine(name) == short


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.68e-15, "J", "2.68 fJ"),
        (5e-4, "s", "500 \u00b5s"),
        (4.58e12, "byte/s", "4.58 TB/s"),
        (6.3e-13, "J/byte", "630 fJ/B"),
        (0.42, "1", "0.42"),
        (None, "J", "-"),
    ],
)
def test_quantities(value, unit, text):
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1e-4, "<1 %"), (0.5, "50 %"), (0.999, ">99 %"), (1.0, "100 %"), (0.01, "1 %"), (0.99, "99 %")],
)
def test_only_certainty_is_0_or_100_percent(share, text):
    assert percent(share) == text


def test_places_are_spread_as_little_as_possible():
    assert spread([0.0, 5.0, 1.0], 1.0) == pytest.approx([0.0, 5.0, 1.0])
    assert spread([2.0, 2.0, 2.0], 1.0) == pytest.approx([1.0, 2.0, 3.0])
    # Least squares keeps the mean of a cluster, and the order.
    random = np.random.default_rng(0)
    places = random.uniform(0, 5, 12)
    found = np.array(spread(list(places), 0.4))
    assert found.mean() == pytest.approx(places.mean())
    order = np.argsort(places)
    assert np.all(np.diff(found[order]) >= 0.4 - 1e-12)
    assert spread([], 1.0) == []


def test_what_a_logarithmic_axis_cannot_show_is_a_gap():
    shown = finite([1.0, 0.0, None, -2.0, math.inf])
    assert shown[0] == 1.0 and all(math.isnan(value) for value in shown[1:])


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0001], [1e-9, 1e9], [math.nan, 2.0, 5.0]])
def test_logarithmic_limits_hold_the_values(values):
    axes = Figure().subplots()
    log_scale(axes.yaxis, values)
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log" and axes.get_xscale() == "linear"
    assert all(low < value < high for value in values if value == value)
    assert high / low > 1.5 and len([tick for tick in axes.get_yticks() if low <= tick <= high]) >= 1


def test_names_at_the_ends_do_not_cover_each_other_and_gaps_have_none():
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1])
    ends = [(1.0, 0.5 + 0.001 * index, f"curve {index}", "black") for index in range(6)]
    name_ends(axes, [*ends, (1.0, math.nan, "nothing", "black")])
    figure.draw_without_rendering()
    assert len(axes.texts) == 6
    frame = axes.get_window_extent()
    notes: list[Any] = list(axes.texts)
    places = sorted(note.xyann[1] for note in notes)
    assert places[0] > 0 and places[-1] <= 1
    assert min(np.diff(places)) * frame.height > 8.0 * figure.dpi / 72
