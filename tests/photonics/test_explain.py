"""An explanation holds the budgets of the engine, adds up, and is plain data."""

import json
import math

import jax
import pytest

from photonics import load_engine
from photonics.explain import explain, measured_filling
from tests.photonics.family_engines import FREE_SPACE


@pytest.mark.parametrize("name", FREE_SPACE)
def test_budgets_are_those_of_the_engine(name):
    engine = load_engine(name)
    told = explain(engine)
    assert told.engine == name
    assert list(told.link) == engine.link_budget()
    assert list(told.noise) == engine.noise_budget()
    assert told.power_w == pytest.approx({part: float(watt) for part, watt in engine.power_budget().items()})
    assert list(told.power_w.values()) == sorted(told.power_w.values(), reverse=True)


@pytest.mark.parametrize("name", FREE_SPACE)
def test_an_explanation_is_plain_json(name):
    told = explain(load_engine(name)).to_dict()
    again = json.loads(json.dumps(told, allow_nan=False))
    assert again == told
    assert again["link"][0]["name"] == "one source"
    assert again["warnings"] and set(again["warnings"][0]) == {"code", "severity", "path", "message"}


def test_electrons_of_one_conversion(catalogue):
    told = explain(catalogue)
    electrons = told.electrons
    variance = sum(term.variance_electrons2 for term in told.noise)
    assert electrons.noise_rms == pytest.approx(math.sqrt(variance))
    # The catalogue engine takes 10 sigmas and 10 bits: 511 steps on each side.
    assert electrons.full_scale == pytest.approx(10 * electrons.signal_rms)
    assert electrons.lsb == pytest.approx(electrons.full_scale / 511)
    assert told.snr_db is not None and told.effective_bits is not None
    assert told.snr_db == pytest.approx(20 * math.log10(electrons.signal_rms / electrons.noise_rms))
    # The ratio of a full-scale sine and the rounding of that many bits: 3/2 4^bits.
    assert 10 * math.log10(1.5 * 4**told.effective_bits) == pytest.approx(told.snr_db, abs=0.01)
    # The last step of the link, in electrons per symbol.
    per_symbol = told.link[-1].power_w / told.symbol_rate_hz * electrons.per_joule
    assert per_symbol == pytest.approx(float(catalogue.electrons_per_path()))


def test_no_noise_has_no_ratio():
    told = explain(load_engine("ideal"))
    assert told.snr_db is None and told.effective_bits is None and told.filling is None
    assert told.electrons.full_scale > told.electrons.signal_rms > 0


@pytest.mark.parametrize("changes", [{}, {"encoding.repetitions": 2, "encoding.weight_sign": "offset"}])
def test_photons_per_mac_are_those_of_a_product(small, changes):
    engine = small({"source.count": 64, "panel.outputs": 64, "encoding.rotate": False, **changes})
    x = jax.random.normal(jax.random.key(1), (64, 64))
    w = jax.random.normal(jax.random.key(2), (64, 64))
    counted = float(engine.detected_electrons(x, engine.load_panel(w, sample=x))) / 64**3
    # Typical operands have a peak to first order, about 15 % high at this length: each operand's magnitude follows.
    assert explain(engine).photons_per_mac == pytest.approx(counted / 1.15**2, rel=0.15)
    assert explain(engine.at(laser_power_w=6e-2)).photons_per_mac == pytest.approx(2 * explain(engine).photons_per_mac)


def test_light_that_the_panel_absorbs(catalogue):
    launched_w = 1024 * float(catalogue.operating_point.laser_power_w)
    assert 0 < explain(catalogue).absorbed_w < launched_w
    assert explain(catalogue.at(laser_power_w=6e-2)).absorbed_w == pytest.approx(2 * explain(catalogue).absorbed_w)


def test_filling_of_a_sample_agrees_with_normal_signals(small):
    # Two tiles of 32 inputs, whose converters are counted together.
    engine = small({"ranging.sigmas": 2.0, "source.count": 32, "panel.outputs": 64})
    x = jax.random.normal(jax.random.key(1), (128, 64))
    w = jax.random.normal(jax.random.key(2), (64, 64))
    told, measured = explain(engine).filling, measured_filling(engine, x, w)
    assert told is not None
    assert (told.measured, measured.measured) == (False, True)
    # 2 Q(2) = 4.6 %: of 16,384 signals 745 clip, give or take 4 %; they are not quite normal.
    assert measured.clipped_share == pytest.approx(0.0455, rel=0.25)
    assert told.clipped_share == pytest.approx(0.0455, rel=0.03)
    assert measured.full_scale_over_rms == pytest.approx(2.0, rel=0.05)


def test_a_loaded_panel_keeps_its_ranges(small):
    engine = small({"ranging.sigmas": 4.0})
    x = jax.random.normal(jax.random.key(1), (64, 32))
    w = jax.random.normal(jax.random.key(2), (32, 16))
    panel = engine.load_panel(w, sample=x)
    # Rms signals of the sample itself set the ranges; the noise in it is some parts in a thousand.
    half = engine.load_panel(w, ranges=(panel.full_scale / 2, panel.activation_scale))
    assert measured_filling(engine, x, half).full_scale_over_rms == pytest.approx(4.0 / 2, rel=0.02)


def test_a_sample_needs_weights(small):
    with pytest.raises(ValueError, match="needs both"):
        explain(small(), sample=jax.numpy.ones((4, 4)))
    with pytest.raises(ValueError, match="needs both"):
        explain(small(), w=jax.numpy.ones((4, 4)))


def test_wrong_shapes_are_refused(small):
    with pytest.raises(ValueError, match="length 5"):
        explain(small(), sample=jax.numpy.ones((4, 5)), w=jax.numpy.ones((6, 4)))
