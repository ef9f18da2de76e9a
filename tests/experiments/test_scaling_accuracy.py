import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import scaling_accuracy
from experiments.accuracy_request import checked_engine_file
from experiments.errors import RequestError
from experiments.runs import CONFIG_FILE, RESULT_FILE, plain
from experiments.scaling_accuracy import ACT_ON_ACCURACY, MUST_AGREE, AccuracyNeed, required_light
from experiments.scaling_runs import stored_runs
from models.hardware.required_light import RequiredLight
from photonics import load_engine
from photonics.catalogue import EngineFile
from photonics.families import FAMILIES
from tests.corruption import check_line, damaged_bytes, damaged_document, damaged_lines, fuzzed, json_of, refused
from tests.experiments.accuracy_runs import KL_W, PHOTONS_PER_W, points, write_accuracy_run

ENGINE, LARGER = "free-space-1024", "free-space-2048"


def engine_file(*overrides: str, name: str = ENGINE) -> EngineFile:
    return checked_engine_file(name, overrides)


def need(run: Path | None, kl_nats: float = 0.1, **other) -> AccuracyNeed:
    asked = {"bits_x": 8, "bits_w": 8, "rotate": True, "engine_file": engine_file()} | other
    return required_light(run, kl_nats=kl_nats, **asked)


