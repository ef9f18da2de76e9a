"""Each remark appears when it should and not otherwise, and tells the numbers."""

import dataclasses
import math

import jax
import pytest

from photonics import load_engine
from photonics.explain import explain
from photonics.remarks import CHECKS, Facts, Filling, Warning_, fill_share, unused_range
from photonics.work import Contraction, Work


def remarks(engine, **known) -> dict[str, Warning_]:
    return {remark.code: remark for remark in explain(engine, **known).warnings}


# What brings each remark about: changes of the catalogue engine, which gives none of them; path; words of the message.
CASES = {
    "source_above_limit": (
        {"operating_point.laser_power_w": 0.3},
        "operating_point.laser_power_w",
        ("0.3 W", "0.1 W", "3 times"),
    ),
    "few_electrons": (
        {"operating_point.laser_power_w": 1e-7},
        "operating_point.laser_power_w",
        ("photoelectrons", "matmul_reference"),
    ),
    "noise_above_signal": ({"operating_point.laser_power_w": 1e-4}, "operating_point.laser_power_w", ("receiver",)),
    # 2 Q(3) = 0.27 %
    "clipped_codes": ({"ranging.sigmas": 3.0}, "ranging.sigmas", ("0.27%", "3 times")),
    # log2(64 / 4) = 4 bits
    "unused_range": ({"ranging.sigmas": 64.0}, "ranging.sigmas", ("4.0 of 10 bits",)),
    "idle_adc_bits": ({"operating_point.laser_power_w": 3e-3}, "adc.bits", ("last 2 bits", "adc.bits = 8")),
    "idle_dac_bits": ({"operating_point.laser_power_w": 3e-3}, "dac.bits", ("last 3 bits", "dac.bits = 5")),
    "idle_panel_bits": ({"operating_point.laser_power_w": 3e-3}, "panel.bits", ("last 3 bits", "panel.bits = 5")),
    "converter_without_noise": ({"adc.enob_loss": 0.0}, "adc.enob_loss", ("all of its 10 bits",)),
    "bits_beyond_enob": ({"adc.bits": 12, "adc.enob_loss": 4.0}, "adc.bits", ("12 bits", "8 are", "last 4 bits")),
    "costs_without_effect": ({"dac.ideal": True}, "dac.bits", ("costs energy or time",)),
    "panel_too_hot": ({"panel.absorbed_power_max_w": 2.0}, "panel.absorbed_power_max_w", ("stands 2 W",)),
    "receiver_saturates": (
        {"receiver.output_swing_v": 1e-3},
        "receiver.output_swing_v",
        ("readout.saturates is false", "times"),
    ),
    "photodiode_saturates": (
        {"photodetector.saturation_current_a": 1e-4},
        "photodetector.saturation_current_a",
        ("photodetector.saturates is false",),
    ),
    # exp(-2 pi / 2) = 4.32 %
    "symbols_leak": (
        {"modulator.settling": True, "modulator.bandwidth_hz": 5e8},
        "modulator.bandwidth_hz",
        ("4.32%", "modulator.bandwidth_hz"),
    ),
}


@pytest.fixture(scope="module")
def usual(catalogue):
    return remarks(catalogue)


@pytest.mark.parametrize("code", CASES)
def test_a_remark_appears_when_it_should(catalogue, usual, code):
    changes, path, words = CASES[code]
    assert code not in usual
    found = remarks(catalogue.replace(**changes))[code]
    assert found.path == path
    assert all(word in found.message for word in words), found.message
    # One sentence, which says what to do.
    assert found.message.endswith(".") and "\n" not in found.message


def test_the_catalogue_engine_has_only_alternatives_idle(catalogue):
    found = explain(catalogue).warnings
    assert {remark.code for remark in found} == {"no_effect"}
    assert all(remark.severity == "note" for remark in found)


def test_every_check_is_seen(catalogue):
    # One remark at least of every check is in CASES or in a test of its own below.
    own = {"unfilled_panels", "idle_settings", "idle_operand_bits", "converter_noise", "saturation"}
    assert {check.__name__ for check in CHECKS} == (set(CASES) & {check.__name__ for check in CHECKS}) | own


def test_warnings_come_before_notes(catalogue):
    found = explain(catalogue.replace(**{"ranging.sigmas": 3.0})).warnings
    severities = [remark.severity for remark in found]
    assert severities == sorted(severities, reverse=True)
    assert severities[0] == "warning" and severities[-1] == "note"


