"""Quantities against closed forms, and that each answers to what it should and to nothing else."""

import math

import numpy as np
import pytest

import photonics
from experiments import validate_quantities_errors as errors
from experiments import validate_quantities_noise as noise
from experiments import validate_quantities_system as system
from experiments.errors import RequestError
from experiments.validate_operands import peaked, photons_per_mac, product
from experiments.validate_quantities import QUANTITIES

SHOT = ("photodetector.shot_noise=true", "encoding.rotate=false", "source.count=64")
SMALL = {"outputs": 32, "vectors": 128}


def asked(room, name, engine, **given):
    return getattr(room, name)(engine, **QUANTITIES[name].filled(given))


def ideal(*overrides):
    return photonics.load_engine("ideal", overrides)


@pytest.mark.parametrize("path", ["fast", "reference"])
def test_shot_noise_follows_the_photons(path):
    # 4096 outputs know a deviation to 1 / sqrt(2 4096) = 1.1 %; 5 sigma.
    found = asked(noise, "relative_noise", ideal(*SHOT), photons_per_mac=4.0, path=path, **SMALL)
    assert found == pytest.approx(1 / math.sqrt(64 * 4), rel=0.055)
    dark = asked(
        noise, "relative_noise", ideal("encoding.rotate=false", "source.count=64"), photons_per_mac=4.0, **SMALL
    )
    assert dark < 1e-5


def test_photons_asked_for_are_detected():
    engine = photonics.load_engine("free-space-1024", ["source.count=64"])
    given = {"activations": "normal", "weights": "normal", "path": "fast", "seed": 1, "inputs": None}
    done = product(engine, photons_per_mac=7.0, **given, **SMALL)
    assert photons_per_mac(done) == pytest.approx(7.0, rel=1e-3)


def test_an_offset_is_twice_as_noisy_as_rails():
    rails = asked(noise, "noise_photons", ideal(*SHOT), photons=100.0, **SMALL)
    offset = asked(noise, "noise_photons", ideal(*SHOT, "encoding.weight_sign=offset"), photons=100.0, **SMALL)
    assert rails == pytest.approx(math.sqrt(100.0 * 64 / 4), rel=0.06)
    # A photon is a unit of (w + 1)/2: the same photons per unit of light, twice the error in units of w.
    assert offset == pytest.approx(2 * rails, rel=0.06)


def test_energy_of_a_sample_gives_the_signal_to_noise_that_it_is_for():
    engine = photonics.load_engine("free-space-1024")
    for limit in ("shot", "receiver", "both"):
        electrons = asked(noise, "sample_energy", engine, bits=5.0, noise=limit) * float(engine.electrons_per_joule())
        shot = 2 * float(engine.noise_band()) * electrons if limit != "receiver" else 0.0
        readout = float(engine.readout_variance()) if limit != "shot" else 0.0
        assert electrons**2 / (shot + readout) == pytest.approx(10 ** ((6.02 * 5 + 1.76) / 10))


def test_throughput_power_and_energy_agree():
    engine = photonics.load_engine("free-space-1024")
    rate, power_w = asked(system, "throughput", engine, engines=3), asked(system, "power", engine, engines=3)
    assert asked(system, "energy_per_op", engine, engines=3) == pytest.approx(power_w / rate)
    assert asked(system, "tops_per_w", engine) == pytest.approx(1e-12 * rate / power_w)
    assert asked(system, "engines_needed", engine, throughput_op_per_s=rate) == pytest.approx(3)
    parts = asked(system, "power", engine, part="laser + adc")
    single = [asked(system, "power", engine, part=part) for part in ("laser", "adc")]
    assert parts == pytest.approx(sum(single)) and parts < power_w / 3
    assert 2 * asked(system, "energy_per_op", engine) == pytest.approx(
        asked(system, "energy_per_mac", engine), rel=1e-6
    )