def refusal(run: Path | None, **other) -> str:
    with pytest.raises(RequestError) as caught:
        need(run, **other)
    check_line(str(caught.value))
    return str(caught.value)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of the default engine; only read from it."""
    return write_accuracy_run(tmp_path_factory.mktemp("runs") / "mine")


# Light -----------------------------------------------------------------------------------------------------------


def test_least_power_and_what_goes_with_it(run):
    found = need(run, 0.1)
    assert found.laser_power_w == pytest.approx(KL_W / 0.1)
    assert found.photons_per_mac == pytest.approx(PHOTONS_PER_W * found.laser_power_w)
    assert (found.kl_nats, found.snr_db, found.inputs_per_tile) == (0.1, 20.0, 600.0)
    assert not found.below_sweep and not found.beyond_power_max
    assert need(run, 0.1, rotate=False).laser_power_w == pytest.approx(3 * KL_W / 0.1)


def test_power_below_the_sweep_and_beyond_the_source_is_marked(run, tmp_path):
    weakest = need(run, 2.0)
    assert weakest.below_sweep and weakest.laser_power_w == 1e-3 and weakest.snr_db == 20.0
    assert need(run, 0.02).laser_power_w == pytest.approx(0.05) and not need(run, 0.02).beyond_power_max
    weak = write_accuracy_run(tmp_path, overrides=("source.power_max_w=0.04",))
    assert need(weak, 0.02).beyond_power_max and not need(weak, 0.1).beyond_power_max


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("encoding.repetitions=3",),
        ("encoding.conversion=pass",),
        ("encoding.activation_sign=offset", "encoding.weight_sign=offset", "encoding.conversion=pass"),
        ("encoding.activation_slices=2", "encoding.weight_slices=3", "dac.bits=9"),
        ("photodetector.shot_noise=false",),
        ("operating_point.symbol_rate_hz=3e8", "receiver.filter=one-pole"),
    ],
)
def test_the_noise_is_that_of_the_budget(tmp_path, overrides):
    run = write_accuracy_run(tmp_path, overrides=overrides)
    projected = engine_file(*overrides)
    found = need(run, bits_x=projected.values["dac.bits"], engine_file=projected)
    engine: Any = load_engine(ENGINE, overrides).at(laser_power_w=found.laser_power_w)
    terms = {term.origin: term.variance_electrons2 for term in engine.noise_budget()}
    shot = sum(terms.get(f"shot noise of the {origin}", 0.0) for origin in ("signal light", "extinction floors"))
    assert found.shot_variance_per_electron * found.electrons_per_path == pytest.approx(shot)
    assert (shot == 0.0) == ("photodetector.shot_noise=false" in overrides)
    assert found.readout_weight * found.readout_variance == pytest.approx(terms["receiver"], rel=1e-6)
    assert found.electrons_per_path == pytest.approx(float(engine.electrons_per_path()))
    assert found.noise_band == pytest.approx(float(engine.noise_band()))


def test_two_passes_hold_the_receiver_twice(run):
    assert need(run).readout_weight == pytest.approx(2.0, rel=1e-6)


def test_shot_noise_of_an_output_is_that_of_typical_light(run):
    # 2 beta = 1, and K products of the mean light of a source (both passes) and of a pixel (both rails).
    engine: Any = load_engine(ENGINE)
    light, transmission = engine.mean_light()
    expected = 1024 * 2 * float(light) * 2 * float(transmission)
    assert need(run).shot_variance_per_electron == pytest.approx(expected, rel=1e-4)


def test_a_better_detector_in_the_run_doubles_the_electrons(run, tmp_path):
    poor = write_accuracy_run(tmp_path, overrides=("photodetector.quantum_efficiency=0.4",))
    one, two = need(poor), need(run)
    assert two.laser_power_w == one.laser_power_w
    assert two.electrons_per_path == pytest.approx(2 * one.electrons_per_path)
    # Per electron nothing has changed, nor in the receiver.
    for name in ("shot_variance_per_electron", "readout_variance", "readout_weight", "noise_band"):
        assert getattr(two, name) == pytest.approx(getattr(one, name)), name


def test_power_and_electrons_go_together(run):
    one, two = need(run, 0.2), need(run, 0.1)
    assert two.electrons_per_path / one.electrons_per_path == pytest.approx(2.0)
    assert two.shot_variance_per_electron == pytest.approx(one.shot_variance_per_electron)


def test_the_engine_of_the_run_is_given_its_own_power_back(run):
    found = need(run)
    names = {field.name for field in dataclasses.fields(RequiredLight)} - {"held"}
    numbers: dict[str, Any] = {name: jnp.asarray(getattr(found, name)) for name in names}
    engine: Any = load_engine(ENGINE)
    assert float(RequiredLight(**numbers).power_w(engine, 600.0)) == pytest.approx(found.laser_power_w, rel=1e-5)


def test_need_is_plain(run):
    need_of_run = need(run)
    text = json.dumps(plain(dataclasses.asdict(need_of_run)), allow_nan=False)
    assert "somewhere" not in text and str(run.parent) not in text
    numbers = [value for value in dataclasses.asdict(need_of_run).values() if isinstance(value, float)]
    assert len(numbers) == 10 and all(type(value) is float for value in numbers)


def test_provenance_says_where_it_comes_from(run):
    facts = need(run).provenance
    assert facts["run"] == "mine" and facts["model"] == "a-model" and facts["engine"] == ENGINE
    assert facts["tokens"] == "1016" and facts["date"].startswith("2026-11-23")
    assert facts["versions"] == "Python 3.11.7, exalight 0.1.0" and facts["machine"] == "2 CPUs, a CPU"
    assert all(isinstance(fact, str) and fact for fact in facts.values())
    assert need(None).provenance["run"] == "stored"


def test_a_run_that_does_not_say_its_tiles(tmp_path):
    assert need(write_accuracy_run(tmp_path, result={"inputs_per_tile": None})).inputs_per_tile is None


# What differs ----------------------------------------------------------------------------------------------------


def test_differences_that_act_on_the_accuracy_are_named(run):
    assert need(run).differs == []
    # The light that arrives, the receiver's noise and all energies are followed; rotation is asked for.
    followed = ("optics.insertion_loss_db=4", "receiver.noise_factor=2", "source.slope_efficiency=0.7")
    assert need(run, engine_file=engine_file(*followed, "encoding.rotate=false")).differs == []
    other = engine_file("panel.element_residual=0.005", "modulator.response=curved", name=LARGER)
    assert need(run, engine_file=other).differs == [
        "source.count: 1024 -> 2048",
        "modulator.response: linear -> curved",
        "optics.crosstalk_per_neighbour: 0.02 -> 0.03",
        "optics.crosstalk_residual: 0.002 -> 0.003",
        "panel.element_residual: 0.01 -> 0.005",
    ]


def test_a_receiver_of_another_kind_is_named(tmp_path):
    file = engine_file()
    lost = {path: None for path in file.values if path.startswith("receiver.")}
    own = {"kind": "integrating", "capacitance_f": 5e-15, "reset_v": 1.0, "amplifier_power_w": 1e-3}
    values = lost | {f"receiver.{name}": value for name, value in own.items()} | {"receiver.output_swing_v": 0.4}
    found = need(write_accuracy_run(tmp_path, values=values))
    assert found.differs == [
        "receiver.kind: integrating -> transimpedance",
        "receiver.filter: none -> integrate",
        "receiver.bandwidth_hz: none -> 1e+09",
    ]


# Values that change the light which arrives, the receiver's noise per pass, the work to be done or energies only.
FOLLOWED = {
    *("operating_point.laser_power_w", "operating_point.symbol_rate_hz", "operating_point.temperature_k"),
    *("encoding.rotate", "dac.bits", "panel.bits"),
    *("dac.energy_model", "dac.reference_energy_j", "dac.reference_bits", "dac.unit_capacitance_f", "dac.swing_v"),
    *("source.wavelength_m", "source.slope_efficiency", "source.threshold_current_a", "source.voltage_v"),
    *("source.modulation", "source.power_max_w", "source.beam_quality"),
    *("modulator.transmission", "modulator.symbol_energy_j", "optics.transmission", "optics.numerical_aperture"),
    *("panel.outputs", "panel.transmission", "panel.pixel_capacitance_f", "panel.pixel_swing_v"),
    *("panel.refresh_rate_hz", "panel.drive_power_w", "panel.reload_time_s", "panel.absorbed_power_max_w"),
    *("photodetector.quantum_efficiency", "photodetector.bias_v", "photodetector.capacitance_f_per_m2"),
    *("receiver.feedback_resistance_ohm", "receiver.noise_factor", "receiver.input_capacitance_f"),
    *("receiver.transconductance_siemens", "receiver.channel_noise_factor", "receiver.overdrive_v"),
    *("receiver.load_capacitance_f", "receiver.supply_v", "receiver.overhead"),
    *("receiver.capacitance_f", "receiver.reset_v", "receiver.amplifier_power_w"),
    *("adc.energy_model", "adc.technology_m", "adc.walden_fom_j", "digital.op_energy_j", "digital.mac_energy_j"),
    *("memory.near_energy_j_per_byte", "memory.far_energy_j_per_byte", "memory.output_byte", "memory.partial_byte"),
    *("system.control_power_w", "system.host_power_w", "system.power_supply_efficiency", "system.utilisation"),
}


def test_every_value_of_an_engine_has_its_place():
    # A new field has to be sorted: refused where it differs, named, or followed.
    places = [set(MUST_AGREE), set(ACT_ON_ACCURACY), FOLLOWED]
    assert set.union(*places) == set(FAMILIES["free-space"].row_of)
    assert sum(map(len, places)) == len(set.union(*places))


# Refusals --------------------------------------------------------------------------------------------------------


def test_other_bits_are_refused(tmp_path):
    run = write_accuracy_run(tmp_path, overrides=("dac.bits=8", "panel.bits=4"))
    message = refusal(run)
    assert message.startswith(f"--accuracy {run}: the run has 8/4 bits, --bits-x 8 --bits-w 8 were asked; give a run")
    assert "--set dac.bits=8 panel.bits=8" in message
    assert need(run, bits_w=4, engine_file=engine_file("panel.bits=4")).laser_power_w > 0


@pytest.mark.parametrize("path", MUST_AGREE)
def test_another_encoding_is_refused_by_name(run, path):
    others = {
        "encoding.activation_sign": "offset",
        "encoding.weight_sign": "offset",
        "encoding.conversion": "pass",
        "adc.enob_loss": 0.5,
        "adc.bits": 11,
        **dict.fromkeys(("adc.ideal", "dac.ideal", "panel.ideal"), "true"),
    }
    asked = others.get(path, 2)
    message = refusal(run, engine_file=engine_file(f"{path}={asked}"))
    assert f"it has {path} = " in message
    assert message.endswith(
        f"and the projected engine {asked}; give --accuracy with a run made with --set {path}={asked}"
    )


def test_another_family_is_refused(run, tmp_path):
    other = write_accuracy_run(tmp_path, engine="optical-transformers")
    assert "its engine is of the family optical-transformer; how much light" in refusal(other)
    message = refusal(run, engine_file=engine_file(name="optical-transformers"))
    assert "it is of the family free-space, and optical-transformers of the family optical-transformer" in message


def test_an_engine_of_another_version_is_refused_with_the_reason(tmp_path):
    older = write_accuracy_run(tmp_path / "older", values={"source.beats": None, "source.wall_plug_efficiency": 0.3})
    expected = (
        "its engine lacks source.beats and has source.wall_plug_efficiency, as another version made it; run exalight"
    )
    assert expected in refusal(older)
    both = write_accuracy_run(tmp_path / "both", values={"receiver.reset_v": 1.0})
    assert "its engine has receiver.reset_v, as another" in refusal(both)
    empty = write_accuracy_run(tmp_path / "empty", document={"engine": {}})
    assert "lacks operating_point.laser_power_w, operating_point.symbol_rate_hz" in refusal(empty)
    assert refusal(empty).count("operating_point.") == 3 and " more, as another" in refusal(empty)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"adc.bits": "ten"}, "adc.bits is 'ten'; it should be a whole number"),
        ({"adc.enob_loss": 9.5}, "adc.enob_loss is 9.5 of adc.bits = 10"),
        ({"receiver.kind": "none"}, "receiver.kind is 'none'"),
    ],
)
def test_an_engine_that_cannot_be_is_refused(tmp_path, values, words):
    assert f"this version cannot build its engine: {words}" in refusal(write_accuracy_run(tmp_path, values=values))


def test_a_run_without_points_at_this_rotation_is_refused(tmp_path):
    run = write_accuracy_run(tmp_path, result={"points": points(rotate=False)})
    assert refusal(run).endswith("it has no points rotated; run exalight accuracy with --rotate both")
    assert need(run, rotate=False).laser_power_w > 0


def test_a_divergence_that_is_not_reached_is_refused(run, tmp_path):
    message = refusal(run, kl_nats=0.01)
    assert "a KL divergence of 0.01 nats is not reached (its lowest is 0.0156 at 0.064 W); give a larger" in message
    rising = points()
    rising[-1]["kl_nats"] = 0.3
    message = refusal(write_accuracy_run(tmp_path, result={"points": rising}), kl_nats=0.1)
    assert "(its lowest is 0.0625 at 0.016 W, with 0.3 again at 0.064 W)" in message


def test_an_engine_without_noise_is_refused(tmp_path):
    silent: dict[str, Any] = {
        "photodetector.shot_noise": False,
        "receiver.kind": "integrating",
        "receiver.capacitance_f": 0.0,
    }
    lost = {path: None for path in engine_file().values if path.startswith("receiver.")}
    silent["photodetector.capacitance_f_per_m2"] = 0.0
    rest = {"receiver.reset_v": 0.0, "receiver.amplifier_power_w": 0.0, "receiver.output_swing_v": 0.4}
    run = write_accuracy_run(tmp_path, values=lost | silent | rest)
    assert "neither shot nor receiver noise" in refusal(run)


def test_what_is_no_run_is_refused_as_such(tmp_path):
    assert refusal(tmp_path / "none").startswith(f"--accuracy {tmp_path / 'none'}: config.toml cannot be read")
    classify = write_accuracy_run(tmp_path / "run", document={"options": {"task": "classify"}})
    assert "measured --task 'classify'" in refusal(classify)


# Stored runs -----------------------------------------------------------------------------------------------------


def test_the_stored_run_gives_a_power_between_its_points():
    held = next(held for held in stored_runs() if held["engine"]["panel.bits"] == held["engine"]["dac.bits"] == 8)
    sweep = sorted((p["laser_power_w"], p["kl_nats"], p["photons_per_mac"]) for p in held["points"] if p["rotate"])
    found = need(None, 0.1, engine_file=engine_file(name=LARGER))
    (low_w, poor, fewer), (high_w, good, more) = (
        max(point for point in sweep if point[1] > 0.1),
        min(point for point in sweep if point[1] <= 0.1),
    )
    assert low_w < found.laser_power_w < high_w and poor > 0.1 >= good
    assert fewer < found.photons_per_mac < more
    share = math.log(poor / 0.1) / math.log(poor / good)
    assert found.laser_power_w == pytest.approx(low_w * (high_w / low_w) ** share)
    assert not found.below_sweep and not found.beyond_power_max
    assert 576 < (found.inputs_per_tile or 0) < 768
    # Without rotation it takes more light than the source has, if it is reached at all.
    assert need(None, 0.3, rotate=False).laser_power_w > 5 * need(None, 0.3).laser_power_w


def test_fewer_bits_need_more_light():
    powers_w = [
        need(None, 0.2, bits_x=x, bits_w=w, engine_file=engine_file(f"dac.bits={x}", f"panel.bits={w}")).laser_power_w
        for x, w in ((8, 8), (8, 6), (6, 6))
    ]
    assert powers_w == sorted(powers_w)


def test_every_stored_run_can_be_used():
    for held in stored_runs():
        x, w = held["engine"]["dac.bits"], held["engine"]["panel.bits"]
        found = need(None, 5.0, bits_x=x, bits_w=w, engine_file=engine_file(f"dac.bits={x}", f"panel.bits={w}"))
        assert found.differs == []


def test_bits_without_a_stored_run_are_refused_with_those_there_are():
    message = refusal(None, bits_x=11, engine_file=engine_file("dac.bits=11"))
    assert message.startswith(
        "--bits-x 11 --bits-w 8 rotated: no accuracy run is stored for these (stored are 8/8 rotated,"
    )
    assert "8/8 not rotated, 8/6 rotated" in message
    assert message.endswith(
        "give --accuracy RUN with one of your own (exalight accuracy --set dac.bits=11 panel.bits=8)"
    )
    assert "--bits-x 6 --bits-w 6 not rotated: no accuracy" in refusal(None, bits_x=6, bits_w=6, rotate=False)


def test_a_stored_run_that_does_not_reach_it_or_is_encoded_otherwise_is_refused():
    assert refusal(None, kl_nats=1e-3).startswith(
        "the stored accuracy run of 8/8 bits: a KL divergence of 0.001 nats is not reached"
    )
    message = refusal(None, engine_file=engine_file("encoding.repetitions=4"))
    assert message.startswith(
        "the stored accuracy run of 8/8 bits: it has encoding.repetitions = 1, and the projected engine 4; give"
    )


# How -------------------------------------------------------------------------------------------------------------


def test_refusals_come_without_jax(run):
    code = f"""
