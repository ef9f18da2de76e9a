"""Settings without effect: switched off is told from zero, and from what only costs."""

import jax
import jax.numpy as jnp
import pytest

from photonics import load_engine
from photonics.settings_in_use import Reason, Unused, reason, unused_settings

X = jax.random.normal(jax.random.key(1), (40, 16))
W = jax.random.normal(jax.random.key(2), (16, 8))


def idle(engine) -> dict[str, Unused]:
    return {unused.path: unused for unused in unused_settings(engine)}


# A setting, the switch and its value that keep it idle, and whether it costs all the same.
CASES = [
    ("optics.crosstalk_residual", "optics.crosstalk", False, False),
    ("panel.element_residual", "panel.fixed_pattern", False, False),
    ("source.rin_per_hz", "source.noise", "none", False),
    ("ranging.sigmas", "ranging.statistic", "fraction", False),
    ("adc.enob_loss", "adc.ideal", True, True),
    ("adc.bits", "adc.ideal", True, True),
    ("dac.bits", "dac.ideal", True, True),
]


@pytest.mark.parametrize(("path", "switch", "value", "costs"), CASES)
def test_a_switch_keeps_its_settings_idle(catalogue, path, switch, value, costs):
    assert path not in idle(catalogue)
    assert idle(catalogue.replace(**{switch: value}))[path].costs == costs


@pytest.mark.parametrize(
    ("path", "switch", "value", "needed"),
    [
        ("panel.rail_residual", "panel.fixed_pattern", False, True),
        ("adc.enob_loss", "adc.ideal", True, False),
        ("dac.bits", "dac.ideal", True, False),
        ("source.rin_per_hz", "source.noise", "none", "independent"),
        ("ranging.fraction", "ranging.statistic", "sigmas", "fraction"),
        # What only costs: a model of the converter's energy that another one does without.
        ("adc.technology_m", "adc.energy_model", "walden", "largest"),
    ],
)
def test_the_switch_is_found(catalogue, path, switch, value, needed):
    assert reason(catalogue.replace(**{switch: value}), path) == Reason(switch, needed)


@pytest.mark.slow  # tries every switch that there is
def test_two_switches_are_no_reason(catalogue):
    assert reason(catalogue.replace(**{"adc.ideal": True}), "ranging.percentile") is None


def test_zero_is_not_off(catalogue):
    zero = {"photodetector.dark_current_a": 0.0, "source.rin_per_hz": 0.0, "optics.crosstalk_residual": 0.0}
    assert idle(catalogue.replace(**zero)) == idle(catalogue)


def test_what_only_costs_is_not_idle(catalogue):
    for path in ("receiver.supply_v", "system.host_power_w", "memory.partial_byte", "panel.reload_time_s"):
        assert path not in idle(catalogue)


def test_a_limit_is_no_setting(catalogue):
    assert "source.power_max_w" not in idle(catalogue)


@pytest.mark.parametrize("name", ["free-space-1024", "ideal"])
def test_idle_settings_change_no_product(name):
    # The claim itself, on numbers: another value, bit for bit the same product.
    engine = load_engine(name).replace(**{"source.count": 32, "panel.outputs": 16})
    product = jax.jit(lambda e: e.matmul(jax.random.key(0), X, W))
    before = product(engine)
    leaves = {".".join(part.name for part in path) for path, _ in jax.tree_util.tree_leaves_with_path(engine)}
    checked = [path for path in idle(engine) if path in leaves]
    assert checked
    for path in checked:
        stage, _, field = path.partition(".")
        value = getattr(getattr(engine, stage), field)
        assert jnp.array_equal(product(engine.replace(**{path: value * 2 + 0.01})), before), path
    if name != "ideal":
        assert not jnp.array_equal(product(engine.replace(**{"optics.transmission": 0.3})), before)


def test_numbers_do_not_matter(catalogue):
    # One structure, one answer: nothing is traced again in a sweep.
    assert unused_settings(catalogue) is unused_settings(catalogue.at(laser_power_w=1e-3))
