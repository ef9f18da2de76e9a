"""From options of `exalight scaling` to a request: what is put together, and what is refused with which words."""

import math
from pathlib import Path

import pytest

from experiments import scaling_accuracy, scaling_runs
from experiments.cli import main
from experiments.errors import RequestError
from experiments.scaling_config import ScalingConfig
from experiments.scaling_request import LASER_POWER, ScalingRequest, check_request
from models.hardware.roadmap_file import SYSTEM, read_roadmap_file
from models.hardware.workloads import Request
from photonics.catalogue import read_engine_file

SMALL = """
title = "one parameter of the engine, all of the system"
[adc.walden_fom_j]
unit = "J"
law = "log-normal"
year = 2024
low = 1e-15
value = 2e-15
high = 8e-15
kind = "assumption"
source = "test"
floor = { value = 1e-17, kind = "assumption", source = "thermal noise" }
"""
PARAMETER = """
[{path}]
unit = "{unit}"
law = "log-normal"
year = 2024
low = 1.1
value = 1.2
high = 1.4
kind = "assumption"
source = "test"
"""
FLOOR_OF_ONE = 'floor = { value = 1.0, kind = "assumption", source = "test" }\n'


def parameter(path: str, unit: str) -> str:
    """A table of a roadmap; a power usage effectiveness, and a noise factor, are not below 1."""
    return PARAMETER.format(path=path, unit=unit) + (FLOOR_OF_ONE if unit == "1" else "")


AROUND = "".join(parameter(row.path, row.unit) for row in SYSTEM.values())


class Light:
    """Stands in for an accuracy run that has any bits and fits any engine; keeps what it was asked."""

    inputs_per_tile: float | None = 600.0

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, run, bits_x, bits_w, kl_nats, rotate, engine_file):
        self.asked.append((run, bits_x, bits_w, kl_nats, rotate, engine_file.name))
        if kl_nats < 0.01:
            raise RequestError("not reached")
        return self


stored = scaling_accuracy.required_light


@pytest.fixture(autouse=True)
def light(monkeypatch) -> Light:
    found = Light()
    monkeypatch.setattr(scaling_accuracy, "required_light", found)
    return found


def asked(tmp_path: Path, *engine_set: str, **options) -> ScalingRequest:
    return check_request(ScalingConfig(**{"set": engine_set, "out": str(tmp_path / "run"), **options}))


