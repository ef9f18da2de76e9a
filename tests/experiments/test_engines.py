import subprocess
import sys

import pytest

from experiments.cli import main
from experiments.engines import quantity
from photonics.catalogue import engine_names, read_engine_file


def shown(capsys, *argv: str) -> str:
    assert main(["engines", *argv]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert max(map(len, captured.out.splitlines())) <= 100
    return captured.out


def test_list_names_every_engine(capsys):
    lines = shown(capsys).splitlines()
    for name in engine_names():
        assert any(line.startswith(name) for line in lines)


@pytest.mark.parametrize("name", engine_names())
def test_one_engine_has_parameters_and_budgets(capsys, name):
    text = shown(capsys, name)
    for heading in ("Parameters", "Link budget", "Noise budget", "Power budget"):
        assert heading in text
    flat = " ".join(text.split())
    for path, source in read_engine_file(name).sources.items():
        assert f".{path.partition('.')[2]} " in text
        assert f"{source.kind}: {' '.join(source.title.split())}"[:40] in flat


def test_overrides_reach_values_and_budgets(capsys):
    text = shown(capsys, "free-space-1024", "--laser-power-w", "0.02", "--set", "adc.bits=8", "--set", "dac.bits=6")
    assert text.count("set on the command line") == 3
    assert "one source at full drive, 20 mW, 1 GHz" in text
    whole = shown(capsys, "free-space-1024")
    assert text.partition("Noise budget")[2] != whole.partition("Noise budget")[2]


def test_warnings_follow_the_budgets(capsys):
    text = shown(capsys, "free-space-1024")
    assert "Nothing to warn of" in text
    assert "ranging.percentile, ranging.margin, ranging.fraction" in " ".join(text.partition("Not used")[2].split())
    text = shown(capsys, "free-space-1024", "--set", "ranging.sigmas=3", "--laser-power-w", "0.2")
    flat = " ".join(text.partition("\nWarnings\n")[2].split())
    assert flat.startswith("! 0.2 W are asked of a source that gives at most 0.1 W")
    assert "! 0.27% of normal signals exceed" in flat


def test_an_idle_setting_is_told_to_who_sets_it(capsys):
    flat = " ".join(shown(capsys, "free-space-1024", "--set", "ranging.percentile=99").split())
    assert "! ranging.percentile has no effect while ranging.statistic is sigmas" in flat
    assert "ranging.percentile" not in flat.partition("Not used with these choices")[2]


def test_nothing_is_written_without_plot(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown(capsys, "ideal")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["free-space-1042"], "free-space-1024"),
        (["no/such/file.toml"], "no/such/file.toml"),
        (["ideal", "--set", "adc.bitz=8"], "adc.bits"),
        (["ideal", "--set", "adc.bits=0"], "adc.bits is 0"),
        (["ideal", "--set", "adc.bits"], "PATH=VALUE"),
        (["ideal", "--laser-power-w", "-1"], "above 0 W"),
    ],
)
def test_bad_requests(capsys, argv, expected):
    assert main(["engines", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert expected in captured.err


def test_in_a_process_of_its_own():
    code = "from experiments.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "engines", "ideal"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ideal: ")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (True, "", "yes"),
        ("token", "", "token"),
        (1024, "1", "1024"),
        (3e-2, "W", "30 mW"),
        (2.0, "byte", "2 byte"),
        (1e-14, "1/Hz", "1e-14 1/Hz"),
        (float("inf"), "1", "inf"),
        (0.0, "J", "0 J"),
    ],
)
def test_quantity(value, unit, text):
    assert quantity(value, unit) == text
