import xml.etree.ElementTree as ElementTree

import pytest

from experiments import accuracy_plot
from experiments.accuracy_plot import draw
from tests.experiments.synthetic import POWERS_W, result, write_run


def texts(svg: bytes) -> str:
    """All words of a figure."""
    return " ".join("".join(node.itertext()) for node in ElementTree.fromstring(svg).iter() if "text" in node.tag)


def test_figures_are_drawn_from_the_tables_alone(tmp_path):
    write_run(tmp_path, result())
    files = draw(tmp_path)
    assert [path.name for path in files] == ["accuracy.png", "accuracy.svg", "energy.png", "energy.svg"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files[::2])
    before = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    assert [path.read_bytes() for path in draw(tmp_path)] == before


def test_accuracy_figure_names_plateau_machines_and_saving(tmp_path):
    write_run(tmp_path, result())
    words = texts(draw(tmp_path)[1].read_bytes())
    for expected in (
        "smollm2-135m on free-space-1024",
        "set by ADC noise beyond rounding",
        "H100 INT8",
        "x less light",
        "more light than the source can give",
        "energy per token at the wall",
    ):
        assert expected in words


def test_energy_figure_names_parts_and_marks_powers(tmp_path):
    write_run(tmp_path, result())
    words = texts(draw(tmp_path)[3].read_bytes())
    assert "adc" in words
    assert "300*" in words
    assert "84.3*" not in words
    assert "photodetector" not in words  # under 2 % everywhere: part of "other"
    assert "other" in words


def test_parts_keep_the_whole():
    rows = [
        {"part": part, "laser_power_w": power_w, "energy_per_token_j": energy_j}
        for power_w in (1.0, 2.0)
        for part, energy_j in (("a", 10.0 * power_w), ("b", 0.01), ("c", 5.0), ("d", 0.02))
    ]
    parts = accuracy_plot._large_parts(rows, (1.0, 2.0))
    assert list(parts) == ["a", "c", "other"]
    assert [sum(column) for column in zip(*parts.values(), strict=True)] == pytest.approx([15.03, 25.03])


@pytest.mark.parametrize("powers_w", [POWERS_W[:1], POWERS_W[-1:]])
def test_one_point_is_enough(tmp_path, powers_w):
    write_run(tmp_path, result(powers_w))
    assert all(path.stat().st_size > 1000 for path in draw(tmp_path))


def test_a_sweep_that_ends_before_the_plateau_says_so(tmp_path):
    content = result(POWERS_W[:3])
    for row in content["plateau"]:
        row["causes"] = {"shot and readout noise": row["kl_nats"]}
    write_run(tmp_path, content)
    words = texts(draw(tmp_path)[1].read_bytes())
    assert "lowest 0.1" in words
    assert "plateau" not in words


def test_an_exact_engine_can_be_drawn(tmp_path):
    content = result()
    for point in content["points"]:
        point.update(kl_nats=0.0, loss_increase_nats=0.0, standard_error_nats=0.0)
    for row in content["plateau"]:
        row["causes"] = dict.fromkeys(row["causes"], 0.0)
    write_run(tmp_path, content)
    draw(tmp_path)
