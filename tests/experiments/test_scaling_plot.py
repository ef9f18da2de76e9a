"""The figures of `exalight scaling`: from tables alone, whatever the answer is, and nothing runs into anything else."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

import matplotlib
import pytest
from matplotlib.text import Text

from experiments import scaling_plot
from experiments.figures import STYLE
from experiments.runs import RunFolder
from experiments.scaling_plot import draw
from experiments.scaling_plot_limits import path_figure, requirements_figure, tornado_figure, utilisation_figure
from experiments.scaling_plot_years import fan_figure, power_figure
from experiments.tables import read_table, write_table
from models.hardware.conventional_trend import load_machines, project
from models.hardware.roadmap_file import read_roadmap_file

YEARS = tuple(range(2024, 2033))
SHARES = {"adc": 0.31, "digital": 0.19, "weight_memory": 0.13, "laser": 0.11, "host": 0.08, "control": 0.06}
SHARES |= {"power_supply": 0.05, "dac": 0.03, "links": 0.02, "modulator": 0.015, "tia": 0.005}
OPTIONS = {"engine": "free-space-2048", "workload": "llama-3.1-70b:prefill:8192", "bits_x": 8, "bits_w": 8}
OPTIONS |= {"set": [], "kl_nats": 0.1, "photons": "per-mac", "roadmap": "default"}


def year_rows(years: Sequence[int] = YEARS, width: float = 1.0, probability: float | None = None) -> list[dict]:
    """Delivered 1.4 TOPS/W in 2024, 30 % more each year, three times as much at the peak, in 10 kW."""
    rows = []
    for year in years:
        median = 1.4 * 1.3 ** (year - 2024)
        quantiles = {"p05": median * 4**-width, "p25": median * 1.7**-width, "p50": median}
        quantiles |= {"p75": median * 1.65**width, "p95": median * 3.2**width}
        row: dict[str, Any] = {"year": year} | {f"tops_per_w_{name}": value for name, value in quantiles.items()}
        for name in ("p05", "p50", "p95"):
            row[f"peak_tops_per_w_{name}"] = 3.1 * quantiles[name]
            row[f"product_tops_per_w_{name}"] = 1.6 * quantiles[name]
            row[f"delivered_exaops_{name}"] = 1e-2 * quantiles[name]
            row[f"peak_exaops_{name}"] = 3.1e-2 * quantiles[name]
        reached = 0.5 * math.erfc((math.log(100 / median)) / 1.1) if probability is None else probability
        row |= {"energy_per_op_j_p50": 1e-12 / median, "probability_of_target": reached}
        row |= {"facility_tops_per_w_p50": median / 1.25, "target_tops_per_w": 100.0, "target_year": 2029}
        rows.append(row | {"rate_limited_share": 0.1})
    return rows


def breakdown_rows(years: Sequence[int] = YEARS) -> list[dict]:
    """Shares of 10 kW: converters fall a little every year, memory rises."""
    rows = []
    for year in years:
        pace = {"adc": -0.06, "weight_memory": 0.09}
        shares = {part: share * math.exp(pace.get(part, 0.0) * (year - 2024)) for part, share in SHARES.items()}
        rows += [{"year": year, "part": part, "power_w": 1e4 * s / sum(shares.values())} for part, s in shares.items()]
    return rows


def conventional_rows(years: Sequence[int] = YEARS) -> list[dict]:
    rows = []
    for number_format in ("8-bit", "4-bit"):
        for year in years:
            low, median, high = (float(v) for v in project(year, (0.05, 0.5, 0.95), number_format))
            pace = 3.0 * 1.5 ** (year - 2024) if number_format == "8-bit" else None
            row = {"year": year, "number_format": number_format, "epoch_tops_per_w": pace}
            rows.append(row | {"tops_per_w_p05": low, "tops_per_w_p50": median, "tops_per_w_p95": high})
    return rows


def machine_rows() -> list[dict]:
    known = load_machines()
    return [
        {"name": chip.name, "year": int(chip.year.value), "number_format": number_format, "tops_per_w": rate}
        for chip in known.accelerators.values()
        for number_format in chip.peak_ops_per_s
        for rate in [chip.wall_tops_per_w(number_format, known.wall_power_factor.value)]
    ]


def sensitivity_rows(width: float = 1.0) -> list[dict]:
    """Every parameter of the default roadmap: the later in the file, the less it does."""
    file = read_roadmap_file("default")
    rows = []
    for index, known in enumerate(file.parameters.values()):
        elasticity = (-1.0) ** (index % 3) * 0.9 * 0.85**index
        spread, reach = 4.0**width, 4.0 ** (elasticity * width)
        share = elasticity**2 / 3
        row = {"name": known.path, "kind": "parameter", "elasticity": elasticity, "share_first": 0.8 * share}
        row |= {
            "share_total": share,
            "share_first_error": 0.01,
            "share_total_error": 0.1 * share,
            "unit": known.row.unit,
        }
        row |= {"low": known.value / spread, "median": known.value, "high": known.value * spread}
        ends = {"tops_per_w_at_low": 5.2 / reach, "tops_per_w_at_median": 5.2, "tops_per_w_at_high": 5.2 * reach}
        rows.append(row | ends)
    empty = dict.fromkeys(
        ("elasticity", "low", "median", "high", "tops_per_w_at_low", "tops_per_w_at_median", "tops_per_w_at_high")
    )
    for index, name in enumerate(file.factors):
        share = 0.1 * 0.5**index
        row = {"name": f"factor.{name}", "kind": "factor", "share_first": share, "share_total": 1.1 * share, "unit": ""}
        rows.append(empty | row | {"share_first_error": 0.01, "share_total_error": 0.01})
    return rows


def utilisation_rows(median_s: float = 5e-4, busy: float | None = None) -> list[dict]:
    rows = []
    for batch in (1, 4, 16, 64, 256):
        for step in range(41):
            reload_s = 10 ** (-6 + 0.1 * step)
            compute_s = batch * 8192 * 2 / 1.5e9
            share = compute_s / (compute_s + reload_s) if busy is None else busy
            row = {"reload_time_s": reload_s, "batch": batch, "tokens": 8192, "busy_share": share}
            rows.append(row | {"tops_per_w": 30 * share / (0.4 + 0.6 * share), "median_reload_time_s": median_s})
    return rows


def path_rows() -> list[dict]:
    """The default roadmap on its way from 5 to 200 TOPS/W, each parameter as far as it matters."""
    rows, known = [], [row for row in sensitivity_rows() if row["kind"] == "parameter"]
    norm = sum(row["elasticity"] ** 2 for row in known)
    for point in range(9):
        goal = 5.2 * (200 / 5.2) ** (point / 8)
        for row in known:
            steps = math.log(goal / 5.2) * row["elasticity"] / norm
            factor = math.exp(0.8 * steps)
            found = {"point": point, "target_tops_per_w": goal, "effort": math.log(goal / 5.2) / math.sqrt(norm)}
            rows.append(
                found | {"path": row["name"], "steps": steps, "value": factor * row["median"], "factor": factor}
            )
    return rows


def requirement_rows(reachable: int = 2) -> list[dict]:
    rows = []
    for index, row in enumerate(row for row in sensitivity_rows() if row["kind"] == "parameter"):
        found = {"path": row["name"], "unit": row["unit"], "median": row["median"], "value": None, "factor": None}
        found |= {"steps": None, "best_tops_per_w": 5.2 * (1 + 4 * 0.8**index), "probability": None}
        if index < reachable:
            factor = 0.02 * (index + 1)
            found |= {"value": factor * row["median"], "factor": factor, "steps": -3.1, "probability": 0.004}
            found |= {"best_tops_per_w": 150.0 - 30 * index}
        rows.append(found)
    return rows


def tables() -> dict[str, list[dict]]:
    return {
        "years": year_rows(),
        "breakdown": breakdown_rows(),
        "conventional": conventional_rows(),
        "machines": machine_rows(),
        "sensitivity": sensitivity_rows(),
        "utilisation": utilisation_rows(),
        "path": path_rows(),
        "requirements": requirement_rows(),
    }


def write(folder, content: dict[str, list[dict]]):
    RunFolder(folder, {"experiment": "scaling", "options": OPTIONS}).open()
    for name, rows in content.items():
        write_table(folder, name, rows)
    return folder


def texts(path) -> str:
    nodes = ElementTree.fromstring(path.read_bytes()).iter()
    return " ".join("".join(node.itertext()) for node in nodes if "text" in node.tag)


NAMES = ("fan", "tornado", "power", "utilisation", "path", "requirements")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("scaling") / "run", tables())


@pytest.fixture(scope="module")
def drawn(folder):
    return {path.name: path for path in draw(folder)}


def made(figure, subtitle: str = "", **content) -> Any:
    """One figure from tables of which some are others; the rest are there as `tables` has them."""
    with matplotlib.rc_context(STYLE):
        return figure({**tables(), **content}, subtitle)


def words_of(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(Text))


def test_figures_are_drawn_from_the_tables_alone_and_again(folder, drawn):
    assert list(drawn) == [f"{name}.{kind}" for name in NAMES for kind in ("png", "svg")]
    assert all(path.read_bytes().startswith(b"\x89PNG") for name, path in drawn.items() if name.endswith("png"))
    with matplotlib.rc_context(STYLE):
        content = {name: read_table(folder, name).to_dicts() for name in tables()}
        again = fan_figure(content, scaling_plot._subtitle(folder))
    first = texts(drawn["fan.svg"])
    assert all(words in first for words in words_of(again).splitlines() if words.strip() and len(words) < 20)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fan", ["100 TOPS/W = 1 exaOPS in 10 kW", "optical, delivered", "Epoch AI", "conventional, 4-bit peak"]),
        ("fan", ["100 TOPS/W at the wall in 2029: <1 % of samples reach it", "Rubin R200", "H100", "MI300X"]),
        ("tornado", ["symbol rate (1 GHz)", "250 MHz", "4 GHz", "process node", "Share of variance", "target 100"]),
        (
            "power",
            ["Where the power goes in 2029: ADC 23 %", "10 kW", "other", "fJ per operation", "dashed: target 10 fJ"],
        ),
        ("utilisation", ["median, 500 \u00b5s", "256 prompts of 8,192 tokens", "1 prompt keeps", "10", "50", "90"]),
        ("path", ["to 100 TOPS/W: 1.7 standard deviations", "effort, all together", "value at 100 TOPS/W"]),
        ("requirements", ["2 parameters could each alone reach 100 TOPS/W", "not alone: 18.5 TOPS/W at best", "<1 %"]),
    ],
)
def test_what_a_figure_says(drawn, name, expected):
    words = texts(drawn[f"{name}.svg"])
    for part in ("free-space-2048", "llama-3.1-70b:prefill:8192", "8-bit activations, 8-bit weights", *expected):
        assert part in words


def test_the_fan_holds_everything(folder):
    axes = made(fan_figure).axes[0]
    low, high = axes.get_ylim()
    rows = tables()
    values = [row[name] for row in rows["years"] for name in ("tops_per_w_p05", "peak_tops_per_w_p95")]
    values += [row["tops_per_w_p95"] for row in rows["conventional"]] + [100.0]
    assert axes.get_yscale() == "log" and low < min(values) and max(values) < high
    assert axes.get_xlim()[0] < 2020 and axes.get_xlim()[1] > 2032
    (star,) = [line for line in axes.lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (2029, 100.0)


def test_names_cover_neither_each_other_nor_the_target():
    figure = made(fan_figure)
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_fontsize() == 6.8 or "=" in t.get_text()]
    assert len(boxes) > 15
    for index, box in enumerate(boxes):
        assert not any(box.shrunk(0.98, 0.9).overlaps(other.shrunk(0.98, 0.9)) for other in boxes[:index])


def test_the_target_is_named_at_any_edge():
    for target_year, target in ((2024, 1e4), (2032, 1e-3)):
        years = [{**row, "target_year": target_year, "target_tops_per_w": target} for row in year_rows()]
        figure = made(fan_figure, years=years)
        figure.draw_without_rendering()
        (words,) = [text for text in figure.axes[0].texts if "exaOPS" in text.get_text()]
        box, frame = words.get_window_extent(), figure.axes[0].get_window_extent()
        assert frame.y0 < box.y0 and box.y1 < frame.y1 and frame.x0 < box.x0 and box.x1 < frame.x1


@pytest.mark.parametrize(
    ("probability", "expected"), [(0.0, "no sample reaches"), (1.0, "every sample reaches"), (0.123, "12 % of samples")]
)
def test_the_probability_of_the_target_is_the_title(probability, expected):
    assert expected in words_of(made(fan_figure, years=year_rows(probability=probability)))


@pytest.mark.parametrize(("years", "width"), [((2029,), 0.0), ((2032,), 1.0), ((2024, 2032), 0.0)])
def test_few_years_and_bands_without_width_can_be_drawn(years, width):
    rows = year_rows(years, width)
    figure = made(fan_figure, years=rows, conventional=conventional_rows(years), machines=[])
    low, high = figure.axes[0].get_xlim()
    assert low < min(years) and high > max(*years, 2029)
    figure.draw_without_rendering()
    made(power_figure, years=rows, breakdown=breakdown_rows(years)).draw_without_rendering()


def test_values_that_are_not_there_leave_gaps():
    years = year_rows()
    for name in ("tops_per_w_p50", "tops_per_w_p05", "peak_tops_per_w_p95", "delivered_exaops_p50"):
        years[2][name] = None
    years[3]["tops_per_w_p05"] = 0.0
    for row in years:
        row["facility_tops_per_w_p50"] = None
    figure = made(fan_figure, years=years)
    figure.draw_without_rendering()
    assert "cooling" not in words_of(figure) and "1 exaOPS in 10 kW" in words_of(figure)


def test_bars_stand_between_the_ends_about_the_median_machine():
    axes, shares = made(tornado_figure).axes
    assert axes.get_xscale() == "log" and len(axes.patches) == 30 and len(shares.patches) == 21
    low, high = axes.get_xlim()
    for row in sensitivity_rows()[:15]:
        assert low < row["tops_per_w_at_low"] < high and low < row["tops_per_w_at_high"] < high
    assert low < 100 < high
    (middle,) = [line.get_xdata()[0] for line in axes.lines if line.get_color() == "black"]
    assert middle == pytest.approx(5.2)


def test_a_roadmap_without_spread_has_bars_without_length():
    rows = sensitivity_rows(0.0)
    for row in rows:
        row.update(share_first=0.0, share_total=None, share_first_error=None, share_total_error=None)
    figure = made(tornado_figure, sensitivity=rows)
    figure.draw_without_rendering()
    assert figure.axes[0].get_xlim()[0] < 5.2 < figure.axes[0].get_xlim()[1]


def test_a_distant_target_leaves_room_for_the_bars():
    years = [{**row, "target_tops_per_w": 1e6} for row in year_rows()]
    figure = made(tornado_figure, years=years)
    assert "target" not in words_of(figure) and figure.axes[0].get_xlim()[1] < 100


def test_sensitivities_without_factors_years_or_ends():
    rows = [row for row in sensitivity_rows() if row["kind"] == "parameter"][:3]
    rows[1]["tops_per_w_at_high"] = None
    figure = made(tornado_figure, sensitivity=rows, years=[])
    figure.draw_without_rendering()
    assert "What decides TOPS/W, most of all symbol rate" in words_of(figure)
    assert "ADC" not in words_of(figure)


def test_shares_of_power_sum_to_the_whole_and_small_parts_are_other():
    figure = made(power_figure)
    energy, shares = figure.axes
    tops = [bar.get_y() + bar.get_height() for bar in shares.patches[-len(YEARS) :]]
    assert tops == pytest.approx([1.0] * len(YEARS))
    joule = [bar.get_y() + bar.get_height() for bar in energy.patches[-len(YEARS) :]]
    assert joule == pytest.approx([1e3 / row["tops_per_w_p50"] for row in year_rows()])
    words = words_of(figure)
    assert "other" in words and "modulator" not in words and "TIA" not in words and "DAC" in words
    assert len(made(power_figure, years=[]).axes) == 1
    distant = [{**row, "target_tops_per_w": 1e4} for row in year_rows()]
    assert "; target: 100 aJ" in words_of(made(power_figure, years=distant))


@pytest.mark.parametrize("busy", [None, 1.0, 0.0])
def test_any_busy_share_can_be_drawn(busy):
    figure = made(utilisation_figure, utilisation=utilisation_rows(busy=busy))
    figure.draw_without_rendering()
    share, rate = figure.axes
    assert share.get_xscale() == "log" and share.get_ylim()[1] > 1
    assert list(share.get_yticks()) == [0.0, 0.1, 0.5, 0.9, 1.0]
    assert rate.get_yscale() == "log"


def test_a_median_beyond_the_grid_and_a_reload_of_no_time():
    rows = utilisation_rows(median_s=1.0)
    rows.append({**rows[0], "reload_time_s": 0.0, "busy_share": 1.0})
    figure = made(utilisation_figure, utilisation=rows)
    figure.draw_without_rendering()
    assert figure.axes[0].get_xlim()[1] > 1.0 and "median, 1 s" in words_of(figure)
    lone = made(utilisation_figure, utilisation=[{**rows[40], "tops_per_w": None}], years=[])
    lone.draw_without_rendering()
    assert lone.axes[0].lines[0].get_marker() == "o"


def test_the_path_shows_what_moves_most_and_the_value_at_the_target():
    figure = made(path_figure)
    left, right = figure.axes
    assert left.get_xscale() == left.get_yscale() == right.get_xscale() == "log" and right.get_yscale() == "linear"
    assert len([line for line in left.lines if line.get_marker() == "o"]) == 8
    rows = {row["name"]: row for row in sensitivity_rows() if row["kind"] == "parameter"}
    norm = sum(row["elasticity"] ** 2 for row in rows.values())
    factor = math.exp(0.8 * math.log(100 / 5.2) * rows["operating_point.symbol_rate_hz"]["elasticity"] / norm)
    assert f"symbol rate  \u00d7 {factor:.2g}" in words_of(figure)


def test_a_path_of_one_point_that_ends_before_the_target():
    rows = [row for row in path_rows() if row["point"] == 2]
    rows[0].update(factor=None, steps=None)
    figure = made(path_figure, path=rows)
    figure.draw_without_rendering()
    assert "found as far as 12.9" in words_of(figure) and "value at the end" in words_of(figure)
    assert "symbol rate" not in words_of(figure)
    assert "higher targets" in words_of(made(path_figure, path=rows, years=[]))


def test_a_path_without_values_says_so():
    rows = [{**row, "factor": None, "steps": None, "effort": None} for row in path_rows()]
    figure = made(path_figure, path=rows)
    figure.draw_without_rendering()
    assert "none found" in words_of(figure)


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "No parameter alone reaches"), (1, "One parameter alone could"), (2, "2 parameters")]
)
def test_requirements_that_nothing_meets_are_named(count, expected):
    rows = requirement_rows(count)
    rows[5]["best_tops_per_w"] = None
    figure = made(requirements_figure, requirements=rows)
    figure.draw_without_rendering()
    assert expected in words_of(figure) and "not alone" in words_of(figure)


def test_without_a_path_the_others_are_drawn(tmp_path):
    content = {name: rows for name, rows in tables().items() if name in ("path", "requirements")}
    content["path"] = []
    assert [path.name for path in draw(write(tmp_path / "run", content))] == ["requirements.png", "requirements.svg"]


def test_a_folder_without_tables_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none of the tables years"):
        draw(tmp_path)


def test_the_subtitle_needs_no_configuration_and_knows_changes(tmp_path):
    assert scaling_plot._subtitle(tmp_path) == ""
    (tmp_path / "result.json").write_text(
        '{"config": {"engine": "a/b.toml", "set": ["adc.bits=8"], "accuracy": "x/y"}}'
    )
    assert scaling_plot._subtitle(tmp_path) == "b with adc.bits=8"
