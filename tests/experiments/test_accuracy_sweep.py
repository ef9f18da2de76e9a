import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

from experiments import accuracy_sweep, accuracy_sweep_request, evaluation
from experiments.accuracy_sweep import AccuracySweep
from experiments.accuracy_sweep_request import STATIC_NUMBERS
from experiments.accuracy_sweep_rows import shared_calls
from experiments.errors import RequestError
from experiments.sweepable import Failed, Point, Row
from photonics.catalogue import build_engine, read_engine_file
from tests.photonics.family_engines import FREE_SPACE

# Two windows, and no crosstalk because its pre-distortion is slow to compile.
ENGINE_SET = ("optics.crosstalk=false",)
STRONG_W, WEAK_W = 0.2, 0.01


class Sweep:
    """Points of the tiny model, and what the swept experiment makes of them."""

    def __init__(self, model: Path) -> None:
        self.options = {"model": str(model), "tokens": 32, "context": 16}
        self.experiment = AccuracySweep()

    def point(
        self, *engine_set: str, seed: int = 0, instance: int | None = None, laser_power_w: float = STRONG_W, **more: Any
    ) -> Point:
        options = {**self.options, "laser_power_w": laser_power_w, **more}
        chosen = tuple(sorted((*ENGINE_SET, *engine_set)))
        facts = self.experiment.facts(options, chosen)
        return Point("accuracy", options, chosen, seed, instance, facts)

    def rows(self, *points: Point) -> list[Row]:
        found = list(self.experiment.evaluate(points))
        assert [point for point, _ in found] == list(points)
        assert not [row for _, row in found if isinstance(row, Failed)], found
        return [row for _, row in found if not isinstance(row, Failed)]


