"""`exalight plot` as a command: figures from files, and one line for a request that is wrong."""

import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from experiments.cli import main
from experiments.runs import RunFolder
from experiments.tables import write_table
from tests.experiments.swept_table import rows, write_sweep
from tests.experiments.synthetic import result, write_run


def texts(path) -> str:
    nodes = ElementTree.fromstring(path.read_bytes()).iter()
    return " ".join("".join(node.itertext()) for node in nodes if "text" in node.tag)


@pytest.fixture
def plot(capsys):
    """Run the command; the figure, what stands in its SVG, and standard error."""

    def run(*argv):
        assert main(["plot", *map(str, argv)]) == 0
        captured = capsys.readouterr()
        (line,) = captured.out.splitlines()
        return line, captured.err

    return run


@pytest.fixture(scope="module")
def accuracy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plot") / "accuracy"
    write_run(folder, result())
    return folder


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("plot") / "sweep")


def test_a_run_is_drawn_as_its_command_draws_it(plot, accuracy):
    line, _ = plot(accuracy)
    assert line == str(accuracy / "accuracy.png")
    assert {"accuracy.png", "accuracy.svg", "energy.png", "energy.svg"} <= {file.name for file in accuracy.iterdir()}


def test_any_column_against_any_other(plot, accuracy):
    line, err = plot(accuracy, "--x", "energy_per_token_j", "--y", "perplexity", "--hue", "rotate")
    assert line == str(accuracy / "plot-points-perplexity-energy_per_token_j-rotate.png") and err == ""
    words = texts(accuracy / "plot-points-perplexity-energy_per_token_j-rotate.svg")
    for expected in ("smollm2-135m on free-space-1024", "energy per token", "perplexity", "rotate:", "yes", "no", "J"):
        assert expected in words


def test_a_figure_repeats(plot, sweep, tmp_path):
    argv = (sweep, "--x", "laser_power_w", "--y", "kl_nats", "--hue", "adc.bits")
    for name in ("one", "two"):
        line, err = plot(*argv, "--out", tmp_path / name)
        assert line == str(tmp_path / f"{name}.png") and "medians of up to 6 rows" in err
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "ADC bits" in texts(tmp_path / "one.svg") and "medians of up to 6 rows" in texts(tmp_path / "one.svg")


def test_one_kind_of_figure_where_the_file_says_which(plot, sweep, tmp_path):
    line, _ = plot(sweep / "result.json", "--x", "adc.bits", "--y", "kl_nats", "--out", tmp_path / "a.b.svg")
    assert line == str(tmp_path / "a.b.svg")
    assert [file.name for file in tmp_path.iterdir()] == ["a.b.svg"]


def test_a_sweep_without_columns_shows_the_usual_ones(plot, tmp_path):
    failed = rows(failed={(0.1, 8): "broken"})
    line, err = plot(write_sweep(tmp_path / "sweep", failed))
    assert line.endswith("plot-points-perplexity-energy_per_token_j-adc.bits.png")
    assert "6 of 36 rows are left out: 6 failed" in err


def test_axes_are_logarithmic_where_values_span_decades_or_somebody_asks(sweep, tmp_path, plot):
    def ticks(*argv):
        plot(sweep, "--x", "laser_power_w", "--y", "perplexity", *argv, "--out", tmp_path / "t.svg")
        return texts(tmp_path / "t.svg")

    assert "1 mW" in ticks() and "10 mW" in ticks()
    assert "1 mW" not in ticks("--log", "none")
    assert "1 mW" in ticks("--log", "both")


def test_many_values_get_a_colour_bar_and_styles_their_markers(plot, tmp_path):
    table = [{"x": x, "y": x * z, "z": z, "kind": "ab"[z % 2]} for x in (1.0, 2.0) for z in range(1, 31)]
    write_table(tmp_path, "points", table)
    plot(tmp_path, "--x", "x", "--y", "y", "--hue", "z", "--style", "kind", "--out", tmp_path / "t.svg")
    words = texts(tmp_path / "t.svg")
    assert "kind:" in words and "z:" not in words and "28" in words


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "exalight plot RUN --x COLUMN --y COLUMN"),
        (
            ["RUN", "--x", "perplexty", "--y", "kl_nats"],
            "--x perplexty: no table of this run has a column of this name; ",
        ),
        (["RUN", "--x", "kl_nats"], "--x kl_nats needs --y COLUMN as well"),
        (["RUN", "--hue", "seed"], "--hue seed needs --x COLUMN and --y COLUMN as well"),
        (["RUN", "--x", "adc.bits", "--y", "kl_nats", "--out", "x.pdf"], "--out x.pdf: figures are written as .png or"),
        (["RUN", "--x", "adc.bits", "--y", "kl_nats", "--out", "no/such/x.png"], "cannot be written (No such file"),
        (["RUN", "--x", "adc.bits", "--y", "identity"], "--y identity holds texts"),
        (["RUN", "--x", "identity", "--y", "kl_nats", "--log", "x"], "--log x: --x identity holds no numbers"),
        (
            ["RUN", "--x", "adc.bits", "--y", "kl_nats", "--hue", "identity"],
            "--hue identity has 36 values; no more than 9",
        ),
        (["RUN", "--x", "adc.bits", "--y", "kl_nats", "--style", "identity"], "has 36 values; no more than 4"),
        (["RUN", "--x", ""], "--x is empty"),
        (["RUN", "--z", "seed"], "unknown option --z of exalight plot"),
        (["no/such/run"], "there is no run at no/such/run"),
    ],
)
def test_a_wrong_request_is_one_line(capsys, sweep, argv, expected):
    assert main(["plot", *(str(sweep) if word == "RUN" else word for word in argv)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("exalight: ") and expected in line


def test_tables_that_no_figure_is_known_for_need_columns(capsys, tmp_path):
    write_table(tmp_path, "points", [{"a": 1, "b": 2}])
    assert main(["plot", str(tmp_path)]) == 2
    assert "has no usual figure; give --x and --y (columns: a, b)" in capsys.readouterr().err


def test_a_run_that_lacks_a_table_of_its_own_figures_says_so(capsys, tmp_path, accuracy):
    shutil.copytree(accuracy, tmp_path / "run")
    (tmp_path / "run" / "energy.parquet").unlink()
    assert main(["plot", str(tmp_path / "run")]) == 2
    assert "lacks what the figures of exalight accuracy are drawn from" in capsys.readouterr().err


def test_a_bench_is_drawn_again(plot, tmp_path):
    RunFolder(tmp_path, {"experiment": "bench", "options": {"engine": "ideal", "set": []}}).open()
    case = {"title": "ideal", "m": 1, "k": 2, "n": 3, "ratio_low": 1.0, "ratio_median": 1.1, "ratio_high": 1.2}
    write_table(tmp_path, "cases", [{**case, "target_ratio": None}])
    assert plot(tmp_path)[0] == str(tmp_path / "bench.png")
