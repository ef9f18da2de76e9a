import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from models.hardware.conventional_trend import load_machines
from models.hardware.machine import FORMATS, TIERS, VALUES, AbsentValue, machine_names, read_machine

REFERENCE = Path(__file__).parents[4] / "shared" / "data" / "hardware.csv"
GOOD = """
name = "Tiny"
maker = "We"
scope = "chip"
sources.main = "a data sheet"
compute.fp8_op_per_s = { value = 1e12, kind = "vendor", source = "main" }
memory.hbm.byte = { value = 1e9, kind = "vendor", source = "main" }
memory.hbm.byte_per_s = { value = 1e11, kind = "measured", source = "a stream benchmark" }
memory.sram.byte = { value = 1e6, kind = "vendor", source = "main" }
"""
WANTED = {
    *("a100", "h100", "h200", "b200", "gb200", "b300", "gb300", "rubin", "rubin-cpx"),
    *("groq-lpu-v1", "groq-lp30", "groq-lpx-rack", "trainium2", "trainium3", "cerebras-cs3"),
    *("gaudi3", "crescent-island", "jaguar-shores", "sn40l", "sn50"),
    *("wormhole-n150", "wormhole-galaxy", "blackhole-p150", "blackhole-galaxy"),
    *("tpu-v5e", "tpu-v6e", "tpu-v7", "mi300x", "mi355x"),
}


def written(tmp_path, content):
    path = tmp_path / "tiny.toml"
    path.write_text(content, "utf-8")
    return str(path)


def test_the_catalogue_has_what_light_must_beat():
    assert set(machine_names()) >= WANTED


@pytest.mark.parametrize("name", machine_names())
def test_every_number_of_a_machine_has_a_source_that_can_be_looked_up(name):
    machine = read_machine(name)
    assert machine.key == name
    assert set(machine.numbers) <= set(VALUES)
    # Names of sources are resolved: what is left is longer than a name.
    assert all(len(one.source) > 8 for one in machine.numbers.values())


@pytest.mark.parametrize("name", machine_names())
def test_faster_formats_and_nearer_memories_are_faster(name):
    machine = read_machine(name)
    floats = [machine.numbers[path].value for path in VALUES[1:5] if path in machine.numbers and "int8" not in path]
    assert floats == sorted(floats)
    speeds = [tier.byte_per_s for tier in machine.tiers]
    assert speeds == sorted(speeds, reverse=True)
    sizes = [machine.numbers[f"memory.{tier}.byte"].value for tier in TIERS if f"memory.{tier}.byte" in machine.numbers]
    assert sizes == sorted(sizes)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the table of the reference is not beside this checkout")
def test_numbers_are_those_of_the_reference():
    with REFERENCE.open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    machines = {machine.name: machine for machine in map(read_machine, machine_names())}
    assert len(machines.keys() & rows.keys()) == len(machines)
    columns = {
        "bf16_fp16_dense_tflops": ("compute.bf16_op_per_s", 1e12),
        "fp8_dense_tflops": ("compute.fp8_op_per_s", 1e12),
        "fp4_dense_tflops": ("compute.fp4_op_per_s", 1e12),
        "sram_bw_TBps": ("memory.sram.byte_per_s", 1e12),
        "hbm_or_gddr_GB": ("memory.hbm.byte", 1e9),
        "hbm_or_gddr_bw_TBps": ("memory.hbm.byte_per_s", 1e12),
        "link_GBps_per_direction": ("link.byte_per_s", 1e9),
        "power_W": ("power.rated_w", 1.0),
    }
    for name, machine in machines.items():
        for column, (path, unit) in columns.items():
            stated = rows[name][column]
            assert (path in machine.numbers) == bool(stated), (name, path)
            if stated:
                assert machine.need(path) == pytest.approx(float(stated) * unit, rel=1e-5)


