import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import photonics
from models.hardware.required_light import RequiredLight
from photonics.catalogue import apply_overrides, build_engine, read_engine_file
from photonics.free_space import FreeSpaceEngine

LASER_W = 0.0317
INPUTS = 600.0
SHOT = ("shot noise of the signal light", "shot noise of the extinction floors")


def build(*overrides: str) -> FreeSpaceEngine:
    engine = build_engine(apply_overrides(read_engine_file("free-space-1024"), overrides))
    assert isinstance(engine, FreeSpaceEngine)
    return engine


def light_of(engine: FreeSpaceEngine, **changed) -> RequiredLight:
    """What a run on this engine would have found necessary, with the noise of its own budget."""
    budget = {term.origin: term.variance_electrons2 for term in engine.noise_budget()}
    electrons, readout = float(engine.electrons_per_path()), float(engine.readout_variance())
    light = RequiredLight(
        electrons_per_path=electrons,
        shot_variance_per_electron=sum(budget[origin] for origin in SHOT) / electrons,
        readout_variance=readout,
        readout_weight=budget["receiver"] / readout,
        noise_band=float(engine.noise_band()),
        inputs_per_tile=INPUTS,
    )
    return dataclasses.replace(light, **changed)


@pytest.fixture(scope="module")
def run() -> FreeSpaceEngine:
    engine = photonics.load_engine("free-space-1024").at(laser_power_w=LASER_W)
    assert isinstance(engine, FreeSpaceEngine)
    return engine


@pytest.fixture(scope="module")
def light(run) -> RequiredLight:
    return light_of(run)


@pytest.fixture(scope="module")
def integrating() -> FreeSpaceEngine:
    return build(
        "receiver.kind=integrating", "receiver.capacitance_f=2e-14", "receiver.reset_v=0.5",
        "receiver.amplifier_power_w=3e-4", "receiver.output_swing_v=0.5",
    )  # fmt: skip


def excess(light: RequiredLight, engine: FreeSpaceEngine, electrons: float) -> float:
    """Relative variance of this engine at so many electrons, over that of the run."""
    shot = light.shot_variance_per_electron * engine.noise_band() / light.noise_band * electrons
    return float((shot + light.readout_weight * engine.readout_variance()) / electrons**2 / light.relative_variance())


def test_the_run_itself_needs_what_it_had(run, light):
    # A quadratic is solved back: some roundings of float32.
    assert float(light.electrons(run, INPUTS)) == pytest.approx(float(run.electrons_per_path()), rel=2e-6, abs=0.0)
    assert float(light.power_w(run, INPUTS)) == pytest.approx(LASER_W, rel=2e-6, abs=0.0)
    lit = light.lit(run.at(laser_power_w=1.0), INPUTS)
    assert float(lit.operating_point.laser_power_w) == pytest.approx(LASER_W, rel=2e-6, abs=0.0)
    assert lit.operating_point.symbol_rate_hz == run.operating_point.symbol_rate_hz


@pytest.mark.parametrize("changed", [{"receiver.noise_factor": 1.0}, {"photodetector.quantum_efficiency": 0.4}, {}])
@pytest.mark.parametrize("rate_hz", [1e7, 1e9, 8e9])
def test_other_engines_get_the_relative_noise_of_the_run(run, light, changed, rate_hz):
    engine = run.replace(**changed).at(symbol_rate_hz=rate_hz)
    assert excess(light, engine, float(light.electrons(engine, INPUTS))) == pytest.approx(1.0, rel=3e-6, abs=0.0)
    # The power is that which puts so many electrons there.
    lit = engine.at(laser_power_w=light.power_w(engine, INPUTS))
    assert float(lit.electrons_per_path()) == pytest.approx(float(light.electrons(engine, INPUTS)), rel=1e-6, abs=0.0)


def test_shot_limited(run, light):
    # Without receiver noise on either side e = a / r = e_run; a noisier run left room, e = e_run / (1 + b R / a e).
    silent = dataclasses.replace(light, readout_variance=0.0)
    cold = run.at(temperature_k=1e-9)
    assert float(silent.electrons(cold, INPUTS)) == pytest.approx(float(run.electrons_per_path()), rel=1e-6, abs=0.0)
    room = 1.0 + light.readout_weight * light.readout_variance / (
        light.shot_variance_per_electron * light.electrons_per_path
    )
    expected = float(run.electrons_per_path()) / room
    assert float(light.electrons(cold, INPUTS)) == pytest.approx(expected, rel=1e-6, abs=0.0)
    assert float(light.shot_electrons(run, INPUTS)) == pytest.approx(expected, rel=1e-6, abs=0.0)


