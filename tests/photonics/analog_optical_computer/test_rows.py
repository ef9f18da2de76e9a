"""What files of the family may say, and whether the shipped ones say what the machine's constants are."""

from typing import Any

import numpy as np
import pytest

import photonics
from photonics.catalogue import apply_overrides, read_engine_file

NAMES = ("aoc-2025", "aoc-2025-calibrated", "aoc-projected")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("adc.enob_loss=9.5", "at least 1 effective bit"),
        ("receiver.filter=one-pole", "integrate"),
        ("source.modulation_depth=1.0", "less than no light"),
        ("panel.plus_quadratic=-0.6", "more light the wider it opens"),
        ("panel.plus_dark=0.3", "not more than all"),
        ("saturation.low_knee_v=3.0", "rise in this order"),
        ("crosstalk.per_neighbour=0.4", "crosstalk.per_neighbour"),
        ("panel.culumn_spread=0.1", "panel.column_spread"),
    ],
)
def test_what_does_not_fit_is_refused(override, message):
    with pytest.raises(ValueError, match=message):
        apply_overrides(read_engine_file("aoc-2025"), [override])


def test_full_modulation_is_allowed_where_the_response_is_linear():
    engine: Any = photonics.load_engine("aoc-2025", ["source.response=linear", "source.modulation_depth=1.0"])
    assert engine.source.modulation_depth == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_projections_have_ranges_and_measured_values_name_their_file(name):
    for path, source in read_engine_file(name).sources.items():
        if source.kind == "projection":
            assert source.low is not None and source.high is not None, path
        if source.kind == "measured" and path.partition(".")[0] in (
            "fan_in",
            "panel",
            "leakage",
            "crosstalk",
            "output",
        ):
            assert "microsoft/aoc" in source.title, path


def test_only_the_projection_projects():
    kinds = {name: {source.kind for source in read_engine_file(name).sources.values()} for name in NAMES}
    assert "projection" not in kinds["aoc-2025"] | kinds["aoc-2025-calibrated"]
    assert "projection" in kinds["aoc-projected"]


def _statistics(constants: dict) -> dict[str, float]:
    """Means and deviations of the published constants, by the path of the value that states them."""
    array = {name: np.asarray(value, float) for name, value in constants.items()}
    found = {
        f"panel.{rail}_{name}": array[f"{name}_{rail}"].mean()
        for rail in ("plus", "minus")
        for name in ("quadratic", "linear", "dark")
    }

    def spreads(plus: np.ndarray, minus: np.ndarray, common: str, apart: str) -> dict[str, float]:
        plus, minus = plus / plus.mean(), minus / minus.mean()
        return {common: ((plus + minus) / 2).std(), apart: (plus - minus).std()}

    swing_plus, swing_minus = (array[f"quadratic_{rail}"] + array[f"linear_{rail}"] for rail in ("plus", "minus"))
    return found | {
        **spreads(swing_plus, swing_minus, "panel.column_spread", "panel.rail_spread"),
        **spreads(array["efficiency_plus"], array["efficiency_minus"], "fan_in.profile_spread", "fan_in.rail_spread"),
        **spreads(array["gain_plus"], array["gain_minus"], "output.gain_spread", "output.rail_gain_spread"),
        "output.plus_gain": array["gain_plus"].mean(),
        "output.minus_gain": array["gain_minus"].mean(),
        "output.loop_gain_spread": array["scaling"].std() / array["scaling"].mean(),
        "output.offset_v": array["dc_offset"].std() * constants["ratio"],
        "leakage.share": (array["leak_plus"].mean() + array["leak_minus"].mean()) / 2,
        "leakage.spread": (array["leak_plus"].std() + array["leak_minus"].std()) / 2,
    }


def test_values_are_the_statistics_of_the_published_constants(golden):
    values = read_engine_file("aoc-2025").values
    for path, statistic in _statistics(golden["constants"]).items():
        # Three digits in the file.
        assert values[path] == pytest.approx(statistic, rel=0.012), path
    for rail in ("plus", "minus"):
        stated = [values[f"source.{rail}_{name}"] for name in ("cubic", "quadratic", "linear", "offset")]
        assert stated == pytest.approx(golden["constants"][f"led_{rail}"], rel=1e-3)


def test_the_projection_is_four_hundred_petaops_of_twenty_five_modules():
    engine = photonics.load_engine("aoc-projected")
    per_module = 2 * engine.macs_per_s()
    # 2048 x 2048 holds 5 % more than the 4 million weights of the projection.
    assert 25 * per_module == pytest.approx(400e15, rel=0.05)
    assert per_module / 32.0 == pytest.approx(500e12, rel=0.05)
