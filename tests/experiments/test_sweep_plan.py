import dataclasses

import pytest

from experiments.errors import RequestError
from experiments.sweep_axes import read_axes
from experiments.sweep_config import SweepConfig
from experiments.sweep_plan import make_plan
from tests.experiments.swept import SWEPT, Swept


def plan(*items: str, **options):
    config = SweepConfig(experiment="swept", set=items, **options)
    return make_plan(config, SWEPT, read_axes(SWEPT, items), Swept())


def test_points_have_options_engine_fields_seeds_and_instances():
    points = plan("x=0.5,1", "adc.bits=8,6", seeds=2, instances=2, seed=7).points
    assert len(points) == 16
    first = points[0].point
    assert (first.options, first.engine_set, first.facts) == ({"x": 0.5}, ("adc.bits=8",), {"of": "tests"})
    assert [(one.point.seed, one.point.instance) for one in points[:4]] == [(7, 0), (8, 0), (7, 1), (8, 1)]
    assert points[0].settings == {"x": 0.5, "adc.bits": 8}
    assert len({one.identity for one in points}) == 16


def test_a_default_that_is_set_is_told_to_the_experiment():
    (planned,) = plan("x=0", "n=1").points
    assert planned.point.options == {"x": 0.0, "n": 1}


def test_spelling_does_not_matter():
    assert plan("x=1e-1").sha256 == plan("x=0.10").sha256
    assert plan("adc.bits=8", "x=1").points[0].identity == plan("x=1", "adc.bits=8").points[0].identity


def test_chunks_hold_one_group_and_keep_repetitions_together():
    chunks = plan("x=0:1:lin3", "n=1,2", seeds=3).chunks
    assert [len(chunk.points) for chunk in chunks] == [3] * 6
    for chunk in chunks:
        assert len({(one.point.options.get("n"), one.point.options.get("x")) for one in chunk.points}) == 1


def test_chunks_are_filled_and_many_repetitions_are_divided():
    assert [len(chunk.points) for chunk in plan("x=0:1:lin9").chunks] == [4, 4, 1]
    assert [len(chunk.points) for chunk in plan("x=0,1", seeds=6).chunks] == [4, 2, 4, 2]
    assert [len(chunk.points) for chunk in plan("x=0:1:lin3", seeds=2).chunks] == [4, 2]


def test_one_fabricated_engine_comes_after_the_other():
    made = plan("x=0,1", seeds=2, instances=2)
    assert [[one.point.instance for one in chunk.points] for chunk in made.chunks] == [[0] * 4, [1] * 4]
    assert [one.point.seed for one in made.chunks[0].points] == [0, 1, 0, 1]
    # The table has them side by side all the same.
    assert [one.point.instance for one in made.points] == [0, 0, 1, 1] * 2


def test_all_points_are_in_one_chunk_each():
    made = plan("x=0:1:lin5", "n=1,2,3", seeds=3, instances=2)
    inside = [one.identity for chunk in made.chunks for one in chunk.points]
    assert sorted(inside) == sorted(one.identity for one in made.points)
    assert len({chunk.name for chunk in made.chunks}) == len(made.chunks)


def test_chunks_do_not_depend_on_who_computes():
    assert plan("x=0:1:lin9", workers=1).chunks == plan("x=0:1:lin9", workers=7).chunks


def test_combinations_that_do_not_fit_are_refused_alone():
    made = plan("x=-1,1", "n=1,2", seeds=2)
    assert [one.refused for one in made.points] == ["x is -1; it should be at least 0"] * 4 + [None] * 4
    assert sum(len(chunk.points) for chunk in made.chunks) == 4
    assert len(made.refused) == 4


def test_a_request_that_fits_nowhere_is_refused():
    with pytest.raises(RequestError, match="x is -2"):
        plan("x=-2,-1")


def test_each_configuration_is_checked_once():
    seen = []

    class Counting(Swept):
        def facts(self, options, engine_set):
            seen.append((dict(options), engine_set))
            return {}

    config = SweepConfig(experiment="swept", set=("x=0,1",), seeds=5, instances=3)
    make_plan(config, SWEPT, read_axes(SWEPT, config.set), Counting())
    assert len(seen) == 2


def test_another_file_is_another_point():
    (planned,) = plan("x=1").points
    other = dataclasses.replace(planned.point, facts={"of": "others"})
    assert other.identity != planned.identity