def with_roadmap(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refused(capsys, *argv: str) -> str:
    """The one line that a refused request prints."""
    assert main(["scaling", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("exalight: ")
    return captured.err


def test_the_default_request_is_complete_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = check_request(ScalingConfig())
    whole = read_roadmap_file("default")
    assert request.roadmap_file == whole
    assert request.held == {}
    assert request.request == Request("llama-3.1-70b", tokens=8192, batch=1)
    assert request.accuracy is None
    values = request.engine_file.values
    assert (values["dac.bits"], values["panel.bits"], values["source.count"]) == (8, 8, 2048)
    # What the roadmap presumes is not what the file of the engine says.
    assert values["adc.energy_model"] == "walden" != read_engine_file("free-space-2048").values["adc.energy_model"]
    assert request.folder.path.parent == Path("runs/scaling")
    assert set(request.folder.document) >= {"experiment", "options", "engine", "roadmap"}
    assert list(tmp_path.iterdir()) == []


def test_the_accuracy_is_asked_for_the_engine_as_it_is(tmp_path, light):
    request = asked(tmp_path, "encoding.rotate=false", bits_x=6, bits_w=7, kl_nats=0.05)
    assert request.need is light
    assert light.asked == [(None, 6, 7, 0.05, False, "free-space-2048")]
    assert request.need_at(0.2) is light and request.need_at(0.001) is None
    assert [(one[3], one[4]) for one in light.asked[1:]] == [(0.2, False), (0.001, False)]


def test_photons_per_dot_product_need_a_run_that_knows_its_inputs(tmp_path, light):
    assert asked(tmp_path, photons="per-dot-product").need is light
    light.inputs_per_tile = None
    assert asked(tmp_path, photons="per-mac", out=None).need is light
    with pytest.raises(RequestError, match="does not say how many inputs one tile summed"):
        asked(tmp_path, photons="per-dot-product")


def test_the_stored_run_is_the_default(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling_accuracy, "required_light", stored)
    need, looser = (request.need_at(kl) for request in (asked(tmp_path),) for kl in (0.1, 0.3))
    assert need is not None and looser is not None
    assert need.kl_nats == 0.1 and need.provenance["run"] == "stored"
    assert looser.laser_power_w < need.laser_power_w


def test_accuracies_that_do_not_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scaling_accuracy, "required_light", stored)
    (tmp_path / "empty").mkdir()
    for argv, expected in (
        (["--bits-x", "7"], "--bits-x 7 --bits-w 8 rotated: no accuracy run is stored for these"),
        (["--set", "adc.enob_loss=1"], "it has adc.enob_loss = 1.5, and the projected engine 1"),
        (["--kl-nats", "1e-9"], "a KL divergence of 1e-09 nats is not reached"),
        (["--accuracy", str(tmp_path / "empty")], str(tmp_path / "empty")),
        (["--accuracy", str(tmp_path / "absent")], str(tmp_path / "absent")),
    ):
        assert expected in refused(capsys, *argv, "--out", str(tmp_path / "run"))
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_what_is_set_is_held(tmp_path):
    whole = read_roadmap_file("default")
    request = asked(
        tmp_path,
        "links.bytes_per_s=1e12",
        "links.bytes_per_s = 2e12",
        "modulator.insertion_loss_db=1",
        "operating_point.symbol_rate_hz=2e9",
        "adc.enob_loss=1",
        bits_x=6,
        bits_w=7,
    )
    assert request.held == {
        "modulator.transmission": pytest.approx(10**-0.1),
        "operating_point.symbol_rate_hz": 2e9,
        "links.bytes_per_s": 2e12,
    }
    assert set(request.roadmap_file.parameters) == set(whole.parameters) - set(request.held)
    values = request.engine_file.values
    assert values["operating_point.symbol_rate_hz"] == 2e9
    assert values["modulator.transmission"] == pytest.approx(10**-0.1)
    # The roadmap says nothing of it, so that it is of the engine alone.
    assert values["adc.enob_loss"] == 1.0 and "adc.enob_loss" not in request.held
    assert (values["dac.bits"], values["panel.bits"]) == (6, 7)
    assert not set(SYSTEM) & set(values)


def test_bits_and_what_depends_on_them_are_set_together(tmp_path):
    request = asked(tmp_path, "encoding.activation_slices=9", bits_x=10)
    assert request.engine_file.values["encoding.activation_slices"] == 9


def test_a_switch_may_repeat_what_is_presumed(tmp_path):
    assert asked(tmp_path, "adc.energy_model=walden").engine_file.values["adc.energy_model"] == "walden"


def test_a_roadmap_without_the_system_does_where_it_is_held(tmp_path):
    roadmap = with_roadmap(tmp_path, SMALL)
    around = {path: 1.5 for path in SYSTEM}
    request = asked(tmp_path, *(f"{path}={value}" for path, value in around.items()), roadmap=roadmap)
    assert request.held == around
    assert list(request.roadmap_file.parameters) == ["adc.walden_fom_j"]
    with pytest.raises(RequestError) as refusal:
        asked(tmp_path, "links.bytes_per_s=1", roadmap=roadmap)
    for path in set(SYSTEM) - {"links.bytes_per_s"}:
        assert path in str(refusal.value)
    assert "links.bytes_per_s," not in str(refusal.value)


def test_values_at_a_bound_are_held_and_beyond_are_not(tmp_path):
    roadmap = with_roadmap(tmp_path, SMALL + AROUND)
    assert asked(tmp_path, "adc.walden_fom_j=1e-17", roadmap=roadmap).held == {"adc.walden_fom_j": 1e-17}
    with pytest.raises(RequestError, match=r"below its physical floor 1e-17 in roadmap mine \(thermal noise\)"):
        asked(tmp_path, "adc.walden_fom_j=9e-18", roadmap=roadmap)
    ceiling = read_roadmap_file("default").parameters["operating_point.symbol_rate_hz"].ceiling
    assert ceiling is not None and math.isfinite(ceiling.value)
    with pytest.raises(RequestError, match="above its physical ceiling"):
        asked(tmp_path, f"operating_point.symbol_rate_hz={1.1 * ceiling.value}", "adc.enob_loss=9")


def test_something_is_left_to_the_years(tmp_path):
    every = (*(f"{path}=1" for path in SYSTEM), "adc.walden_fom_j=1e-15")
    with pytest.raises(RequestError, match="holds every parameter of roadmap mine"):
        asked(tmp_path, *every, roadmap=with_roadmap(tmp_path, SMALL + AROUND))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--roadmap", "defalt"], "unknown roadmap 'defalt'; the nearest is 'default'"),
        (["--roadmap", "no/such.toml"], "--roadmap no/such.toml cannot be read (No such file or directory)"),
        (["--roadmap", "{folder}.toml"], "cannot be read (Is a directory)"),
        (["--engine", "free-space-2049"], "the nearest is 'free-space-2048'"),
        (["--engine", "no/such.toml"], "engine no/such.toml cannot be read"),
        (["--engine", "homodyne"], "homodyne is of the family homodyne; how much light an accuracy needs is known for"),
        (["--workload", "llama-3.1-71b:prefill:8"], "--workload 'llama-3.1-71b:prefill:8': model 'llama-3.1-71b' is"),
        (["--workload", "llama-3.1-8b:decode:8"], "there is prefill"),
        (["--workload", "llama-3.1-8b:prefill:0"], "tokens is '0'"),
        (["--year", "2023"], "--year 2023: roadmaps speak of 2024 to 2032"),
        (["--year", "2033"], "--year 2033"),
        (["--bits-x", "1"], "--bits-x 1: dac.bits is 1; it should be a whole number in [2, 12]"),
        (["--bits-w", "13"], "--bits-w 13: panel.bits is 13"),
        (["--set", "dac.bits=6"], "--set dac.bits: give --bits-x"),
        (["--set", "panel.bits=6"], "--set panel.bits: give --bits-w"),
        (["--set", f"{LASER_POWER}=0.01"], "the laser power is what the accuracy requires"),
        (["--set", "adc.energy_model=murmann"], "roadmap default presumes adc.energy_model=walden"),
        (["--set", "receiver.kind=integrating"], "roadmap default presumes receiver.kind=transimpedance"),
        (["--set", "links.byte_per_s=1e12"], "unknown key 'links.byte_per_s'; the nearest is 'links.bytes_per_s'"),
        (["--set", "adc.enob_los=1"], "the nearest is 'adc.enob_loss'"),
        (["--set", "links.bytes_per_s=-1"], "links.bytes_per_s is -1; it should be a number in"),
        (["--set", "links.bytes_per_s=fast"], "links.bytes_per_s is 'fast'"),
        (["--set", "facility.power_usage_effectiveness=0.9"], "it should be a number in [1, 1e+24]"),
        (["--set", "optics.transmission=1.5"], "optics.transmission is 1.5"),
        (["--set", "optics.transmission"], "should be PATH=VALUE"),
        (["--set", "encoding.weight_slices=8"], "--bits-x 8 --bits-w 8: encoding.weight_slices is 8; it should be at"),
        (["--out", "{file}"], "is a file; give a folder"),
    ],
)
def test_refusals(capsys, tmp_path, argv, expected):
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "file").touch()
    argv = [part.format(folder=tmp_path / "folder", file=tmp_path / "file") for part in argv]
    assert expected in refused(capsys, *argv)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.toml"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[adc.walden_fom_j]", "[adc.walden_fom]", "unknown parameter 'adc.walden_fom'"),
        ('unit = "J"\n', "", "adc.walden_fom_j lacks unit (J)"),
        ("low = 1e-15", "low = 3e-15", "adc.walden_fom_j has low = 3e-15 above value = 2e-15"),
        ("low = 1e-15", "low = 1e-18", "adc.walden_fom_j has low = 1e-18, which is not above its physical floor"),
        ("[adc.walden_fom_j]", "[", "is not a TOML file"),
    ],
)
def test_roadmaps_that_are_wrong(capsys, tmp_path, old, new, expected):
    text = SMALL + AROUND
    assert text.count(old) >= 1
    roadmap = with_roadmap(tmp_path, text.replace(old, new, 1))
    line = refused(capsys, "--roadmap", roadmap)
    assert roadmap in line and expected in line


