import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.stats

from models.hardware import conventional_trend
from models.hardware.conventional_trend import FILE, FORMATS, POPULATIONS, fit_trend, load_machines, project

MACHINES = load_machines()
CASES = [(number_format, of) for number_format in FORMATS for of in POPULATIONS]
LISTED_FJ_PER_OP = {
    # Chip power over dense peak, as the project's reference on serving lists it [fJ per operation].
    ("h100", "8-bit"): 354,
    ("b200", "8-bit"): 222,
    ("b200", "4-bit"): 111,
    ("gb300", "4-bit"): 93,
    ("trainium3", "8-bit"): 397,
    ("mi355x", "8-bit"): 280,  # 278: the list has 5.0e15, the table 5.033e15
    ("blackhole_p150", "8-bit"): 452,
    ("groq_v1", "8-bit"): 400,
}


@pytest.mark.parametrize(("key", "number_format"), LISTED_FJ_PER_OP)
def test_chips_spend_what_the_reference_lists(key, number_format):
    fj_per_op = 1e3 / MACHINES.accelerators[key].wall_tops_per_w(number_format, 1.0)
    assert fj_per_op == pytest.approx(LISTED_FJ_PER_OP[key, number_format], rel=0.01)


def test_years_are_those_of_the_study_and_every_number_is_of_its_unit():
    years = [one.year.value for one in MACHINES.accelerators.values()]
    assert years == sorted(years)
    assert (min(years), max(years)) == (2017, 2026)
    for one in MACHINES.accelerators.values():
        assert 0.1 < one.wall_tops_per_w("8-bit", 1.0) < 20
        assert 50 <= one.tdp_w.value <= 3000
        assert one.memory_byte_per_s is not None
        assert 1e11 < one.memory_byte_per_s.value < 1e14


def test_the_wall_factor_is_the_measured_server_and_lies_among_the_rated_ones():
    factor, servers = MACHINES.wall_power_factor, MACHINES.servers
    assert factor.value == pytest.approx(servers["hgx_h100_measured"].factor) == 1.5
    assert servers["dgx_h100"].factor == pytest.approx(10200 / 5600)
    assert factor.low == pytest.approx(servers["gb300_nvl72"].factor, abs=0.005)
    assert factor.high == pytest.approx(servers["dgx_a100"].factor, abs=0.005)
    # No server draws less at the wall than its chips are rated for.
    assert all(server.factor > 1.25 for server in servers.values())


def test_chip_power_is_never_compared_with_wall_power():
    # A chip of 4.5 TOPS/W by its rating is one of 3.0 at the wall, and the line goes through the latter.
    b200 = MACHINES.accelerators["b200"]
    assert b200.wall_tops_per_w("8-bit", MACHINES.wall_power_factor.value) == pytest.approx(3.0)
    trend = fit_trend("8-bit", "all")
    logs = [np.log2(MACHINES.accelerators[key].wall_tops_per_w("8-bit", 1.5)) for key in trend.machines]
    assert trend.wall_power_factor == 1.5
    assert trend.project(trend.mean_year) == pytest.approx(2 ** np.mean(logs))


@pytest.mark.parametrize(("number_format", "of"), CASES)
def test_the_line_is_the_least_squares_line(number_format, of):
    trend = fit_trend(number_format, of)
    chosen = [MACHINES.accelerators[key] for key in trend.machines]
    years = np.array([one.year.value for one in chosen])
    logs = np.log2([one.wall_tops_per_w(number_format, trend.wall_power_factor) for one in chosen])
    oracle: Any = scipy.stats.linregress(years, logs)
    assert trend.slope == pytest.approx(oracle.slope, rel=1e-9)
    assert trend.slope_error == pytest.approx(oracle.stderr, rel=1e-9)
    assert np.log2(trend.project(2029)) == pytest.approx(oracle.intercept + 2029 * oracle.slope, rel=1e-6)
    residuals = logs - oracle.intercept - oracle.slope * years
    assert trend.spread == pytest.approx(np.sqrt(np.sum(residuals**2) / (len(years) - 2)), rel=1e-6)


