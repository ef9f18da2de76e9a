"""Looking at every product of a call: ranges from a sample, errors against exact products."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from photonics.dot_general import exact
from photonics.layers import calibrate, load_panels, measure, opticalize, reseed
from photonics.layers.opticalize import optical_seams
from tests.photonics.layers.small_models import continuous, filled, rounded, run, stack

KEYS = jax.random.split(jax.random.key(7), 4)


def normal(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape), jnp.float32)


SAMPLE, X = normal(4, 60, 8, seed=1), normal(4, 60, 8, seed=2)


class Chain(nnx.Module):
    """Two layers, the second on what the first gives."""

    def __init__(self, rngs):
        self.first, self.second = nnx.Linear(8, 30, rngs=rngs), nnx.Linear(30, 20, rngs=rngs)

    def hidden(self, x):
        return nnx.silu(self.first(x))

    def __call__(self, x):
        return self.second(self.hidden(x))


def chain(engine, rules=None):
    model = filled(Chain)
    opticalize(model, engine, rules=rules, rngs=nnx.Rngs(noise=0))
    return model


def full_scales(model) -> list[np.ndarray]:
    return [np.asarray(seam.dot().ranges[0].get_value()[0]) for seam in optical_seams(model)]


# Calibration -----------------------------------------------------------------------------------------------------


def test_ranges_are_those_of_the_engine_on_the_same_activations():
    model, plain = chain(rounded()), filled(Chain)
    calibrate(model, lambda called: called(SAMPLE))
    inputs = {"first": SAMPLE, "second": plain.hidden(SAMPLE)}  # exact, although the converters clip and round
    for seam in optical_seams(model):
        x, w = inputs[seam.names[0]], seam.module.kernel[...]
        panel = jax.jit(lambda w, x: rounded().load_panel(w, sample=x))(w, x)
        full_scale, activation_scale = seam.dot().ranges[0].get_value()
        assert full_scale.shape == (-(-x.shape[-1] // 12), w.shape[1])  # fan-in tiles, outputs
        np.testing.assert_allclose(full_scale, panel.full_scale, rtol=1e-5)
        assert activation_scale == 1.0
        # Every output has a range of its own.
        assert len(np.unique(np.asarray(full_scale))) > 0.8 * full_scale.size


def test_ranges_come_from_the_sample_and_stay():
    model = chain(rounded())
    assert model.first.dot_general.ranges[0] is None
    calibrate(model, lambda called: called(SAMPLE))
    by_sample = full_scales(model)
    run(model, X)
    for before, after in zip(by_sample, full_scales(model), strict=True):
        np.testing.assert_array_equal(before, after)
    # What is measured would have given others: a sample and a text are disjoint for a reason.
    calibrate(model, lambda called: called(X))
    assert all(np.max(np.abs(a / b - 1)) > 1e-2 for a, b in zip(full_scales(model), by_sample, strict=True))


def test_every_layer_of_a_stack_has_ranges_of_its_own():
    model = stack(3)
    coarse = rounded().replace(**{"adc.bits": 6})
    rules = [("layers/0/", None), ("layers/1/", coarse), (".*", rounded())]
    opticalize(model, rounded(), rules=rules, rngs=nnx.Rngs(noise=0))
    calibrate(model, lambda called: called(SAMPLE))
    up = model.layers.up.dot_general
    assert [ranges.get_value()[0].shape for ranges in up.ranges] == [(3, 1, 14), (3, 1, 14)]
    scale = np.asarray(up.ranges[0].get_value()[0])
    assert np.all(np.std(scale, axis=0) > 0)
    # The same statistic, whatever the bits: both structures saw the same exact activations.
    np.testing.assert_array_equal(scale, up.ranges[1].get_value()[0])
    plain = stack(3)
    inputs = plain.layers.norm.scale[...][0] * SAMPLE / jnp.sqrt(jnp.mean(SAMPLE**2, axis=-1, keepdims=True) + 1e-6)
    panel = jax.jit(lambda w, x: rounded().load_panel(w, sample=x))(plain.layers.up.kernel[...][0], inputs)
    np.testing.assert_allclose(scale[0], panel.full_scale, rtol=1e-4)


def test_static_activation_scales_need_and_get_a_sample():
    static = continuous().replace(**{"encoding.activation_scale": "static"})
    model = chain(static, [("first", static)])
    with pytest.raises(ValueError, match=r"static activation scales need a calibration sample of shape \(\.\.\., k\)"):
        run(model, X)
    calibrate(model, lambda called: called(SAMPLE))
    assert float(model.first.dot_general.ranges[0].get_value()[1]) == pytest.approx(float(jnp.max(jnp.abs(SAMPLE))))
    reseed(model, KEYS)
    assert bool(jnp.all(jnp.isfinite(run(model, X))))


def test_observing_leaves_nothing_behind():
    model = chain(rounded())
    reseed(model, KEYS)
    load_panels(model)
    calibrate(model, lambda called: called(SAMPLE))
    for seam in optical_seams(model):
        dot = seam.dot()
        assert (dot.mode, dot.record) == ("compute", None)
        assert [panel for panel in dot.panels if panel is not None] == []  # encoded with the old ranges: dropped
        assert int(dot.count[...]) == 0  # exact products take no draw

    def fails(called):
        called(SAMPLE)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        measure(model, fails)
    assert {seam.dot().mode for seam in optical_seams(model)} == {"compute"}


# Measurement -----------------------------------------------------------------------------------------------------


def snr_db(noisy, true) -> float:
    noisy, true = np.asarray(noisy, np.float64), np.asarray(true, np.float64)
    return 10 * np.log10(np.sum(true**2) / np.sum((noisy - true) ** 2))


def test_the_error_of_a_layer_is_that_of_the_engine_alone():
    # The first layer digital, so that the inputs of the second are known.
    model = chain(rounded(), [("second", rounded())])
    calibrate(model, lambda called: called(SAMPLE))
    reseed(model, KEYS)
    (record,) = measure(model, lambda called: called(X))
    x, w = filled(Chain).hidden(X), model.second.kernel[...]
    ranges = model.second.dot_general.ranges[0].get_value()

    @jax.jit
    def alone(key, x, w):
        panel = rounded().load_panel(w, instance=model.second.dot_general.instance[...], ranges=ranges)
        return rounded().matmul(key, x, panel), rounded().detected_electrons(x, panel)

    y, electrons = alone(jax.random.key(99), x, w)
    assert (record.name, record.macs) == ("second", x.size * w.shape[1])
    assert record.electrons_per_mac == pytest.approx(float(electrons) / record.macs, rel=1e-4)
    # 4,800 errors of another key: sqrt(2 / 4800) is 2 %, 0.09 dB; five of these.
    assert record.snr_db == pytest.approx(snr_db(y, exact(x, w)), abs=0.45)
    assert 5 < record.snr_db < 60
    # Under the same keys it is what the model then computes.
    reseed(model, KEYS)
    assert record.snr_db == pytest.approx(snr_db(run(model, X) - model.second.bias[...], exact(x, w)), abs=1e-3)


def test_layers_of_a_stack_are_measured_one_by_one():
    powers_w = {"layers/1/up": 1e-6, "layers/2/up": 1e-4}
    rules = [("layers/0/|down|head", None)]
    rules += [(name, continuous().at(laser_power_w=power_w)) for name, power_w in powers_w.items()]
    model = stack(3)
    opticalize(model, continuous(), rules=rules, rngs=nnx.Rngs(noise=0))
    reseed(model, KEYS)
    traces = []

    def call(called):
        traces.append(1)
        return called(X)

    records = {record.name: record for record in measure(model, call)}
    assert set(records) == set(powers_w)  # digital layers have no error to measure
    assert {record.macs for record in records.values()} == {X.size * 14}
    dim, bright = records["layers/1/up"], records["layers/2/up"]
    assert bright.snr_db > dim.snr_db + 20  # shot noise alone gives 20 dB, readout noise up to 40
    # Light in proportion to power; other activations and weights move it by less than half.
    assert bright.electrons_per_mac / dim.electrons_per_mac == pytest.approx(100, rel=0.5)
    again = {record.name: record for record in measure(model, call)}
    assert again["layers/1/up"].snr_db != dim.snr_db  # another call, other draws
    assert again["layers/1/up"].snr_db == pytest.approx(dim.snr_db, abs=1)


def test_exact_products_have_a_finite_ratio():
    engine = continuous().replace(**{"photodetector.shot_noise": False, "receiver.capacitance_f": 0.0})
    model = chain(engine)
    assert all(100 < record.snr_db < 1000 for record in measure(model, lambda called: called(X)))