def test_readout_limited(run, light):
    # Where readout noise is all there is, electrons are proportional to its deviation.
    dim = dataclasses.replace(light, shot_variance_per_electron=1e-9)
    needed = [float(dim.electrons(run.at(temperature_k=kelvin), INPUTS)) for kelvin in (300.0, 1200.0)]
    assert needed[1] / needed[0] == pytest.approx(2.0, rel=1e-5, abs=0.0)
    assert needed[0] == pytest.approx(float(run.electrons_per_path()), rel=1e-5, abs=0.0)


def test_a_better_receiver_needs_less_and_never_less_than_shot(run, light):
    needed = [
        float(light.electrons(run.replace(**{"receiver.noise_factor": factor}), INPUTS))
        for factor in (100.0, 4.0, 1.0, 0.1, 0.0)
    ]
    least = float(light.shot_electrons(run, INPUTS))
    assert all(more > less for more, less in itertools.pairwise(needed))
    assert needed[-1] > least  # the channel of the input transistor is left
    assert float(light.electrons(run.at(temperature_k=0.0), INPUTS)) == pytest.approx(least, rel=1e-6, abs=0.0)


def test_a_wider_noise_band_needs_more(run, light):
    # Shot noise is 2 beta e: with the band of a one-pole filter of 1 GHz, beta = pi / 2, it is pi times as much.
    wide = build("receiver.filter=one-pole", "receiver.bandwidth_hz=1e9").at(symbol_rate_hz=1e9)
    ratio = float(light.shot_electrons(wide, INPUTS) / light.shot_electrons(run, INPUTS))
    assert ratio == pytest.approx(np.pi, rel=1e-5, abs=0.0)


def test_per_dot_product_falls_with_the_inputs_up_to_the_fan_in(run, light):
    per_product = dataclasses.replace(light, held="per-dot-product")
    whole = float(light.electrons(run, INPUTS))
    for inputs, share in [(300.0, 1.0), (600.0, 1.0), (900.0, 600 / 900), (1024.0, 600 / 1024), (5000.0, 600 / 1024)]:
        assert float(light.electrons(run, inputs)) == whole
        assert float(per_product.electrons(run, inputs)) == pytest.approx(whole * share, rel=1e-6, abs=0.0)
        least = float(light.shot_electrons(run, inputs))
        assert float(per_product.shot_electrons(run, inputs)) == pytest.approx(least * share, rel=1e-6, abs=0.0)


def test_a_panel_narrower_than_that_of_the_run_gets_no_less_light(run):
    wide = light_of(run, inputs_per_tile=1900.0)
    per_product = dataclasses.replace(wide, held="per-dot-product")
    assert float(per_product.electrons(run, 1024.0)) >= float(wide.electrons(run, 1024.0)) * (1.0 - 1e-6)