@pytest.mark.parametrize(
    "key", ["a100", "h100", "h200", "b200", "gb200", "groq_v1", "trainium2", "trainium3", "mi300x"]
)
def test_the_trend_of_operations_per_joule_stands_on_the_same_numbers(key):
    trend = load_machines().accelerators
    machine = read_machine({"groq_v1": "groq-lpu-v1"}.get(key, key))
    assert trend[key].tdp_w.value == machine.need("power.rated_w")
    if trend[key].memory_byte_per_s is not None:
        nearest_tier = machine.tiers[0] if key == "groq_v1" else next(t for t in machine.tiers if t.name == "hbm")
        assert trend[key].memory_byte_per_s.value == pytest.approx(nearest_tier.byte_per_s)


def test_an_absent_value_is_named_with_its_machine():
    with pytest.raises(AbsentValue, match=r"machine 'rubin' has no power\.rated_w: no published value was found"):
        read_machine("rubin").need("power.rated_w")
    # Sparse 125 PFLOPS is all that is published of the wafer.
    with pytest.raises(AbsentValue, match=r"'cerebras-cs3' has no compute\.bf16_op_per_s"):
        read_machine("cerebras-cs3").peak_op_per_s("bf16")


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(ValueError, match="format 'fp16' is not known; the nearest is 'bf16'"):
        read_machine("h100").peak_op_per_s("fp16")
    assert [read_machine("b200").peak_op_per_s(name) for name in FORMATS] == [2.25e15, 4.5e15, 4.5e15, 9e15]


def test_a_file_of_one_s_own(tmp_path):
    machine = read_machine(written(tmp_path, GOOD))
    assert (machine.key, machine.name, machine.description) == ("tiny", "Tiny", "")
    assert list(machine.numbers) == [path for path in VALUES if path in machine.numbers]
    assert machine.numbers["memory.hbm.byte"].source == "a data sheet"
    assert machine.numbers["memory.hbm.byte_per_s"].source == "a stream benchmark"
    # Without a bandwidth, on-die memory is no tier to place anything in.
    assert [tier.name for tier in machine.tiers] == ["hbm"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fp8_op_per_s", "fp9_op_per_s", "unknown key 'compute.fp9_op_per_s'; the nearest is 'compute.fp8_op_per_s'"),
        ("memory.sram.byte", "memory.sarm.byte", "unknown key 'memory.sarm'"),
        ('name = "Tiny"', "", "the file lacks name"),
        ('name = "Tiny"', 'name = "Tiny"\ndescription = 3', "tiny.description is 3; it should be a text"),
        ('name = "Tiny"', 'name = "Tiny"\nyear = 2020', "year is 2020; it should be a table"),
        ('maker = "We"', "maker = 3", "tiny.maker is 3; it should be a text"),
        ("value = 1e9", "value = -1", "memory.hbm.byte has value = -1; it should be a positive number"),
        ('kind = "measured", ', "", "memory.hbm.byte_per_s lacks kind"),
        ('sources.main = "a data sheet"', "sources = 3", "sources is 3; it should be a table"),
        ("memory.hbm.byte = {", "memory.hbm.byte = 3 #", "memory.hbm.byte is 3; it should be a table"),
        ("scope", "scope =", "Invalid"),
    ],
)
def test_a_damaged_file_is_refused_with_its_key(tmp_path, old, new, message):
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=f"{re.escape(path)}: .*{re.escape(message)}"):
        read_machine(path)


def test_a_missing_machine_or_file(tmp_path):
    with pytest.raises(ValueError, match="machine 'h10' is not known; the nearest is 'h100'"):
        read_machine("h10")
    with pytest.raises(ValueError, match=r"gone\.toml cannot be read \(No such file or directory\)"):
        read_machine(str(tmp_path / "gone.toml"))


def test_the_catalogue_needs_no_jax():
    code = (
        "import sys; from models.hardware.machine import read_machine; read_machine('h100'); assert 'jax' not in "
        + ("sys.modules")
    )
    subprocess.run([sys.executable, "-c", code], check=True)