@pytest.mark.parametrize(("number_format", "of"), CASES)
def test_what_was_fitted_is_what_the_rule_says(number_format, of):
    fitted = MACHINES.fitted(number_format, of)
    assert all(number_format in one.peak_ops_per_s and not one.left_out_of_fit for one in fitted)
    rates = [one.wall_tops_per_w(number_format, 1.0) for one in fitted]
    years = [one.year.value for one in fitted]
    if of == "all":
        others = [one for one in MACHINES.accelerators.values() if one not in fitted]
        assert all(one.left_out_of_fit or number_format not in one.peak_ops_per_s for one in others)
    else:
        assert rates == sorted(rates)
        assert len(set(years)) == len(years)
        for one in MACHINES.fitted(number_format, "all"):
            best = max(rate for rate, year in zip(rates, years, strict=True) if year <= one.year.value)
            assert one.wall_tops_per_w(number_format, 1.0) <= best


def test_the_trends_are_those_that_the_page_states():
    # Frozen, so that a change of the file shows: doubling time and its 5 to 95 % range in years, TOPS/W of 2029.
    stated = {
        ("8-bit", "leading"): (3.72, (2.75, 5.78), (4.39, 8.38, 15.99)),
        ("8-bit", "all"): (6.41, (3.56, 32.3), (1.42, 3.53, 8.79)),
        ("4-bit", "leading"): (3.64, (2.43, 7.29), (8.09, 18.98, 44.54)),
        ("4-bit", "all"): (4.64, (2.08, -20.6), (1.68, 10.10, 60.65)),
    }
    for case, (doubling, ends, at_2029) in stated.items():
        trend = fit_trend(*case)
        assert trend.doubling_time_years == pytest.approx(doubling, abs=0.01)
        assert tuple(1 / trend.slope_quantile(q) for q in (0.95, 0.05)) == pytest.approx(ends, rel=0.01)
        assert trend.project(2029, [0.05, 0.5, 0.95]) == pytest.approx(at_2029, abs=0.01)
        assert trend.kind == "projection"


def test_the_trend_of_published_work_stands_beside_it():
    trends = MACHINES.published_trends
    assert trends["koomey_2016"].growth(2.6) == pytest.approx(2)
    assert trends["epoch_leading"].growth(1) == pytest.approx(1.5, rel=1e-3)
    # Epoch's leading accelerators improve faster than these: theirs may change to a shorter format, these may not.
    fastest = fit_trend("8-bit").slope_quantile(0.95)
    assert fastest < 1 / trends["epoch_leading"].doubling_time_years.value
    # No line passes the limit of CMOS by 2032.
    assert project(2032, 0.95, "4-bit") * 1e12 < MACHINES.cmos_limit_ops_4bit_per_j.value / 10


def _line(slope: float, spread: float, random: np.random.Generator) -> conventional_trend.Trend:
    """A trend fitted to 8 accelerators made from a known line."""
    one = MACHINES.accelerators["t4"]
    made = {}
    for year in range(2017, 2025):
        tops_per_w = 2.0 ** (slope * (year - 2020) + spread * random.standard_normal())
        peak = conventional_trend.Number(tops_per_w * 1e12 * 100 * 1.5, "assumption", "made")
        made[str(year)] = conventional_trend.Accelerator(
            key=str(year),
            name="made",
            year=conventional_trend.Number(year, "assumption", "made"),
            peak_ops_per_s={"8-bit": peak},
            tdp_w=conventional_trend.Number(100.0, "assumption", "made"),
            memory_byte_per_s=one.memory_byte_per_s,
        )
    return fit_trend("8-bit", "all", dataclasses.replace(MACHINES, accelerators=made))


def test_a_known_line_comes_back():
    trend = _line(0.5, 0.0, np.random.default_rng(0))
    assert trend.doubling_time_years == pytest.approx(2)
    assert trend.spread == pytest.approx(0, abs=1e-7)
    assert trend.project([2020, 2022, 2029], 0.9) == pytest.approx([1, 2, 2**4.5], rel=1e-5)