def test_reloaded_panels_show_vectors_for_a_share_of_the_time():
    engine = photonics.load_engine("free-space-1024", ["panel.reload_time_s=1e-6"])
    given = {"model_weights": 4 * 1024**2, "engines": 2, "vectors": 1000}
    # Two passes at 1 GHz for 1000 vectors are 2 us, and 1 us is lost for each panel.
    assert asked(system, "reload_utilisation", engine, **given) == pytest.approx(2 / 3)
    assert asked(system, "reloads", engine, model_weights=4 * 1024**2, engines=2) == 2


def test_light_speeds_up_what_is_limited_by_computing_alone():
    engine = photonics.load_engine("free-space-1024")
    rate = asked(system, "throughput", engine)
    given = {"model_weights": 1e9, "digital_op_per_s": rate / 50, "memory_byte_per_s": 1e12, "weight_byte": 1.0}
    assert asked(system, "speedup", engine, tokens=10**9, **given) == pytest.approx(50)
    assert asked(system, "speedup", engine, tokens=1, **given) == 1.0


def test_an_unknown_part_and_an_unpublished_area_are_refused():
    engine = photonics.load_engine("free-space-1024")
    with pytest.raises(RequestError, match="the nearest is 'adc'"):
        asked(system, "power", engine, part="adcs")
    with pytest.raises(RequestError, match="no area is published"):
        asked(system, "area", engine)


def test_gains_and_offsets_are_found_again():
    random = np.random.default_rng(0)
    exact, gain, offset = random.normal(size=(500, 3)), np.array([0.8, 1.0, 1.3]), np.array([0.1, 0.0, -0.4])
    found = errors.fitted(exact, exact * gain + offset)
    assert found[0] == pytest.approx(gain) and found[1] == pytest.approx(offset)


def test_statistics_of_rounding_alone():
    adc = ("adc.ideal=false", "adc.bits=8", "adc.enob_loss=0", "ranging.statistic=fraction", "ranging.fraction=1")
    engine = ideal("encoding.rotate=false", "source.count=64", *adc)
    given = {"outputs": 32, "vectors": 512}
    # Uniform rounding: LSB / sqrt 12, no gain error, excess kurtosis -1.2, p99 0.99 sqrt 3.
    assert asked(errors, "error_std_lsb", engine, **given) == pytest.approx(1 / math.sqrt(12), rel=0.05)
    assert asked(errors, "error_excess_kurtosis", engine, **given) == pytest.approx(-1.2, abs=0.1)
    assert asked(errors, "error_p99_over_std", engine, **given) == pytest.approx(0.99 * math.sqrt(3), rel=0.05)
    assert asked(errors, "gain_mean", engine, **given) == pytest.approx(1.0, abs=0.01)
    raw, corrected = (asked(errors, name, engine, **given) for name in ("snr_db", "snr_db_after_affine"))
    assert corrected == pytest.approx(raw, abs=0.3)


@pytest.mark.parametrize(
    ("engine", "given", "expected"),
    [
        (("encoding.rotate=false",), {}, "the ADC of the engine is ideal"),
        (("adc.ideal=false", "encoding.rotate=true"), {}, "rotation moves the peak"),
        (("adc.ideal=false", "encoding.rotate=false", "source.count=16"), {"inputs": 32}, "fits one tile"),
    ],
)
def test_codes_need_one_tile_and_a_converter(engine, given, expected):
    with pytest.raises(RequestError, match=expected):
        asked(errors, "error_std_lsb", ideal(*engine), outputs=4, vectors=8, **given)


def test_an_exact_product_has_no_ratio():
    with pytest.raises(RequestError, match="the product is exact"):
        errors._ratio_db(np.ones(3), np.zeros(3))


def test_peaks_stand_apart_and_set_the_scale():
    x = peaked(np.random.default_rng(0).normal(size=(5, 200)), 1, 0, 6.0)
    w = peaked(np.random.default_rng(1).normal(size=(200, 4)), 0, 1, 6.0)
    assert np.argmax(np.abs(x), axis=1).tolist() == [0] * 5 and np.argmax(np.abs(w), axis=0).tolist() == [1] * 4
    rms = np.sqrt(np.mean(np.square(np.delete(x, 0, axis=1)), axis=1))
    assert np.abs(x[:, 0]) / rms == pytest.approx(np.full(5, 6.0), rel=0.05)
