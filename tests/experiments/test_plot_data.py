"""Which table, which rows, which of them are one point: the part of `exalight plot` that has no axes."""

import statistics

import pytest

from experiments.errors import RequestError
from experiments.plot_config import PlotConfig
from experiments.plot_data import make_chart, open_run, quantile, read_rows, table_of
from experiments.tables import write_table
from tests.experiments.swept_table import BITS, POWERS_W, kl_nats, rows, write_sweep


def chart(folder, above_zero=(), **options):
    run, config = open_run(str(folder)), PlotConfig(run=str(folder), **options)
    return make_chart(run, read_rows(run, table_of(run, config)), config, above_zero)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("plot-data") / "sweep")


def test_repeats_of_a_setting_are_one_point_with_its_quartiles(sweep):
    found = chart(sweep, x="laser_power_w", y="kl_nats", hue="adc.bits")
    assert [curve.hue for curve in found.curves] == list(BITS)
    for curve in found.curves:
        assert curve.x == POWERS_W and curve.rows == (6, 6, 6)
        # Factors 1.0 to 1.5 in steps of 0.1: quartiles 1.125, 1.25, 1.375.
        expected = [[kl_nats(power_w, curve.hue, 0) * f for power_w in POWERS_W] for f in (1.125, 1.25, 1.375)]
        assert curve.low == pytest.approx(expected[0])
        assert curve.y == pytest.approx(expected[1])
        assert curve.high == pytest.approx(expected[2])
    assert found.connected and found.left_out == ""
    assert "medians of up to 6 rows, which differ in seed, instance" in found.caption


def test_a_setting_that_has_no_colour_is_named_in_the_caption(sweep):
    found = chart(sweep, x="laser_power_w", y="kl_nats")
    assert "up to 12 rows, which differ in adc.bits, seed, instance" in found.caption


def test_a_measured_x_is_the_median_of_its_setting(sweep):
    (curve, _) = chart(sweep, x="kl_nats", y="perplexity", hue="adc.bits").curves
    assert curve.rows == (6, 6, 6)
    assert curve.x == pytest.approx(sorted(1.25 * kl_nats(power_w, BITS[0], 0) for power_w in POWERS_W))


def test_the_repeats_themselves_can_be_the_axis(sweep):
    assert chart(sweep, x="seed", y="kl_nats", hue="adc.bits").curves[0].x == (0, 1, 2)


def test_rows_that_are_no_repeats_are_points_of_their_own(tmp_path):
    write_table(tmp_path, "layers", [{"depth": depth, "snr_db": 30.0 - depth} for depth in (2, 0, 1)])
    found = chart(tmp_path, x="depth", y="snr_db")
    (curve,) = found.curves
    assert (curve.x, curve.y) == ((0, 1, 2), (30.0, 29.0, 28.0))
    assert curve.low == curve.y == curve.high and found.caption == ""


def test_failed_and_infinite_rows_are_left_out_and_counted(tmp_path):
    table = rows(failed={(0.001, 6): "the ADC is too fast"})
    table[-1]["kl_nats"] = None
    table[-2]["kl_nats"] = 0.0
    found = chart(write_sweep(tmp_path, table), above_zero=["kl_nats"], x="laser_power_w", y="kl_nats")
    assert found.left_out.startswith("8 of 36 rows are left out: 6 failed, 1 without a finite laser_power_w or kl_nats")
    assert "1 not above 0 on a logarithmic axis" in found.left_out


def test_nothing_to_draw_is_refused(tmp_path):
    everything = {(power_w, bits): "broken" for power_w in POWERS_W for bits in BITS}
    folder = write_sweep(tmp_path, rows(failed=everything))
    with pytest.raises(RequestError, match="no row can be drawn: 36 failed"):
        chart(folder, x="laser_power_w", y="kl_nats")


def test_texts_have_places_and_no_line(tmp_path):
    table = [
        {"part": part, "energy_j": 1.0, "rotate": rotate} for part in ("adc", "Source") for rotate in (True, False)
    ]
    write_table(tmp_path, "energy", table)
    found = chart(tmp_path, x="part", y="energy_j")
    assert found.curves[0].x == ("adc", "Source") and not found.connected
    with pytest.raises(RequestError, match="--y part holds texts, such as 'adc'"):
        chart(tmp_path, x="energy_j", y="part")


def test_points_of_a_random_design_are_not_connected(tmp_path, sweep):
    assert not chart(write_sweep(tmp_path, design="sobol"), x="laser_power_w", y="kl_nats").connected
    assert chart(sweep, x="laser_power_w", y="kl_nats").connected


@pytest.fixture(scope="module")
def two_tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plot-data") / "two"
    folder.mkdir()
    write_table(folder, "layers", [{"layer": "head", "snr_db": 30.0, "laser_power_w": 0.1}])
    write_table(folder, "points", [{"laser_power_w": 0.1, "energy_per_token_j": 1e-3}])
    return folder


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"x": "laser_power_w", "y": "energy_per_token_j"}, "points"),
        ({"x": "laser_power_w", "y": "snr_db"}, "layers"),
        ({"x": "laser_power_w", "y": "laser_power_w"}, "points"),
        ({"x": "laser_power_w", "y": "laser_power_w", "table": "layers"}, "layers"),
    ],
)
def test_the_first_table_that_has_all_columns_is_drawn(two_tables, options, expected):
    assert table_of(open_run(str(two_tables)), PlotConfig(**options)) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"x": "energy", "y": "snr_db"},
            "--x energy: no table of this run has a column of this name; did you mean energy_p",
        ),
        ({"x": "layer", "y": "snr_bd"}, "did you mean snr_db?"),
        ({"x": "layer", "y": "snr_db", "hue": "zzz"}, "--hue zzz: no table of this run .*(there are .*layer.*)"),
        ({"x": "layer", "y": "snr_db", "table": "layer"}, "--table layer: .* did you mean layers?"),
        ({"x": "layer", "y": "snr_db", "table": "points"}, "--x layer: the table points has no column of this name"),
        ({"x": "layer", "y": "energy_per_token_j"}, "together: layer is in layers; energy_per_token_j is in points"),
    ],
)
def test_an_unknown_column_names_the_nearest(two_tables, options, expected):
    with pytest.raises(RequestError, match=expected):
        table_of(open_run(str(two_tables)), PlotConfig(**options))


@pytest.mark.parametrize("name", ["absent", "file", ""])
def test_no_run_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match=r"there is no run at|holds no tables"):
        open_run(str(tmp_path / name))


def test_damaged_files_are_refused(tmp_path):
    (tmp_path / "points.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(RequestError, match=r"points\.parquet cannot be read"):
        open_run(str(tmp_path))
    write_table(tmp_path, "points", [{"a": 1}])
    (tmp_path / "config.toml").write_text("=")
    with pytest.raises(RequestError, match=r"config\.toml cannot be read"):
        open_run(str(tmp_path))


@pytest.mark.parametrize("values", [[3.0], [1.0, 2.0], [5.0, 1.0, 3.0, 2.0], [float(i * i) for i in range(11)]])
def test_quantiles_are_those_of_the_standard_library(values):
    assert quantile(values, 0.5) == pytest.approx(statistics.median(values))
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        assert (quantile(values, 0.25), quantile(values, 0.75)) == pytest.approx((low, high))