@pytest.fixture(scope="module")
def sweep(tiny_model_folder: Path) -> Iterator[Sweep]:
    yield Sweep(tiny_model_folder)
    accuracy_sweep._KEPT = None


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often weights were encoded, converters ranged, and windows computed."""
    counts = {"load_panels": 0, "calibrate": 0, "score_seeds": 0}

    def counted(holder: Any, name: str) -> None:
        original = getattr(holder, name)

        def call(*arguments: Any) -> Any:
            counts[name] += 1
            return original(*arguments)

        monkeypatch.setattr(holder, name, call)

    counted(evaluation, "load_panels")
    counted(evaluation, "calibrate")
    counted(evaluation.OpticalModel, "score_seeds")
    return counts


def test_no_point_sees_the_others_of_its_chunk(sweep):
    points = [
        sweep.point(),
        sweep.point("panel.element_residual=0.05"),
        sweep.point(instance=1),
        sweep.point("ranging.sigmas=4"),
        sweep.point(laser_power_w=WEAK_W),
        sweep.point(instance=0),
    ]
    together = sweep.rows(*points)
    alone = [sweep.rows(point)[0] for point in reversed(points)]
    assert together == alone[::-1]
    # The first engine is number 0; another value or another engine is another answer.
    assert together[5] == together[0]
    assert len({row["kl_nats"] for row in together}) == 5
    assert all(row["beyond_power_max"] is (row is not together[4]) for row in together)


def test_panels_and_ranges_only_where_they_change(sweep, calls):
    sweep.rows(sweep.point())
    before = dict(calls)
    sweep.rows(*(sweep.point(laser_power_w=power_w) for power_w in (0.3, 0.1, 0.03)))
    assert calls == before | {"score_seeds": before["score_seeds"] + 3}
    sweep.rows(*(sweep.point("adc.enob_loss=0.5", instance=i) for i in (1, 2)), sweep.point("adc.enob_loss=0.25"))
    assert calls["load_panels"] == before["load_panels"] + 3
    assert calls["calibrate"] == before["calibrate"]
    sweep.rows(sweep.point("ranging.sigmas=5"))
    assert calls["calibrate"] == before["calibrate"] + 1


def test_what_only_costs_is_not_computed_again(sweep, calls):
    rows = sweep.rows(sweep.point(), sweep.point("digital.op_energy_j=1e-9"), sweep.point(panels=1))
    assert calls["score_seeds"] == 1
    assert len({row["kl_nats"] for row in rows}) == 1
    assert len({row["energy_per_token_j"] for row in rows}) == 3


def test_seeds_share_calls_and_keep_their_own_draws(sweep, calls):
    seeds = (0, 1, 2, 7, 8, 9)
    rows = sweep.rows(*(sweep.point(seed=seed, laser_power_w=WEAK_W) for seed in seeds))
    # Four seeds of two windows fill a call; six seeds make two calls of three.
    assert calls["score_seeds"] == 2
    assert len({row["kl_nats"] for row in rows}) == len(seeds)
    for seed, row in ((0, rows[0]), (9, rows[5])):
        (alone,) = sweep.rows(sweep.point(seed=seed, laser_power_w=WEAK_W))
        # Other shapes sum in another order, which flips single codes of a converter; seeds differ by a tenth.
        assert row["kl_nats"] == pytest.approx(alone["kl_nats"], rel=0.02)
        assert row["photons_per_mac"] == alone["photons_per_mac"]


def test_batches_follow_one_another(sweep, calls, monkeypatch):
    points = [sweep.point(tokens=96, laser_power_w=WEAK_W, seed=seed) for seed in (0, 1)]
    together = sweep.rows(*points)
    assert calls["score_seeds"] == 2  # six windows of two seeds do not fit into one call
    monkeypatch.setattr(evaluation, "BATCH_WINDOWS", 2)
    monkeypatch.setattr(accuracy_sweep, "_KEPT", None)
    for whole, parts in zip(together, sweep.rows(*points), strict=True):
        # Other shapes flip single codes; windows differ by some ten per cent.
        assert parts["kl_nats"] == pytest.approx(whole["kl_nats"], rel=0.02)
        assert parts["digital_perplexity"] == pytest.approx(whole["digital_perplexity"], rel=1e-5)
    assert calls["score_seeds"] == 2 + 2 * 3


def test_a_poisoned_point_fails_alone(sweep, monkeypatch):
    good = sweep.point()
    stranger = dataclasses.replace(good, facts={**good.facts, "model": "another"})
    wrong = dataclasses.replace(good, options={**good.options, "tokens": 4})
    poisoned = sweep.point(laser_power_w=0.15)
    score = evaluation.OpticalModel.score_seeds

    def failing(self, batch, reference, seeds):
        if self._laser_power_w() == pytest.approx(0.15):
            raise ValueError("a point\nthat fails")
        return score(self, batch, reference, seeds)

    def power_w(self):
        from photonics.layers.opticalize import optical_seams

        return float(optical_seams(self._model)[0].dot().hardware[0].get_value().operating_point.laser_power_w.max())

    monkeypatch.setattr(evaluation.OpticalModel, "score_seeds", failing)
    monkeypatch.setattr(evaluation.OpticalModel, "_laser_power_w", power_w, raising=False)
    points = (stranger, good, poisoned, wrong, sweep.point(laser_power_w=WEAK_W))
    found = [row for _, row in AccuracySweep().evaluate(points)]
    assert [isinstance(row, Failed) for row in found] == [True, False, True, True, False]
    errors = [row.error for row in found if isinstance(row, Failed)]
    assert "the model is another one here" in errors[0]
    assert errors[1] == "ValueError: a point that fails"
    assert "--tokens 4" in errors[2]
    assert [found[1], found[4]] == sweep.rows(good, points[4])


GROUPED = (
    ("adc.bits=6", True),
    ("encoding.weight_percentile=99", True),
    ("encoding.activation_percentile=99", True),
    ("source.count=512", True),
    ("source.noise=common", True),
    ("receiver.noise_factor=3", False),
    ("panel.element_residual=0.02", False),
    ("adc.enob_loss=0.5", False),
)


@pytest.mark.parametrize(("change", "another"), GROUPED)
def test_groups_are_structures(sweep, change, another):
    assert (sweep.experiment.group(sweep.point(change)) != sweep.experiment.group(sweep.point())) is another


def test_another_generator_gives_other_draws_of_the_same_law(sweep):
    counter, threefry = sweep.point(laser_power_w=WEAK_W), sweep.point(laser_power_w=WEAK_W, generator="threefry")
    assert sweep.experiment.group(counter) != sweep.experiment.group(threefry)
    (theirs,), (ours,), (again,) = sweep.rows(threefry), sweep.rows(counter), sweep.rows(threefry)
    assert theirs == again
    assert theirs["kl_nats"] != ours["kl_nats"]
    # 30 tokens each: far less apart than no noise or twice the noise would be.
    assert 0.5 < theirs["kl_nats"] / ours["kl_nats"] < 2


def test_groups_hold_everything_that_compiles_anew(sweep):
    group = sweep.experiment.group
    same = [sweep.point(seed=3), sweep.point(instance=4), sweep.point(laser_power_w=WEAK_W), sweep.point(panels=3)]
    assert {group(point) for point in same} == {group(sweep.point())}
    others = [
        sweep.point(rotate="off"),
        sweep.point(context=8),
        sweep.point(tokens=16),
        sweep.point(digital="lm_head"),
        sweep.point(engine="free-space-2048"),
    ]
    assert len({group(point) for point in (*others, *same)}) == len(others) + 1


@pytest.mark.parametrize("name", FREE_SPACE)
def test_static_numbers_are_those_that_engines_have(name):
    file = read_engine_file(name)
    structure = jax.tree.structure(build_engine(file))
    for path, value in file.values.items():
        if isinstance(value, float):
            another = dataclasses.replace(file, values={**file.values, path: value + 1.0})
            static = jax.tree.structure(build_engine(another)) != structure
            assert static is (path in STATIC_NUMBERS), path


def test_files_are_read_once(sweep, monkeypatch):
    read = []
    original = accuracy_sweep_request.model_and_data
    monkeypatch.setattr(
        accuracy_sweep_request, "model_and_data", lambda config: read.append(config) or original(config)
    )
    accuracy_sweep_request._read.cache_clear()
    facts = [sweep.point(laser_power_w=1e-3 * (index + 1)).facts for index in range(200)]
    assert len(read) == 1
    assert all(fact == facts[0] for fact in facts)
    assert set(facts[0]) == {"model", "text", "engine"}
    assert sweep.point("adc.bits=6").facts["engine"] != facts[0]["engine"]
    assert len(read) == 1


@pytest.mark.parametrize(
    ("options", "engine_set", "expected"),
    [
        ({"laser_power_w": -1.0}, (), "above 0 W"),
        ({"laser_power_w": "much"}, (), "expected a number of watts"),
        ({"laser_power_w": (0.1, 0.2)}, (), "one laser power"),
        ({"rotate": "both"}, (), "rotate=on,off"),
        ({"rotate": "maybe"}, (), "expected one of on, off"),
        ({"tokens": "many"}, (), "expected a whole number"),
        ({"tokens": 4}, (), "less than one window"),
        ({"panels": "few"}, (), "'resident' or a whole number"),
        ({"seed": 1}, (), "--seeds"),
        ({"out": "there"}, (), "--out"),
        ({"devices": 2}, (), "--workers"),
        ({"tokkens": 64}, (), "did you mean tokens?"),
        ({"engine": "no-such"}, (), "unknown engine"),
        ({"model": "no-such"}, (), "no-such"),
        ({}, ("adc.bits=99",), "adc.bits"),
        ({}, ("encoding.rotate=true",), "rotate=on,off"),
        ({"laser_power_w": 0.1}, ("operating_point.laser_power_w=0.2",), "same value"),
    ],
)
def test_what_makes_no_point_is_refused(sweep, options, engine_set, expected):
    with pytest.raises(RequestError, match=expected):
        sweep.experiment.facts({**sweep.options, **options}, engine_set)


def test_the_power_of_the_file_is_the_default(sweep):
    request = accuracy_sweep_request.check_point(sweep.options, ENGINE_SET)
    assert request.laser_power_w == read_engine_file("free-space-1024").values["operating_point.laser_power_w"]
    assert request.rotate
    (said,) = accuracy_sweep_request.check_point(
        sweep.options, ("operating_point.laser_power_w=0.2",)
    ).config.laser_power_w
    assert said == 0.2


@pytest.mark.parametrize(
    ("seeds", "most", "expected"),
    [
        ([5], 4, [(5,)]),
        ([0, 1, 2], 1, [(0,), (1,), (2,)]),
        ([0, 1, 2, 3], 4, [(0, 1, 2, 3)]),
        ([0, 1, 2, 3, 4], 4, [(0, 1, 2), (3, 4, 0)]),
        (list(range(9)), 4, [(0, 1, 2), (3, 4, 5), (6, 7, 8)]),
    ],
)
def test_seeds_in_calls(seeds, most, expected):
    assert shared_calls(seeds, most) == expected


def test_planning_needs_no_jax(sweep):
    code = (
        "import json, sys; from experiments.accuracy_sweep import AccuracySweep; "
        "AccuracySweep().facts(json.loads(sys.argv[1]), ('adc.bits=7',)); raise SystemExit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, json.dumps(sweep.options)], check=False).returncode == 0
