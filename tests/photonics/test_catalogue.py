"""Engine files: those that ship, what a user's file may say, and every refusal."""

import dataclasses
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from photonics.adc_front import front_enob
from photonics.catalogue import (
    KINDS,
    apply_overrides,
    build_engine,
    engine_names,
    load_engine,
    read_engine_file,
)
from photonics.free_space_rows import check
from photonics.schema import DECIBELS, RECEIVER_KIND, ROWS, paths
from tests.photonics.family_engines import FREE_SPACE

_FULL = "free-space-1024"


def _file(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(f'title = "mine"\nextends = "{_FULL}"\n{text}', encoding="utf-8")
    return path


def _entry(key: str, value: str, rest: str = 'kind = "assumption"\nsource = "a test"') -> str:
    return f"[{key}]\nvalue = {value}\n{rest}\n"


# What ships ------------------------------------------------------------------------------------------------------


def test_the_catalogue_has_its_engines():
    assert FREE_SPACE == ["free-space-1024", "free-space-1024-raw", "free-space-2048", "ideal"]
    published = {
        "aoc-2025",
        "lightmatter-2025",
        "homodyne",
        "lightening-dota-b",
        "optical-transformers",
        "residue-2024",
    }
    assert published < set(engine_names()) - set(FREE_SPACE)


@pytest.mark.parametrize("name", FREE_SPACE)
def test_every_number_has_a_source(name):
    file = read_engine_file(name)
    assert tuple(file.values) == tuple(file.sources) == paths(str(file.values[RECEIVER_KIND]))
    for path, source in file.sources.items():
        assert source.kind in KINDS and source.title.strip(), path
        if source.kind == "projection":
            assert source.low is not None and source.high is not None, path
        if source.low is not None and source.high is not None:
            assert source.low <= float(file.values[path]) <= source.high, path


@pytest.mark.parametrize("name", engine_names())
def test_every_engine_is_built_from_its_values(name):
    file = read_engine_file(name)
    engine = load_engine(name)
    assert engine.name == name
    for path, value in file.values.items():
        if path != RECEIVER_KIND:
            group, _, field = path.partition(".")
            built = getattr(getattr(engine, group), field)
            assert built == value and type(built) is type(value), path


def test_calibrated_residuals_stand_beside_measured_values():
    sources = read_engine_file(_FULL).sources
    for path in (
        "panel.element_residual",
        "panel.rail_residual",
        "optics.crosstalk_per_neighbour",
        "optics.crosstalk_residual",
        "adc.enob_loss",
        "source.power_max_w",
    ):
        assert sources[path].kind == "assumption" and sources[path].measured, path


def test_the_receiver_reproduces_the_published_part():
    from photonics.receiver import TransimpedanceReceiver

    # Atef and Zimmermann (2013): 7.2 pA/rtHz up to 1.5 GHz, 4.1 mW. Noise factor and overhead have 2 and 3 digits.
    engine = load_engine(_FULL)
    assert isinstance(engine.receiver, TransimpedanceReceiver)
    at = dataclasses.replace(engine.operating_point, symbol_rate_hz=3e9)
    assert engine.receiver.noise_bandwidth_hz(at) == 1.5e9
    # The notes of the file count 0.6 pF at the input of the published part, its one photodiode included.
    diodes_f = 0.6e-12 - engine.receiver.input_capacitance_f
    np.testing.assert_allclose(engine.receiver.noise_current_density_a2_per_hz(at, diodes_f) ** 0.5, 7.2e-12, rtol=1e-2)
    np.testing.assert_allclose(engine.receiver.power_w(at, diodes_f), 4.1e-3, rtol=1e-2)
    # At the catalogue's own rate the lower band costs less: near the 3 mW of other published receivers.
    for own_f in (diodes_f, engine.diodes_f()):
        np.testing.assert_allclose(engine.receiver.power_w(engine.operating_point, own_f), 3.3e-3, rtol=2e-2)


def test_light_efficiency_and_effective_bits_are_sensible():
    engine = load_engine(_FULL)
    assert 0.3 < engine.light_efficiency() < 0.5
    assert engine.adc.enob() == 8.5
    assert engine.operating_point.laser_power_w <= engine.source.power_max_w


def test_the_ideal_engine_has_nothing_to_lose():
    engine = load_engine("ideal")
    assert engine.light_efficiency() == 1.0
    assert engine.modulator.floor() == engine.panel.floor() == 0.0
    assert engine.readout_variance() == 0.0
    assert engine.dac.ideal and engine.panel.ideal and engine.adc.ideal
    assert not (engine.optics.crosstalk or engine.panel.fixed_pattern or engine.photodetector.shot_noise)
    assert engine.source.noise == "none"


def test_the_larger_engine_states_only_its_differences():
    small, large = read_engine_file(_FULL), read_engine_file("free-space-2048")
    assert large.values["source.count"] == large.values["panel.outputs"] == 2048
    assert large.title != small.title
    document = tomllib.loads(large.path.read_text(encoding="utf-8"))
    own = {f"{group}.{field}" for group, fields in document.items() if isinstance(fields, dict) for field in fields}
    stated = {DECIBELS[key].path if key in DECIBELS else key for key in own}
    assert stated == {path for path in large.values if large.sources[path] != small.sources[path]}
    assert len(stated) < len(large.values) / 4


@pytest.mark.parametrize("activation_sign", ["passes", "offset"])
@pytest.mark.parametrize("conversion", ["difference", "pass"])
def test_a_converter_has_the_time_that_the_encoding_leaves_it(activation_sign, conversion):
    # 10 effective bits have been built for 7.2e9 conversions/s and not for twice that many.
    assert front_enob(1.44e10) < 10 < front_enob(7.2e9)
    signs = [f"encoding.activation_sign={activation_sign}", f"encoding.conversion={conversion}"]
    values = apply_overrides(read_engine_file(_FULL), [*signs, "adc.enob_loss=0"]).values
    fast = {**values, "operating_point.symbol_rate_hz": 1.44e10}
    if load_engine(_FULL, signs).encoding.passes_per_conversion == 2:
        check(fast)
    else:
        with pytest.raises(ValueError, match="beyond all converters built"):
            check(fast)


def test_reading_needs_no_jax():
    code = (
        "import sys; from photonics.catalogue import read_engine_file as r; r('ideal'); sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# A file of one's own ---------------------------------------------------------------------------------------------


def test_a_file_of_differences_extends_a_catalogue_engine(tmp_path):
    path = _file(tmp_path, _entry("adc.bits", "9") + _entry("panel.insertion_loss_db", "3"))
    mine, parent = read_engine_file(path), read_engine_file(_FULL)
    assert mine.name == "mine" and mine.title == "mine" and mine.path == path
    assert mine.values["adc.bits"] == 9
    assert mine.values["panel.transmission"] == pytest.approx(10**-0.3)
    assert mine.sources["adc.bits"].title == "a test"
    unchanged = {path for path in parent.values if path not in ("adc.bits", "panel.transmission")}
    assert all(mine.values[path] == parent.values[path] for path in unchanged)
    assert load_engine(str(path)).adc.bits == 9


def test_a_file_extends_a_file_beside_it(tmp_path):
    _file(tmp_path, _entry("adc.bits", "9"), "base.toml")
    path = tmp_path / "child.toml"
    path.write_text('extends = "base.toml"\n' + _entry("dac.bits", "6"), encoding="utf-8")
    child = read_engine_file(path)
    assert (child.values["adc.bits"], child.values["dac.bits"], child.title) == (9, 6, "mine")


def test_a_file_that_extends_itself_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text('extends = "b.toml"', encoding="utf-8")
    (tmp_path / "b.toml").write_text('extends = "a.toml"', encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.toml extends itself"):
        read_engine_file(tmp_path / "a.toml")


def test_another_receiver_replaces_the_fields_of_the_inherited_one(tmp_path):
    from photonics.receiver import IntegratingReceiver

    text = _entry("receiver.kind", '"integrating"') + "".join(
        _entry(f"receiver.{field}", value)
        for field, value in (("capacitance_f", "1e-14"), ("reset_v", "0.5"), ("amplifier_power_w", "3e-4"))
    )
    file = read_engine_file(_file(tmp_path, text))
    assert "receiver.noise_factor" not in file.values
    receiver = build_engine(file).receiver
    assert isinstance(receiver, IntegratingReceiver) and receiver.capacitance_f == 1e-14


def test_a_loss_keeps_its_range_in_order(tmp_path):
    rest = 'kind = "projection"\nsource = "a test"\nlow = 1\nhigh = 4'
    source = read_engine_file(_file(tmp_path, _entry("panel.insertion_loss_db", "2", rest))).sources[
        "panel.transmission"
    ]
    assert source.low == pytest.approx(10**-0.4) and source.high == pytest.approx(10**-0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_entry("adc.bit", "8"), r"unknown key 'adc\.bit'; the nearest is 'adc\.bits'"),
        (_entry("adcs.bits", "8"), r"unknown key 'adcs\.bits'; the nearest is 'adc\.bits'"),
        (_entry("panel.insertion_los_db", "1"), r"the nearest is 'panel\.insertion_loss_db'"),
        ("adc = 3", r"adc is 3; it should hold tables such as \[adc\.bits\]"),
        ('titel = "x"', r"unknown key 'titel'; the nearest is 'title'"),
        ("[adc]\nbits = 8", r"adc\.bits is 8; it should be a table with value, kind and source"),
        (_entry("adc.bits", "8", 'kind = "assumption"'), r"adc\.bits lacks source"),
        (_entry("adc.bits", "8", 'source = "x"'), r"adc\.bits lacks kind"),
        ('[adc.bits]\nkind = "vendor"\nsource = "x"', r"adc\.bits lacks value"),
        (_entry("adc.bits", "8", 'kind = "assumption"\nsource = " "'), r"adc\.bits has source = ' '"),
        (_entry("adc.bits", "8", 'kind = "guess"\nsource = "x"'), r"kind 'guess'; it should be one of measured"),
        (_entry("adc.bits", "8", 'kind = "vendor"\nsource = "x"\nnotes = "y"'), r"'notes'; the nearest is 'note'"),
        (_entry("adc.bits", "8", 'kind = "projection"\nsource = "x"\nlow = 7'), r"adc\.bits is a projection without"),
        (_entry("adc.bits", "8", 'kind = "vendor"\nsource = "x"\nlow = 7'), r"adc\.bits has low without high"),
        (_entry("adc.bits", "8", 'kind = "vendor"\nsource = "x"\nlow = 9\nhigh = 10'), r"adc\.bits is 8, outside"),
        (_entry("adc.bits", "13"), r"adc\.bits is 13; it should be a whole number in \[2, 12\]"),
        (_entry("adc.bits", "0"), r"adc\.bits is 0; it should be"),
        (_entry("adc.bits", "8.0"), r"adc\.bits is 8\.0; it should be a whole number"),
        (_entry("adc.bits", "true"), r"adc\.bits is true; it should be a whole number"),
        (_entry("adc.technology_m", "nan"), r"adc\.technology_m is nan"),
        (
            _entry("operating_point.laser_power_w", "inf"),
            r"laser_power_w is inf; it should be a number in \[1e-24, 1e\+24\] W",
        ),
        (_entry("operating_point.laser_power_w", "-1e-3"), r"laser_power_w is -0\.001"),
        (_entry("operating_point.laser_power_w", '"1 mW"'), r"laser_power_w is '1 mW'"),
        (_entry("encoding.rotate", "1"), r"encoding\.rotate is 1; it should be true or false"),
        (_entry("ranging.per", '"row"'), r"ranging\.per is 'row'; it should be one of output, tile"),
        (_entry("panel.insertion_loss_db", "-1"), r"panel\.insertion_loss_db is -1 dB; as a ratio it should be"),
        (_entry("panel.insertion_loss_db", "inf"), r"panel\.insertion_loss_db is inf dB"),
        (_entry("panel.insertion_loss_db", "nan"), r"panel\.insertion_loss_db is nan dB"),
        (_entry("panel.insertion_loss_db", "true"), r"panel\.insertion_loss_db is True; it should be a number in dB"),
        (_entry("panel.extinction_ratio_db", "4000"), r"panel\.extinction_ratio_db is 4000 dB"),
        (
            _entry("panel.insertion_loss_db", "1") + _entry("panel.transmission", "0.8"),
            r"panel\.insertion_loss_db and panel\.transmission state the same value",
        ),
        (
            _entry("receiver.capacitance_f", "1e-14"),
            r"capacitance_f does not belong to a receiver of kind transimpedance",
        ),
        (_entry("receiver.kind", '"integrating"'), r"missing receiver\.capacitance_f, receiver\.reset_v"),
        (_entry("adc.enob_loss", "9.5"), r"leave at least 1 effective bit, so be at most 9"),
        (_entry("optics.crosstalk_residual", "0.1"), r"should be at most optics\.crosstalk_per_neighbour = 0\.02"),
        (_entry("operating_point.symbol_rate_hz", "1e11"), r"8\.50 effective bits at 5e\+10 conversions/s"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, text, message):
    path = _file(tmp_path, text)
    with pytest.raises(ValueError, match=message) as refusal:
        read_engine_file(path)
    assert "mine.toml" in str(refusal.value) and "\n" not in str(refusal.value)


def test_missing_values_are_listed(tmp_path):
    path = tmp_path / "alone.toml"
    path.write_text('title = "alone"\n' + _entry("adc.bits", "8"), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"missing operating_point\.laser_power_w, .*receiver\.kind.*adc\.ideal"
    ) as refusal:
        read_engine_file(path)
    assert "adc.bits" not in str(refusal.value)


def test_a_file_without_a_title_is_refused(tmp_path):
    path = tmp_path / "untitled.toml"
    path.write_text(_entry("adc.bits", "8"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"untitled\.toml: it lacks a title"):
        read_engine_file(path)


@pytest.mark.parametrize("content", [b"[adc.bits\nvalue = 8", b"\xff\xfe\x00", b"a = 1\na = 2"])
def test_a_corrupted_file_is_refused(tmp_path, content):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.toml is not a TOML file"):
        read_engine_file(path)


def test_names_that_are_not_there():
    with pytest.raises(ValueError, match="unknown engine 'free-space-1025'; the nearest is 'free-space-1024'"):
        read_engine_file("free-space-1025")
    with pytest.raises(FileNotFoundError):
        read_engine_file("no-such-engine.toml")


# Values from the command line ------------------------------------------------------------------------------------


def test_overrides_replace_values_and_their_sources():
    file = read_engine_file(_FULL)
    changed = apply_overrides(
        file, ["adc.bits=8", "panel.insertion_loss_db = 3", "encoding.rotate=false", "adc.bits=9"]
    )
    assert changed.values["adc.bits"] == 9
    assert changed.values["panel.transmission"] == pytest.approx(10**-0.3)
    assert changed.values["encoding.rotate"] is False
    source = changed.sources["adc.bits"]
    assert (source.kind, source.title) == ("assumption", "set on the command line")
    assert changed.sources["dac.bits"] == file.sources["dac.bits"]
    assert file.values["adc.bits"] == 10
    assert load_engine(_FULL, (item for item in ["adc.bits=8"])).adc.bits == 8


def test_no_override_is_no_change():
    file = read_engine_file(_FULL)
    assert apply_overrides(file, []) is file


def test_overrides_may_change_the_receiver():
    engine = load_engine(
        _FULL,
        [
            "receiver.kind=integrating",
            "receiver.capacitance_f=1e-14",
            "receiver.reset_v=0.5",
            "receiver.amplifier_power_w=3e-4",
        ],
    )
    assert type(engine.receiver).__name__ == "IntegratingReceiver"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("adc.bits", r"should be PATH=VALUE, for example adc\.bits=8"),
        ("adc.bit=8", r"unknown key 'adc\.bit'; the nearest is 'adc\.bits'"),
        ("adc.bits=13", r"adc\.bits is 13"),
        ("adc.bits=", r"adc\.bits is ''"),
        ("panel.insertion_loss_db=low", r"panel\.insertion_loss_db is 'low'; it should be a number in dB"),
        ("panel.insertion_loss_db=-3", r"panel\.insertion_loss_db is -3\.0 dB"),
        ("operating_point.laser_power_w=nan", r"laser_power_w is nan"),
        ("adc.enob_loss=9.5", r"at most 9"),
        ("receiver.kind=integrating", r"missing receiver\.capacitance_f"),
        ("receiver.reset_v=1", r"does not belong to a receiver of kind transimpedance"),
        ("operating_point.symbol_rate_hz=1e11", r"beyond all converters built"),
    ],
)
def test_a_wrong_override_is_refused_in_one_line(item, message):
    with pytest.raises(ValueError, match=message) as refusal:
        apply_overrides(read_engine_file(_FULL), [item])
    assert str(refusal.value).startswith(f"--set {item}") and "\n" not in str(refusal.value)


def test_checks_look_at_all_values_together():
    values = dict(read_engine_file(_FULL).values)
    check(values)
    # Twelve effective bits have been built at 0.5 GS/s and not at 5 GS/s.
    values |= {"adc.bits": 12, "adc.enob_loss": 0.0}
    check(values)
    with pytest.raises(ValueError, match=r"12\.00 effective bits"):
        check(values | {"operating_point.symbol_rate_hz": 1e10})


def test_every_field_can_be_set():
    file = read_engine_file(_FULL)
    for path, value in file.values.items():
        text = str(value).lower() if ROWS[path].type == "bool" else str(value)
        assert apply_overrides(file, [f"{path}={text}"]).values == file.values
