import dataclasses
import math

import jax.numpy as jnp
import pytest
from scipy.special import ndtri

from models.hardware import requirements
from models.hardware.requirements import DECADES, Requirement, alone
from models.hardware.roadmap import Roadmap, build_roadmap
from models.hardware.roadmap_file import read_roadmap_file

ADC, MEMORY, RATE = "adc.walden_fom_j", "memory.near_energy_j_per_byte", "operating_point.symbol_rate_hz"
LASER, PUE, HOST = "source.slope_efficiency", "facility.power_usage_effectiveness", "system.host_power_w"
PATHS = (ADC, MEMORY, RATE, LASER, PUE, HOST)


@pytest.fixture(scope="module")
def roadmap() -> Roadmap:
    file = read_roadmap_file()
    return build_roadmap(dataclasses.replace(file, parameters={path: file.parameters[path] for path in PATHS}))


def energies(values):
    """Energy per operation of a toy machine: a sum of reciprocals, best at some symbol rate; the host does nothing."""
    rate = values[RATE] / 2e9
    light = 2e-15 / values[LASER] * (rate + 1.0 / rate)
    return -jnp.log((3.0 * values[ADC] + 1e-2 * values[MEMORY] + light) * values[PUE])


def ask(roadmap, gain: float) -> tuple[dict[str, Requirement], float]:
    target = float(energies(roadmap.median(2029))) + gain
    return {one.path: one for one in alone(energies, roadmap, 2029, target)}, target


@pytest.mark.parametrize("gain", [0.03, 0.2, 0.3])
def test_put_back_at_the_median_it_reaches_the_target(roadmap, gain):
    found, target = ask(roadmap, gain)
    median = roadmap.median(2029)
    reached = [one for one in found.values() if one.value is not None]
    assert len(reached) >= 2 and tuple(found) == PATHS
    for one in reached:
        put_back = float(energies({**median, one.path: jnp.float32(one.value)}))
        assert put_back == pytest.approx(target, abs=1e-4), one
        assert one.factor == pytest.approx(one.value / float(median[one.path]))
        assert one.best_op_per_j is None and one.best_value is None


def test_a_power_law_has_a_closed_form(roadmap):
    def adc(values):
        return 30.0 - 0.5 * jnp.log(values[ADC] / 1e-15)

    (floor,) = (one.least for path, one in read_roadmap_file().parameters.items() if path == ADC)
    median = roadmap.quantile(ADC, 2029, 0.5)
    found = alone(adc, roadmap, 2029, 30.0 - 0.5 * math.log(0.3 * median / 1e-15))[PATHS.index(ADC)]
    assert found.value == pytest.approx(0.3 * median, rel=1e-4) and found.at_bound is None
    spread = roadmap.spread(2029)[PATHS.index(ADC)]
    assert found.steps == pytest.approx(math.log((0.3 * median - floor) / (median - floor)) / spread, rel=1e-3)


def test_probability_inverts_the_quantiles_on_both_sides(roadmap):
    for path, p in ((MEMORY, 0.05), (LASER, 0.9)):
        value = roadmap.quantile(path, 2029, p)
        sign = 1.0 if p > 0.5 else -1.0

        def linear(values, path=path, sign=sign):
            return sign * jnp.log(values[path])

        found = {one.path: one for one in alone(linear, roadmap, 2029, sign * math.log(value))}[path]
        assert found.probability == pytest.approx(min(p, 1.0 - p), rel=1e-3)
        assert found.steps is not None and found.steps * sign > 0.0
    assert found.steps < ndtri(0.95)


def test_the_nearest_of_two_crossings_is_taken(roadmap):
    """The best rate is 2 GHz: from the median of 1.5 GHz one goes up to it, not beyond it, and not down."""
    found, _ = ask(roadmap, 0.01)
    median = roadmap.quantile(RATE, 2029, 0.5)
    assert median < 1.9e9
    value = found[RATE].value
    assert value is not None and median < value < 2e9
    higher, _ = ask(roadmap, 0.5)
    assert higher[RATE].value is None
    assert higher[RATE].best_value == pytest.approx(2e9, rel=0.05)


def test_what_is_never_reached_shows_how_far_it_gets(roadmap):
    found, target = ask(roadmap, 3.0)
    median = {path: float(value) for path, value in roadmap.median(2029).items()}
    for one in found.values():
        assert (one.value, one.factor, one.steps, one.at_bound, one.probability) == (None, None, None, None, 0.0)
        assert one.best_op_per_j is not None and one.best_op_per_j < math.exp(target)
    # At a slope efficiency of 0.81 and a power usage effectiveness of 1, to the 1e-6 of the room that is left.
    ceiling = float(roadmap.ceiling[PATHS.index(LASER)])
    for path, bound in ((LASER, ceiling), (PUE, 1.0)):
        best = math.exp(float(energies({**median, path: jnp.float32(bound)})))
        assert found[path].best_op_per_j == pytest.approx(best, rel=1e-4)
    # What has no influence stays where it is.
    assert found[HOST].best_value == pytest.approx(median[HOST], rel=1e-6)


def test_a_value_at_its_bound_says_so(roadmap):
    median = roadmap.median(2029)
    target = float(energies({**median, PUE: jnp.float32(1.0002)}))
    found = {one.path: one for one in alone(energies, roadmap, 2029, target)}[PUE]
    assert found.at_bound == "floor" and found.value == pytest.approx(1.0002, abs=1e-5)


def test_no_bound_and_no_end_but_the_documented_decades(roadmap):
    i = PATHS.index(HOST)
    floor = float(roadmap.floor[i])
    median = roadmap.quantile(HOST, 2029, 0.5)
    for decades, reached in ((DECADES - 0.1, True), (DECADES + 0.1, False)):
        far = floor + (median - floor) * 10.0**decades
        found = alone(lambda values: jnp.log(values[HOST]), roadmap, 2029, math.log(far))[i]
        assert (found.value is not None) == reached
    assert found.best_op_per_j == pytest.approx(floor + (median - floor) * 10.0**DECADES, rel=1e-3)


def test_a_target_that_the_median_reaches_asks_for_nothing(roadmap):
    found, _ = ask(roadmap, -0.1)
    for one in found.values():
        assert (one.value, one.factor, one.steps, one.probability) == (one.median, 1.0, 0.0, 0.5)


def test_a_measure_that_fails_far_out_is_no_answer(roadmap):
    def fails(values):
        memory = values[MEMORY] / 1e-13
        return jnp.where(memory < 2.0, jnp.inf, -jnp.log(memory))

    found = {one.path: one for one in alone(fails, roadmap, 2029, -math.log(1.5))}[MEMORY]
    assert found.value is None and found.best_op_per_j == pytest.approx(0.5, rel=0.03)


def test_compiles_once(roadmap):
    ask(roadmap, 0.1)
    before = requirements._compiled._cache_size()
    ask(roadmap, 0.2)
    target = float(energies(roadmap.median(2026)))
    alone(energies, roadmap, 2026, target + 0.1)
    assert requirements._compiled._cache_size() == before


def test_certain_parameters_have_no_steps(roadmap):
    certain = dataclasses.replace(
        roadmap, **{field: jnp.zeros(len(PATHS)) for field in ("below", "above", "rate_below", "rate_above")}
    )
    target = float(energies(certain.median(2029))) + 0.1
    found = [one for one in alone(energies, certain, 2029, target) if one.value is not None]
    assert found and all(one.steps is None and one.probability == 0.0 for one in found)
