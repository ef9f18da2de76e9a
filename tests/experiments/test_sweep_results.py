import math

import numpy as np
import pytest

from experiments.sweep_axes import read_axes
from experiments.sweep_config import SweepConfig
from experiments.sweep_plan import make_plan
from experiments.sweep_results import best, errors, summary_rows, table_rows, write_tables
from experiments.tables import read_table
from tests.experiments.swept import SWEPT, Swept


class Found:
    """A plan with what was found: y by (x, seed, instance)."""

    def __init__(self, values, *items: str, **options) -> None:
        config = SweepConfig(experiment="swept", set=items, **options)
        self.axes = read_axes(SWEPT, items)
        self.plan = make_plan(config, SWEPT, self.axes, Swept())
        self.finished = {}
        for planned in self.plan.points:
            y = values(planned.settings["x"], planned.point.seed, planned.point.instance)
            row = {"error": "too dark"} if y is None else {"y": y, "word": "w", "x": -1.0, "error": None}
            if planned.refused is None:
                self.finished[planned.identity] = {"identity": planned.identity, **row}
        self.rows = table_rows(self.plan, self.finished)
        self.summary = summary_rows(self.plan, self.rows, self.axes)


def test_the_table_is_tidy_and_in_the_order_of_the_plan():
    found = Found(lambda x, seed, instance: None if x == 2 else x + seed, "x=-1,1,2,3", seeds=2)
    assert list(found.rows[0]) == ["identity", "x", "seed", "instance", "y", "word", "error"]
    assert [row["x"] for row in found.rows] == [-1.0, -1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    assert [row["y"] for row in found.rows] == [None, None, 1.0, 2.0, None, None, 3.0, 4.0]
    assert [row["error"] for row in found.rows[2:6]] == [None, None, "too dark", "too dark"]
    assert found.rows[0]["error"] == "x is -1; it should be at least 0"
    assert [one["x"] for one in errors(found.rows)] == [-1.0, -1.0, 2.0, 2.0]


def test_seeds_are_averaged_and_failures_left_out():
    values = {0: 1.0, 1: 4.0, 2: None, 3: 4.0}
    (line,) = Found(lambda x, seed, instance: values[seed], "x=1", seeds=4).summary
    assert line == {
        "x": 1.0,
        "points": 4,
        "failed": 1,
        "y": 3.0,
        # Deviation sqrt(3) of three values.
        "y_standard_error": pytest.approx(1.0),
    }


def test_one_point_has_no_standard_error():
    (line,) = Found(lambda x, seed, instance: 2.0, "x=1").summary
    assert (line["y"], line["y_standard_error"]) == (2.0, None)


def test_the_standard_error_is_that_of_seeds_and_instances_together():
    # y = a(seed) + b(instance) + c, normal: the variance of the mean is A^2 / 8 + B^2 / 16 + C^2 / 128.
    a, b, c = 0.5, 2.0, 0.25
    rng = np.random.default_rng(0)
    ours, means = [], []
    for _ in range(200):
        of_seed, of_instance, own = a * rng.normal(size=8), b * rng.normal(size=16), c * rng.normal(size=(8, 16))
        y = of_seed[:, None] + of_instance + own
        (line,) = Found(lambda x, seed, instance, y=y: float(y[seed, instance]), "x=1", seeds=8, instances=16).summary
        assert line["y"] == pytest.approx(y.mean())
        ours.append(line["y_standard_error"] ** 2)
        means.append(line["y"])
    expected = a**2 / 8 + b**2 / 16 + 2 * c**2 / 128
    # Deviation of a mean of 200 estimates, each with at least 7 degrees of freedom.
    assert np.mean(ours) == pytest.approx(expected, rel=5 * math.sqrt(2 / 7 / 200))
    assert np.var(means) == pytest.approx(expected, rel=5 * math.sqrt(2 / 200))


def test_the_best_combination_is_that_of_the_smallest_mean():
    found = Found(lambda x, seed, instance: (x - 2) ** 2 + (-100 if seed == 9 else 0), "x=1,2,3", seeds=2)
    assert best(found.summary, "y") is not None
    assert best(found.summary, "y")["x"] == 2.0  # pyright: ignore[reportOptionalSubscript]
    assert best(found.summary, "nothing") is None
    most = best(found.summary, "y", largest=True)
    assert most is not None and most["y"] == max(line["y"] for line in found.summary if line["y"] is not None)


def test_tables_as_files(tmp_path):
    found = Found(lambda x, seed, instance: x, "x=1,2", "what=a,b")
    write_tables(tmp_path, found.rows, found.summary)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "points.csv",
        "points.parquet",
        "summary.csv",
        "summary.parquet",
    ]
    assert read_table(tmp_path, "points")["x"].to_list() == [1.0, 1.0, 2.0, 2.0]