def test_roadmaps_do_not_state_the_laser_power(capsys, tmp_path):
    text = SMALL + AROUND + parameter(LASER_POWER, "W")
    line = refused(capsys, "--roadmap", with_roadmap(tmp_path, text))
    assert f"roadmap mine states {LASER_POWER}; the laser power is what the accuracy requires" in line


def test_roadmaps_of_another_family(capsys, tmp_path):
    text = SMALL.replace('system"', 'system"\nfamily = "homodyne"', 1) + AROUND
    assert "give --roadmap and --engine of one family" in refused(capsys, "--roadmap", with_roadmap(tmp_path, text))


def test_bits_that_a_roadmap_presumes(capsys, tmp_path):
    text = SMALL.replace("[adc", '[presumes]\n"dac.bits" = "6"\n[adc', 1) + AROUND
    roadmap = with_roadmap(tmp_path, text)
    assert asked(tmp_path, roadmap=roadmap, bits_x=6).engine_file.values["dac.bits"] == 6
    assert "roadmap mine presumes dac.bits=6" in refused(capsys, "--roadmap", roadmap, "--out", str(tmp_path / "run"))


INTEGRATING = """
title = "an engine that integrates charge"
extends = "free-space-2048"
"""


def integrating(tmp_path: Path) -> str:
    """An engine without the fields of a transimpedance receiver."""
    own = {"kind": '"integrating"', "capacitance_f": 1e-12, "reset_v": 0.1, "amplifier_power_w": 1e-3}
    tables = (
        f'[receiver.{name}]\nvalue = {value}\nkind = "assumption"\nsource = "test"\n' for name, value in own.items()
    )
    path = tmp_path / "integrating.toml"
    path.write_text(INTEGRATING + "".join(tables), encoding="utf-8")
    return str(path)


