import itertools

import jax
import pytest

from experiments.accuracy_settings import explanations, sweep
from photonics.catalogue import load_engine


def test_sweep_sets_the_power_alone():
    engine = load_engine("free-space-1024")
    for setting, power_w in zip(sweep((1e-3, 0.02)), (1e-3, 0.02), strict=True):
        assert setting.laser_power_w == power_w
        assert setting.apply(engine) == engine.at(laser_power_w=power_w)
        assert not setting.reaches_panels


def test_labels_are_different_and_fit_into_file_names():
    engine = load_engine("free-space-1024")
    labels = [setting.label for setting in sweep((0.1, 0.10000001, 1e-9)) + explanations(engine, 0.1)]
    assert len(set(labels)) == len(labels)
    assert all("/" not in label and len(label) < 60 for label in labels)


def test_causes_are_switched_off_one_after_the_other():
    engine = load_engine("free-space-1024")
    settings = explanations(engine, 0.3)
    assert [setting.reaches_panels for setting in settings] == [False, False, False, True]
    for before, after in itertools.pairwise(settings):
        assert before.changes.items() <= after.changes.items()
    floor = settings[-1].apply(engine)
    assert floor.source.rin_per_hz == floor.adc.enob_loss == floor.panel.element_residual == 0
    assert floor.panel.rail_residual == floor.optics.crosstalk_residual == 0
    # Rounding itself stays, and so does what makes the structure.
    assert (floor.adc.bits, floor.panel.bits, floor.dac.bits) == (engine.adc.bits, engine.panel.bits, engine.dac.bits)
    # Light noise at the floor is a hundredth of that of the point it explains, or less.
    bright = engine.at(laser_power_w=0.3)
    assert floor.shot_variance_per_light()[0] < 1e-3 * bright.shot_variance_per_light()[0]


@pytest.mark.parametrize(
    ("overrides", "causes"),
    [
        ((), 4),
        (("source.noise=none",), 3),
        (("source.noise=none", "adc.ideal=true"), 2),
        (("panel.fixed_pattern=false",), 4),
        (("panel.fixed_pattern=false", "optics.crosstalk=false"), 3),
    ],
)
def test_causes_that_are_absent_are_left_out(overrides, causes):
    assert len(explanations(load_engine("free-space-1024", overrides), 0.1)) == causes


def test_even_an_ideal_engine_has_a_floor():
    assert len(explanations(load_engine("ideal"), 0.1)) == 1


@pytest.mark.parametrize("name", ["lightening-dota-b", "homodyne", "aoc-2025", "lightmatter-2025-raw"])
def test_no_setting_compiles_anew(name):
    engine = load_engine(name)
    settings = explanations(engine, 1.0)
    assert {jax.tree.structure(setting.apply(engine)) for setting in settings} == {jax.tree.structure(engine)}
    assert len({setting.removed for setting in settings}) == len(settings)