import sys
from pathlib import Path
from experiments.accuracy_request import checked_engine_file
from experiments.errors import RequestError
from experiments.scaling_accuracy import required_light
file = checked_engine_file("free-space-1024", ())
for run, bits, kl in ((Path({str(run)!r}), 7, 0.1), (Path({str(run)!r}), 8, 1e-6), (None, 3, 0.1)):
    try:
        required_light(run, bits, 8, kl, True, file)
    except RequestError:
        continue
    sys.exit("not refused")
assert "jax" not in sys.modules
"""
    root = Path(scaling_accuracy.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> Path:
    """A run whose files are written over; what it was is in `run`."""
    return write_accuracy_run(tmp_path_factory.mktemp("damaged"))


@fuzzed(60)
@given(data=st.data())
def test_damaged_runs_are_refused_in_one_line(run, damaged, data):
    need(run)  # JAX is warm: its start does not count
    config, result = (run / CONFIG_FILE).read_text("utf-8"), (run / RESULT_FILE).read_text("utf-8")
    kind = data.draw(st.sampled_from(("config lines", "config bytes", "result", "result bytes")))
    if kind == "config lines":
        config = data.draw(damaged_lines(config))
    elif kind == "result":
        result = json_of(data.draw(damaged_document(json.loads(result))))
    content = [config.encode(), result.encode()]
    if kind.endswith("bytes"):
        index = int(kind == "result bytes")
        content[index] = data.draw(damaged_bytes(content[index]))
    for name, one in zip((CONFIG_FILE, RESULT_FILE), content, strict=True):
        (damaged / name).write_bytes(one)
    refused(lambda: need(damaged))