def test_fewer_bits_cost_what_the_remark_says(catalogue):
    # The promise of idle_adc_bits: a tenth of the variance at most, and the power of that converter.
    dim = catalogue.at(laser_power_w=3e-3)
    before, after = explain(dim), explain(dim.replace(**{"adc.bits": 8}))
    assert before.electrons.noise_rms < after.electrons.noise_rms < before.electrons.noise_rms * 1.1**0.5
    assert (
        f"take {after.power_w['adc']:.3g} W instead of {before.power_w['adc']:.3g} W"
        in remarks(dim)["idle_adc_bits"].message
    )
    # One bit less again would add more than that.
    assert "idle_adc_bits" not in remarks(dim.replace(**{"adc.bits": 8}))


def test_a_tenth_is_the_border_of_idle_bits(catalogue):
    def others_over_rounding(engine) -> float:
        terms = {term.origin: term.variance_electrons2 for term in engine.noise_budget()}
        own = terms["activation rounding"]
        return (sum(terms.values()) - own) / own

    for power_w in (1e-3, 5e-3, 1e-2, 3e-2):
        engine = catalogue.at(laser_power_w=power_w)
        # A bit less makes four times the variance.
        assert ("idle_dac_bits" in remarks(engine)) == (others_over_rounding(engine) >= 4 / 0.1)


@pytest.mark.parametrize(("statistic", "path"), [("percentile", "ranging.margin"), ("fraction", "ranging.fraction")])
def test_the_setting_that_scales_the_range_is_named(catalogue, statistic, path):
    engine = catalogue.replace(**{"ranging.statistic": statistic, path: 0.02})
    assert remarks(engine)["clipped_codes"].path == path


def test_an_ideal_converter_neither_clips_nor_wastes():
    found = remarks(load_engine("ideal").replace(**{"ranging.sigmas": 1.0}))
    assert not {"clipped_codes", "unused_range", "idle_adc_bits", "converter_without_noise"} & set(found)


def test_clipping_of_a_sample_is_counted(small):
    engine = small({"ranging.sigmas": 2.0})
    x = jax.random.normal(jax.random.key(1), (64, 32))
    w = jax.random.normal(jax.random.key(2), (32, 16))
    panel = engine.load_panel(w, sample=x)
    # The same ranges, and signals half as large: 4 sigmas.
    tame = dataclasses.replace(panel, full_scale=panel.full_scale * 2)
    assert "clipped_codes" in remarks(engine, sample=x, w=panel)
    assert "the sample's" in remarks(engine, sample=x, w=panel)["clipped_codes"].message
    assert "clipped_codes" not in remarks(engine, sample=x, w=tame)


def test_no_signal_at_all(catalogue):
    facts = Facts(catalogue, {}, {}, 0.0, 0.0, 0.0, 0.0, Filling(math.inf, 0.0, True), None, ())
    (found,) = unused_range(facts)
    assert "no signal" in found.message


@pytest.mark.parametrize(
    ("changes", "code", "switch"),
    [
        ({"receiver.output_swing_v": 1e-3}, "receiver_saturates", "readout.saturates"),
        ({"photodetector.saturation_current_a": 1e-4}, "photodiode_saturates", "photodetector.saturates"),
    ],
)
def test_saturation_that_products_show_is_told_as_such(catalogue, changes, code, switch):
    assert "products do not show it" not in remarks(catalogue.replace(**changes, **{switch: True}))[code].message


def test_an_idle_setting_is_a_warning_to_who_chose_it(catalogue):
    found = [
        w for w in explain(catalogue, chosen=["ranging.percentile", "adc.bits"]).warnings if w.severity == "warning"
    ]
    (warning,) = found
    assert (warning.code, warning.path) == ("no_effect", "ranging.percentile")
    assert "while ranging.statistic is sigmas: set that to percentile" in warning.message


def test_shapes_that_leave_panels_empty(catalogue):
    def product(k: int, n: int) -> Work:
        return Work((Contraction("mlp", batch=1, m=8, k=k, n=n, weights=True),))

    assert fill_share(catalogue, product(2048, 1024)) == 1.0
    assert fill_share(catalogue, product(1025, 1024)) == pytest.approx(1025 / 2048)
    assert fill_share(catalogue, Work()) is None
    assert "unfilled_panels" not in remarks(catalogue, work=product(1025, 1024))
    found = remarks(catalogue, work=product(1024, 64))["unfilled_panels"]
    assert (found.path, found.severity) == ("panel.outputs", "warning")
    assert "6%" in found.message and "mlp: 1024 x 64" in found.message
    assert remarks(catalogue, work=product(64, 1024))["unfilled_panels"].path == "source.count"