def test_quantiles_hold_what_they_say():
    # 2,000 fits of 8 machines: a new machine of 2029 lies below the 90 % quantile in 90 % of them (3 standard errors),
    # and the true slope below its 90 % quantile alike.
    random, trials, below, slopes = np.random.default_rng(1), 2000, 0, 0
    for _ in range(trials):
        trend = _line(0.4, 0.3, random)
        below += 2.0 ** (0.4 * 9 + 0.3 * random.standard_normal()) < trend.project(2029, 0.9)
        slopes += trend.slope_quantile(0.9) > 0.4
    error = 3 * np.sqrt(0.9 * 0.1 / trials)
    assert below / trials == pytest.approx(0.9, abs=error)
    assert slopes / trials == pytest.approx(0.9, abs=error)


def test_a_projection_takes_arrays_and_widens_with_distance():
    years, quantiles = np.array([[2026.0], [2032.0]]), np.array([0.05, 0.5, 0.95])
    values = project(years, quantiles)
    assert values.shape == (2, 3)
    assert np.all(np.diff(values, axis=1) > 0)
    assert values[1, 2] / values[1, 0] > values[0, 2] / values[0, 0]
    assert float(project(2026, 0.5)) == pytest.approx(values[0, 1])


@pytest.mark.parametrize("quantile", [0, 1, -0.1, [0.5, 1.5], float("nan")])
def test_a_quantile_outside_is_refused(quantile):
    with pytest.raises(ValueError, match="between 0 and 1"):
        project(2029, quantile)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match=r"format '8bit' is not known; the nearest is '8-bit' \(8-bit, 4-bit\)"):
        project(2029, 0.5, "8bit")
    with pytest.raises(ValueError, match="population 'lead' is not known; the nearest is 'leading'"):
        fit_trend("8-bit", "lead")
    few = {key: MACHINES.accelerators[key] for key in ("t4", "h100")}
    with pytest.raises(ValueError, match="needs 3 machines of 2 years, not 2"):
        fit_trend("8-bit", "all", dataclasses.replace(MACHINES, accelerators=few))


TEXT = FILE.read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[machine.t4]", "[machines.t4]", "unknown key 'machines'; the nearest is 'machine'"),
        ("[cmos_limit]", "[cmos]", "unknown key 'cmos'"),
        (
            "ops_4bit_per_s = { value = 2.6e14",
            "ops_5bit_per_s = { value = 2.6e14",
            "'machine.t4.ops_5bit_per_s'; the nearest",
        ),
        (
            "tdp_w = { value = 70.0",
            "tdp_w = { value = -70.0",
            "machine.t4.tdp_w has value = -70.0; it should be a positive",
        ),
        ("tdp_w = { value = 70.0", "tdp_w = { value = true", "it should be a positive number"),
        ("tdp_w = { value = 70.0", "tdp_w = { wert = 70.0", "unknown key 'machine.t4.tdp_w.wert'"),
        ('tdp_w = { value = 70.0, kind = "vendor"', 'tdp_w = { value = 70.0, kind = "guess"', "of kind 'guess'"),
        ('tdp_w = { value = 70.0, kind = "vendor"', 'tdp_w = { value = 70.0, kind = "projection"', "both low and high"),
        ('tdp_w = { value = 70.0, kind = "vendor"', "tdp_w = { value = 70.0", "machine.t4.tdp_w lacks kind"),
        ("low = 1.29, high = 2.03", "low = 1.29", "wall_power.factor should state both low and high"),
        ("low = 1.29, high = 2.03", "low = 1.6, high = 2.03", "outside its low = 1.6"),
        ('machine = "gb200"', 'machine = "gb20"', "the nearest machine is 'gb200'"),
        ('name = "NVIDIA T4 (Turing)"', "name = 4", "machine.t4.name is 4; it should be a text"),
        ("[machine.t4]", "[machine.t4", "Expected"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, old, new, complaint):
    assert old in TEXT
    path = tmp_path / "machines.toml"
    path.write_text(TEXT.replace(old, new, 1), "utf-8")
    with pytest.raises(ValueError, match=rf"^{path}: ") as refused:
        load_machines(path)
    assert complaint in str(refused.value)


def test_reading_and_projecting_need_no_jax():
    code = "import sys; from models.hardware.conventional_trend import project; project(2029); " + (
        "print({'jax', 'flax'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