def test_engines_that_lack_what_the_roadmap_moves(capsys, tmp_path):
    engine = integrating(tmp_path)
    line = refused(capsys, "--engine", engine)
    assert "engine integrating cannot be what roadmap default presumes" in line and "missing receiver." in line
    roadmap = with_roadmap(tmp_path, SMALL + AROUND + parameter("receiver.noise_factor", "1"))
    line = refused(capsys, "--engine", engine, "--roadmap", roadmap)
    assert "roadmap mine states receiver.noise_factor, which engine integrating does not have" in line


def test_the_folder_follows_what_decides_the_result(tmp_path, monkeypatch):
    def name(**options) -> str:
        return check_request(ScalingConfig(**options)).folder.path.name

    roadmap = with_roadmap(tmp_path, SMALL + AROUND)
    first = name(roadmap=roadmap)
    assert name(roadmap=roadmap, plot=False) == first
    others = [{"seed": 1}, {"year": 2030}, {"set": ("adc.enob_loss=1",)}, {"set": ("links.bytes_per_s=1",)}]
    assert len({first, *(name(roadmap=roadmap, **options) for options in others)}) == 1 + len(others)
    with_roadmap(tmp_path, (SMALL + AROUND).replace("high = 8e-15", "high = 9e-15"))
    second = name(roadmap=roadmap)
    assert second != first
    monkeypatch.setattr(scaling_runs, "stored_runs", lambda: [{"of": "another model"}])
    assert name(roadmap=roadmap) not in (first, second)


def test_a_folder_of_another_run_is_refused(tmp_path, capsys):
    request = asked(tmp_path)
    request.folder.open()
    asked(tmp_path, plot=False)
    line = refused(capsys, "--out", str(tmp_path / "run"), "--year", "2030")
    assert "holds a run with another configuration (options.year is 2029 there and 2030 here)" in line
