"""Words and units of columns come from their names."""

import pytest

from experiments.plot_labels import label


@pytest.mark.parametrize(
    ("column", "words", "unit"),
    [
        ("energy_per_token_j", "energy per token", "J"),
        ("laser_power_w", "laser power", "W"),
        ("operating_point.symbol_rate_hz", "operating point symbol rate", "Hz"),
        ("kl_nats", "KL", "nats"),
        ("loss_increase_nats", "loss increase", "nats"),
        ("snr_db", "SNR", "dB"),
        ("perplexity", "perplexity", ""),
        ("power_w.power_supply", "power power supply", "W"),
        ("noise_share.adc_rounding", "noise share ADC rounding", ""),
        ("tops_per_w", "TOPS per W", ""),
        ("tokens_per_s", "tokens per s", ""),
        ("memory.bandwidth_byte_per_s", "memory bandwidth", "B/s"),
        ("adc.bits", "ADC bits", ""),
        ("top1_agreement", "top-1 agreement", ""),
        ("photons_per_mac", "photons per MAC", ""),
        ("top_k", "top k", ""),
        ("m", "m", ""),
        ("seed", "seed", ""),
    ],
)
def test_a_name_is_words_and_a_unit(column, words, unit):
    found = label(column)
    assert (found.words, found.unit) == (words, unit)


def test_units_with_prefixes_stand_at_the_ticks_and_others_at_the_axis():
    assert label("energy_per_token_j").axis == "energy per token"
    assert label("snr_db").axis == "SNR (dB)"
    assert label("operating_point.temperature_k").axis == "operating point temperature (K)"


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("laser_power_w", 0.03, "30 mW"),
        ("adc.bits", 8, "8"),
        ("encoding.rotate", True, "yes"),
        ("layer", "head", "head"),
        ("snr_db", 31.25, "31.25 dB"),
        ("share", 0.1234567, "0.123457"),
        ("laser_power_w", None, "None"),
    ],
)
def test_values_in_a_legend(column, value, text):
    assert label(column).value(value) == text