@pytest.mark.parametrize("receiver", ["transimpedance", "integrating"])
@pytest.mark.parametrize("power_max_w", [1e-5, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("noise", [1e-3, 1.0, 1e3])
def test_weak_sources_slow_symbols_until_they_suffice(run, light, integrating, receiver, power_max_w, noise):
    own = run if receiver == "transimpedance" else integrating
    engine = own.replace(**{"source.power_max_w": power_max_w}).at(temperature_k=300.0 * noise)
    lit = light.lit(engine, INPUTS)
    slowed = float(lit.operating_point.symbol_rate_hz)
    asked = float(engine.operating_point.symbol_rate_hz)
    needed = float(light.power_w(engine, INPUTS))
    if needed <= power_max_w:
        assert slowed == asked
        assert float(lit.operating_point.laser_power_w) == pytest.approx(needed, rel=1e-6, abs=0.0)
        return
    assert slowed < asked
    # Twelve steps, each of which leaves at most half of the error in ln f; power ~ f^0.5 at the least.
    assert float(lit.operating_point.laser_power_w) == pytest.approx(power_max_w, rel=1e-3, abs=0.0)
    assert excess(light, lit, float(lit.electrons_per_path())) == pytest.approx(1.0, rel=1e-5, abs=0.0)


def test_readout_limited_sources_slow_by_the_square(run, light):
    # e ~ sqrt(R) ~ f^-1/2 with the noise of the feedback resistor alone, so power ~ f^1/2: half the power, a quarter.
    dim = dataclasses.replace(light, shot_variance_per_electron=1e-6)
    engine = run.replace(**{"receiver.channel_noise_factor": 0.0})
    needed = float(dim.power_w(engine, INPUTS))
    rate_hz = dim.lit(engine.replace(**{"source.power_max_w": needed / 2.0}), INPUTS).operating_point.symbol_rate_hz
    assert float(rate_hz / engine.operating_point.symbol_rate_hz) == pytest.approx(0.25, rel=2e-3, abs=0.0)


@pytest.mark.parametrize("power_max_w", [1.0, 1e3, 1e6, 1e12, float("inf")])
def test_the_rate_is_never_above_what_was_asked(run, light, power_max_w):
    lit = light.lit(run.replace(**{"source.power_max_w": jnp.float32(power_max_w)}), INPUTS)
    assert float(lit.operating_point.symbol_rate_hz) == float(run.operating_point.symbol_rate_hz)
    assert float(lit.operating_point.laser_power_w) == pytest.approx(LASER_W, rel=2e-6, abs=0.0)


@pytest.mark.parametrize("power_max_w", [1e-5, 1e-3, 0.1, 1e6, 1e12])
def test_gradients_are_finite_on_both_sides_of_the_limit(run, light, power_max_w):
    def both(values):
        lit = light.lit(run.replace(**values), INPUTS).operating_point
        return jnp.log(lit.laser_power_w) + jnp.log(lit.symbol_rate_hz)

    values = {
        "source.power_max_w": jnp.float32(power_max_w),
        "operating_point.symbol_rate_hz": jnp.float32(1e9),
        "receiver.noise_factor": jnp.float32(2.0),
        "receiver.input_capacitance_f": jnp.float32(5e-14),
        "photodetector.quantum_efficiency": jnp.float32(0.8),
        "optics.transmission": jnp.float32(0.5),
    }
    slopes = jax.grad(both)(values)
    assert all(np.isfinite(float(slope)) for slope in slopes.values()), slopes
    # Where sources are strong enough, their limit decides nothing; elsewhere the rate that was asked for does not,
    # up to what the steps leave of where they started: 2^-12 in ln f.
    if power_max_w > 0.05:
        assert float(slopes["source.power_max_w"]) == 0.0
    else:
        assert abs(float(slopes["operating_point.symbol_rate_hz"])) * 1e9 < 1e-3


@pytest.mark.parametrize("power_max_w", [1e-3, 0.1])
def test_gradients_are_those_of_differences(run, light, power_max_w):
    def rate_and_power(noise_factor):
        changed = {"source.power_max_w": power_max_w, "receiver.noise_factor": noise_factor}
        lit = light.lit(run.replace(**changed), INPUTS).operating_point
        return jnp.log(lit.symbol_rate_hz) + jnp.log(lit.laser_power_w)

    slope = float(jax.grad(rate_and_power)(jnp.float32(2.0)))
    # Central difference: float32 leaves 1e-6 of a logarithm of about 17, over 0.2; its own bias is (0.1 / 2)^2 / 3.
    difference = float(rate_and_power(jnp.float32(2.1)) - rate_and_power(jnp.float32(1.9))) / 0.2
    assert slope == pytest.approx(difference, rel=5e-3, abs=3e-5)


def test_a_one_pole_receiver_that_slower_symbols_do_not_help_is_never_called_accurate(run, light):
    # Its band stays when symbols last longer: noise grows as the light does, and the power needed is the same.
    engine = build("receiver.filter=one-pole", "receiver.bandwidth_hz=1e9")
    slow, fast = (float(light.power_w(engine.at(symbol_rate_hz=rate), INPUTS)) for rate in (1e6, 1e9))
    assert slow == pytest.approx(fast, rel=1e-4, abs=0.0)
    lit = light.lit(engine.replace(**{"source.power_max_w": fast / 10.0}), INPUTS)
    power_w, rate_hz = (float(lit.operating_point.laser_power_w), float(lit.operating_point.symbol_rate_hz))
    # Either the light that the accuracy asks for, at no rate below 1 symbol/s, or no number at all.
    assert np.isnan(power_w) or (power_w == pytest.approx(fast, rel=1e-3, abs=0.0) and rate_hz >= 1.0)


@pytest.mark.parametrize("rate_hz", [1e8, 1.5e9, 1e10])
def test_compiled_or_not_it_is_the_same_light(light, rate_hz):
    # What does not change is folded by the compiler, and must not leave float32 on the way.
    engine = build("receiver.kind=transimpedance")
    at = jnp.float32(rate_hz)
    eager = light.power_w(engine.at(symbol_rate_hz=at), INPUTS)
    compiled = jax.jit(lambda one: light.power_w(engine.at(symbol_rate_hz=one), INPUTS))(at)
    assert float(compiled) == pytest.approx(float(eager), rel=1e-5, abs=0.0)
