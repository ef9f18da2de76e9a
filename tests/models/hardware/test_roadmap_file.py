import math
import subprocess
import sys
from pathlib import Path

import pytest

from models.hardware.roadmap_file import SYSTEM, read_roadmap_file, roadmap_names
from photonics.catalogue import apply_overrides, read_engine_file
from photonics.families import FAMILIES

GOOD = """
title = "two parameters"
[presumes]
"adc.energy_model" = "walden"
[factor.process_node]
meaning = "how far CMOS lags behind"
kind = "assumption"
source = "own"
[adc.walden_fom_j]
unit = "J"
law = "log-normal"
year = 2024
low = 1e-15
value = 2e-15
high = 8e-15
kind = "paper"
source = "a paper"
loadings = { process_node = 0.6 }
floor = { value = 1e-17, kind = "paper", source = "thermal noise" }
halving_time_years = { low = 2, value = 4, high = 8, kind = "assumption", source = "own" }
[source.slope_efficiency]
unit = "1"
law = "logit-normal"
year = 2026
low = 0.2
value = 0.4
high = 0.5
kind = "assumption"
source = "own"
ceiling = { value = 0.8, kind = "paper", source = "photon energy" }
doubling_time_years = { value = 10, kind = "assumption", source = "own" }
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_file_is_read_whole(written):
    file = read_roadmap_file(written(GOOD))
    assert (file.name, file.family, file.presumes) == ("mine", "free-space", ("adc.energy_model=walden",))
    assert file.factors == {"process_node": "how far CMOS lags behind"}
    adc, slope = file.parameters["adc.walden_fom_j"], file.parameters["source.slope_efficiency"]
    assert (adc.low, adc.value, adc.high, adc.year) == (1e-15, 2e-15, 8e-15, 2024.0)
    assert (adc.least, adc.most, adc.loadings, adc.row.unit) == (1e-17, math.inf, {"process_node": 0.6}, "J")
    assert adc.trend is not None and not adc.trend.grows
    assert (adc.trend.low, adc.trend.value, adc.trend.high) == (2.0, 4.0, 8.0)
    assert (slope.least, slope.most, dict(slope.loadings)) == (0.0, 0.8, {})
    # A trend without a range is certain.
    assert slope.trend is not None and slope.trend.grows
    assert (slope.trend.low, slope.trend.value, slope.trend.high) == (10.0, 10.0, 10.0)
    assert (adc.source.title, adc.source.kind, adc.source.low) == ("a paper", "paper", 1e-15)


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        ("[adc.walden_fom_j]", "[adc.walden_fom]", ("unknown parameter 'adc.walden_fom'", "'adc.walden_fom_j'")),
        ("[source.slope_efficiency]", "[sauce.slope_efficiency]", ("sauce.slope", "'source.slope_efficiency'")),
        ("[source.slope_efficiency]", "[optics.insertion_loss_db]", ("decibels", "optics.transmission")),
        ("[source.slope_efficiency]", "[adc.bits]", ("adc.bits is part of the structure",)),
        ('unit = "J"\n', "", ("adc.walden_fom_j lacks unit (J)",)),
        ('unit = "J"', 'unit = "pJ"', ("adc.walden_fom_j is in 'pJ'; it should be in 'J'",)),
        ("low = 1e-15", "low = 3e-15", ("adc.walden_fom_j has low = 3e-15 above value = 2e-15",)),
        ("high = 8e-15", "high = 1e-15", ("adc.walden_fom_j has value = 2e-15 above high = 1e-15",)),
        ("low = 1e-15", "low = 1e-18", ("adc.walden_fom_j has low = 1e-18", "its physical floor 1e-17")),
        ("high = 0.5", "high = 0.9", ("source.slope_efficiency has high = 0.9", "its physical ceiling 0.8")),
        ("process_node = 0.6", "proces_node = 0.6", ("adc.walden_fom_j", "'proces_node'", "'process_node'")),
        ("process_node = 0.6", "process_node = -1.1", ("adc.walden_fom_j", "squares sum to 1.21")),
        ("process_node = 0.6", 'process_node = "x"', ("adc.walden_fom_j.loadings.process_node is 'x'",)),
        ('law = "logit-normal"', 'law = "normal"', ("source.slope_efficiency has law 'normal'",)),
        (
            'law = "logit-normal"',
            'law = "log-normal"',
            ("source.slope_efficiency is log-normal, which has no ceiling",),
        ),
        ('law = "log-normal"', 'law = "logit-normal"', ("adc.walden_fom_j is logit-normal without a ceiling",)),
        ("ceiling = { value = 0.8", "ceiling = { value = 1.2", ("source.slope_efficiency may exceed 1;",)),
        ("year = 2026", "year = 2033", ("source.slope_efficiency has year = 2033", "2032")),
        ("year = 2026", 'year = "2026"', ("source.slope_efficiency.year is '2026'",)),
        ("low = 2,", "", ("adc.walden_fom_j.halving_time_years has high alone",)),
        ("low = 2,", "low = 0,", ("adc.walden_fom_j.halving_time_years has low = 0",)),
        ("low = 2,", "low = 5,", ("adc.walden_fom_j.halving_time_years has low = 5 above value = 4",)),
        ("halving_time_years", "halving_time", ("unknown key 'halving_time'", "'halving_time_years'")),
        ("floor = {", "doubling_time_years = {", ("has both doubling_time_years and halving_time_years",)),
        ('kind = "paper"\nsource = "a paper"', 'kind = "guess"\nsource = "a paper"', ("is of kind 'guess'",)),
        ('source = "a paper"', 'source = " "', ("adc.walden_fom_j.source is ' '",)),
        ('value = 1e-17, kind = "paper",', "value = 1e-17,", ("adc.walden_fom_j.floor lacks kind",)),
        ('meaning = "how far CMOS lags behind"', "", ("factor.process_node.meaning",)),
        ('"adc.energy_model"', '"adc.enery_model"', ("'adc.enery_model'", "'adc.energy_model'")),
        ('= "walden"', '= "waldem"', ("adc.energy_model is 'waldem'",)),
        ('"adc.energy_model" = "walden"', '"source.voltage_v" = "1.8"', ("presumes source.voltage_v",)),
        ('title = "two parameters"', "", ("it lacks a title",)),
        ('title = "two parameters"', 'titel = "x"', ("unknown key 'titel'", "'title'")),
        ('title = "two parameters"', 'title = "x"\nfamily = "free"', ("unknown family 'free'", "'free-space'")),
        ('title = "two parameters"', "title = [", ("it is not a TOML file",)),
        ("low = 1e-15", "low = nan", ("adc.walden_fom_j is nan",)),
    ],
)
def test_a_mistake_is_refused_on_one_line_with_file_name_and_reason(written, old, new, reasons):
    assert old in GOOD
    path = written(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError) as refusal:
        read_roadmap_file(path)
    message = str(refusal.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    for reason in reasons:
        assert reason in message


def test_a_factor_that_nobody_states_is_unknown(written):
    text = GOOD.replace("process_node", "panel", 1)
    with pytest.raises(ValueError, match="unknown factor 'process_node'; the nearest is 'panel'"):
        read_roadmap_file(written(text))


def test_a_field_that_may_not_fall_below_one_needs_a_floor(written):
    text = GOOD.split("[adc.")[0] + GOOD[GOOD.index("[source.") :]
    text = text.replace("source.slope_efficiency", "facility.power_usage_effectiveness").replace("0.8", "2.0")
    text = text.replace("low = 0.2", "low = 1.1").replace("value = 0.4", "value = 1.2").replace("0.5", "1.5")
    with pytest.raises(ValueError, match="power_usage_effectiveness may fall below 1; it should have a floor"):
        read_roadmap_file(written(text))


def test_names_and_files_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match="unknown roadmap 'defualt'; the nearest is 'default'"):
        read_roadmap_file("defualt")
    with pytest.raises(OSError):
        read_roadmap_file(tmp_path / "none.toml")
    with pytest.raises(ValueError, match="it states no parameter"):
        (tmp_path / "empty.toml").write_text('title = "x"')
        read_roadmap_file(tmp_path / "empty.toml")


def test_the_default_roadmap_speaks_of_both_engines():
    assert "default" in roadmap_names()
    file = read_roadmap_file()
    assert set(SYSTEM) <= set(file.parameters)
    for name in ("free-space-2048", "free-space-1024"):
        engine = apply_overrides(read_engine_file(name), file.presumes)
        assert engine.family == file.family
        assert set(file.parameters) - set(SYSTEM) <= set(engine.values)


def test_the_default_roadmap_starts_where_the_engine_stands():
    engine = read_engine_file("free-space-2048")
    for path, parameter in read_roadmap_file().parameters.items():
        if path not in SYSTEM:
            value = engine.values[path]
            assert isinstance(value, float)
            # Losses are decibels in the engine's file: 1.2 dB is 0.759.
            assert math.isclose(parameter.value, value, rel_tol=5e-3), path


def test_the_default_roadmap_leaves_to_others_what_is_theirs():
    paths = set(read_roadmap_file().parameters)
    # The light of an engine follows from the accuracy; structure and operands are the scenario's.
    assert "operating_point.laser_power_w" not in paths
    rows = FAMILIES["free-space"].row_of
    assert all(rows[path].type == "float" for path in paths - set(SYSTEM))


def test_every_assumption_of_the_default_roadmap_says_why():
    for path, parameter in read_roadmap_file().parameters.items():
        statements = [parameter.floor, parameter.ceiling, parameter.trend]
        titles = [parameter.source.title, *(one.source.title for one in statements if one)]
        assert all(len(title) > 10 for title in titles), path
        # Without a trend the file says that there is none.
        if parameter.trend is None:
            words = f"{parameter.source.title} {parameter.source.note or ''}"
            assert "no trend" in words, path


def test_reading_needs_no_jax():
    code = "import sys; from models.hardware.roadmap_file import read_roadmap_file as read; read(); print(*sys.modules)"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert not {"jax", "numpy", "scipy"} & set(done.stdout.split())
