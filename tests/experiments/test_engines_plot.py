"""The figure of an engine's budgets: drawn from tables, for noisy, ideal and odd engines."""

import xml.etree.ElementTree as ElementTree

import pytest

from experiments.engines_config import EnginesConfig
from experiments.engines_output import run_folder, tables
from experiments.engines_plot import _electrons, draw
from experiments.tables import write_table
from photonics.catalogue import apply_overrides, build_engine, read_engine_file
from photonics.explain import explain


def drawn(tmp_path, name: str, *overrides: str):
    file = apply_overrides(read_engine_file(name), overrides)
    engine = build_engine(file)
    folder = run_folder(EnginesConfig(name=name, set=overrides, plot=True, out=str(tmp_path / "run")), file)
    folder.open()
    for table, rows in tables(engine, explain(engine)).items():
        write_table(folder.path, table, rows)
    return draw(folder.path)


def texts(svg: bytes) -> str:
    return " ".join("".join(node.itertext()) for node in ElementTree.fromstring(svg).iter() if "text" in node.tag)


@pytest.fixture(scope="module")
def free_space(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("plot"), "free-space-1024", "adc.bits=8")


def test_the_figure_comes_from_the_tables_alone(free_space):
    assert [path.name for path in free_space] == ["engines.png", "engines.svg"]
    assert free_space[0].read_bytes().startswith(b"\x89PNG")
    before = [path.read_bytes() for path in free_space]
    for path in free_space:
        path.unlink()
    assert [path.read_bytes() for path in draw(free_space[0].parent)] == before


def test_three_budgets_and_a_sweep_are_named(free_space):
    words = texts(free_space[1].read_bytes())
    for expected in (
        "free-space-1024 with adc.bits=8: 30 mW per source, 1 GHz",
        "Light of one source on its way to one detector",
        "full scale of the ADC",
        "Noise of one output: signal to noise",
        "at the wall",
        "Noise against light",
        "limit of the source",
        "operating point",
    ):
        assert expected in words


def test_an_engine_without_noise_can_be_drawn(tmp_path):
    words = texts(drawn(tmp_path, "ideal")[1].read_bytes())
    assert "No noise" in words
    assert "-0.0 dB" not in words and "0.0 dB" in words


def test_an_engine_without_light_worth_the_name_can_be_drawn(tmp_path):
    words = texts(drawn(tmp_path, "free-space-1024", "operating_point.laser_power_w=1e-9")[1].read_bytes())
    assert "signal to noise -" in words
    assert "limit of the source" not in words


@pytest.mark.parametrize(
    ("value", "text"), [(388157.0, "388,000 e"), (759.6, "760 e"), (5.04, "5.0 e"), (0.0123, "0.012 e"), (0.0, "0 e")]
)
def test_electrons_are_rounded_for_reading(value, text):
    assert _electrons(value) == text
