import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri

from models.hardware.roadmap import Roadmap, build_roadmap, load_roadmap
from models.hardware.roadmap_file import RoadmapFile, read_roadmap_file
from photonics.catalogue import apply_overrides, build_engine, read_engine_file

YEARS = list(range(2024, 2033))
PROBABILITIES = (0.05, 0.5, 0.95)
FOM, SLOPE, PUE = "adc.walden_fom_j", "source.slope_efficiency", "facility.power_usage_effectiveness"


@pytest.fixture(scope="module")
def roadmap() -> Roadmap:
    return load_roadmap()


@pytest.fixture(scope="module")
def samples(roadmap):
    return {path: np.asarray(one) for path, one in roadmap.sample(jax.random.key(3), YEARS, 10_000).items()}


def spike(value: float) -> dict[str, float]:
    return {"low": value, "value": value, "high": value}


def certain(file: RoadmapFile) -> RoadmapFile:
    """The same roadmap without any spread."""
    parameters = {
        path: dataclasses.replace(
            one,
            **spike(one.value),
            trend=one.trend and dataclasses.replace(one.trend, **spike(one.trend.value)),
        )
        for path, one in file.parameters.items()
    }
    return dataclasses.replace(file, parameters=parameters)


def test_quantiles_of_the_base_year_are_those_of_the_file(roadmap):
    for path, one in read_roadmap_file().parameters.items():
        if one.year >= 2024:
            found = [roadmap.quantile(path, one.year, p) for p in PROBABILITIES]
            # Leaves are float32.
            np.testing.assert_allclose(found, [one.low, one.value, one.high], rtol=2e-6, err_msg=path)


@pytest.mark.parametrize("year", [2024, 2029, 2032])
def test_samples_have_the_stated_quantiles(roadmap, samples, year):
    # Share of n = 10,000 samples below a quantile p: binomial, standard error sqrt(p (1 - p) / n); 3 of them per
    # quantile let 0.27 % of the 270 comparisons go wrong by chance, so each is held to 3 and a few may reach 4.
    far = []
    for path in roadmap.paths:
        values = samples[path][year - 2024]
        for p in PROBABILITIES:
            error = (np.mean(values <= roadmap.quantile(path, year, p)) - p) / np.sqrt(p * (1 - p) / values.size)
            if abs(error) > 3.0:
                far.append((path, p, error))
    assert len(far) <= 2 and all(abs(error) < 4.0 for *_, error in far), far


def test_quantiles_converge_as_one_over_the_root_of_the_samples(roadmap):
    alone = dataclasses.replace(read_roadmap_file(), parameters={FOM: read_roadmap_file().parameters[FOM]})
    values = np.asarray(build_roadmap(alone).sample(jax.random.key(5), [2029], 256 * 4096)[FOM])[0]
    truth = np.log(roadmap.quantile(FOM, 2029, 0.95))
    errors = []
    for count in (256, 4096):
        found = np.quantile(np.log(values[: 256 * count]).reshape(256, count), 0.95, axis=1)
        errors.append(np.sqrt(np.mean((found - truth) ** 2)))
    # 16 times the samples, a quarter of the error; a root mean square over 256 groups is known to 1/sqrt(512).
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=4 * np.sqrt(2 / 512))


def test_more_samples_continue_fewer_and_keys_differ(roadmap):
    few = roadmap.sample(jax.random.key(1), [2029], 10)[FOM]
    more = roadmap.sample(jax.random.key(1), [2029], 40_000)[FOM]
    # To rounding: programs of different shapes may use their exponentials differently.
    np.testing.assert_allclose(few, more[:, :10], rtol=2e-6)
    other = roadmap.sample(jax.random.key(2), [2029], 10)[FOM]
    assert not np.any(np.asarray(few) == np.asarray(other))


def test_draws_belong_to_the_name_of_a_parameter(samples):
    file = read_roadmap_file()
    alone = dataclasses.replace(file, parameters={PUE: file.parameters[PUE]})
    found = build_roadmap(alone).sample(jax.random.key(3), YEARS, 100)[PUE]
    np.testing.assert_allclose(found, samples[PUE][:, :100], rtol=1e-6)


def test_a_sample_is_a_trajectory(roadmap, samples):
    """Without a trend it stands still; with one it is a straight line on the scale u."""
    still = samples["panel.pixel_capacitance_f"]
    np.testing.assert_array_equal(still, np.broadcast_to(still[:1], still.shape))
    floor = read_roadmap_file().parameters[FOM].least
    height = np.log(samples[FOM].astype(np.float64) - floor)
    np.testing.assert_allclose(np.diff(height, 2, axis=0), 0.0, atol=2e-6 * np.abs(height).max())
    assert np.all(np.diff(height, axis=0) < 0.0) and np.std(height[1] - height[0]) > 0.05


def test_correlation_is_the_product_of_the_loadings(roadmap, samples):
    file = read_roadmap_file()

    def deviates(path: str) -> np.ndarray:
        """z of each sample, from the value in the base year through the stated quantiles."""
        one, i = file.parameters[path], roadmap.paths.index(path)
        values = samples[path][int(one.year) - 2024].astype(np.float64)
        u = np.log(values - one.least) - np.log1p(-(values - one.least) / (one.most - one.least))
        middle = np.log(one.value - one.least) - np.log1p(-(one.value - one.least) / (one.most - one.least))
        return (u - middle) / np.where(u < middle, roadmap.below[i], roadmap.above[i])

    pairs = [
        ("digital.op_energy_j", "digital.mac_energy_j"),
        ("digital.op_energy_j", FOM),
        ("weights.bytes_per_s", "links.bytes_per_s"),
        ("source.slope_efficiency", "source.threshold_current_a"),
        ("modulator.symbol_energy_j", "receiver.input_capacitance_f"),
        ("panel.reload_time_s", "digital.op_energy_j"),
    ]
    for one, other in pairs:
        loadings = file.parameters[one].loadings, file.parameters[other].loadings
        expected = sum(value * loadings[1].get(name, 0.0) for name, value in loadings[0].items())
        found = np.corrcoef(deviates(one), deviates(other))[0, 1]
        # Fisher's z has variance 1 / (n - 3).
        assert abs(np.arctanh(found) - np.arctanh(expected)) < 3.5 / np.sqrt(10_000 - 3), (one, other, found)


def test_the_correlation_matrix_is_positive_semidefinite(roadmap):
    loadings, own = np.asarray(roadmap.loadings, np.float64), np.asarray(roadmap.own, np.float64)
    matrix = loadings @ loadings.T + np.diag(own**2)
    np.testing.assert_allclose(np.diag(matrix), 1.0, atol=1e-6)
    assert np.linalg.eigvalsh(matrix).min() > 0.0


def test_pace_is_correlated_too_and_means_a_higher_value_later(roadmap, samples):
    """Efficiency and memory energy grow apart where their loadings have opposite signs."""
    file = read_roadmap_file()

    def pace(path: str) -> np.ndarray:
        excess = np.log(samples[path].astype(np.float64) - file.parameters[path].least)
        return np.argsort(np.argsort(excess[8] - excess[7]))

    together = np.corrcoef(pace("digital.op_energy_j"), pace("digital.mac_energy_j"))[0, 1]
    apart = np.corrcoef(pace("weights.bytes_per_s"), pace("memory.far_energy_j_per_byte"))[0, 1]
    # Rank correlation of normal deviates: 6/pi asin(rho/2), here rho = 0.64 and -0.36; standard error about 0.01.
    assert together == pytest.approx(6 / np.pi * np.arcsin(0.64 / 2), abs=0.035)
    assert apart == pytest.approx(-6 / np.pi * np.arcsin(0.36 / 2), abs=0.035)


def test_no_sample_passes_its_bounds(samples):
    for path, one in read_roadmap_file().parameters.items():
        assert np.all(samples[path] >= np.float32(one.least)) and np.all(samples[path] <= np.float32(one.most)), path
        assert np.all(np.isfinite(samples[path])) and np.all(samples[path] > 0.0)
        one.row.read(float(samples[path].min())), one.row.read(float(samples[path].max()))


def test_a_fast_trend_slows_down_at_its_floor():
    file = read_roadmap_file()
    one = file.parameters[FOM]
    assert one.trend is not None
    fast = dataclasses.replace(one, trend=dataclasses.replace(one.trend, **spike(0.25)))
    found = build_roadmap(dataclasses.replace(file, parameters={FOM: fast})).sample(jax.random.key(0), YEARS, 50)[FOM]
    floor = np.float32(one.least)
    assert np.all(found >= floor) and np.all(np.diff(np.asarray(found), axis=0) <= 0.0)
    np.testing.assert_allclose(found[-1], floor, rtol=1e-5)


def test_degenerate_distributions_are_the_typical_values_exactly():
    file = certain(read_roadmap_file())
    roadmap = build_roadmap(file)
    drawn, medians = roadmap.sample(jax.random.key(0), YEARS, 5), {year: roadmap.median(year) for year in YEARS}
    for path, one in file.parameters.items():
        if one.year >= 2024:
            np.testing.assert_array_equal(np.asarray(drawn[path])[int(one.year) - 2024], np.float32(one.value))
        for year in (2024, 2029, 2032):
            expected = roadmap.quantile(path, year, 0.5)
            np.testing.assert_allclose(drawn[path][year - 2024], expected, rtol=1e-5)
            assert float(medians[year][path]) == pytest.approx(expected, rel=1e-5)
            # A sure thing has one quantile, and it is the trend: half the distance from the floor in the stated time.
            assert roadmap.quantile(path, year, 0.9) == pytest.approx(expected, rel=1e-9)
        if one.trend and one.law == "log-normal":
            growth = (1.0 if one.trend.grows else -1.0) * (2032 - one.year) / one.trend.value
            assert roadmap.quantile(path, 2032, 0.5) == pytest.approx(
                one.least + (one.value - one.least) * 2.0**growth, rel=1e-5
            )


def test_the_median_is_the_quantile_of_one_half(roadmap):
    for year in (2024, 2029):
        for path, value in roadmap.median(year).items():
            assert float(value) == pytest.approx(roadmap.quantile(path, year, 0.5), rel=1e-5)


def test_a_quantile_of_a_symmetric_sum_is_known():
    """With one slope on both sides and a certain trend u is normal: the quantile has a closed form."""
    file = read_roadmap_file()
    one = file.parameters["dac.reference_energy_j"]
    assert one.trend is not None
    one = dataclasses.replace(one, floor=None, low=1e-12, value=2e-12, high=4e-12, year=2024.0)
    one = dataclasses.replace(one, trend=dataclasses.replace(one.trend, low=4.999, value=5.0, high=5.001))
    roadmap = build_roadmap(dataclasses.replace(file, parameters={one.path: one}))
    expected = 2e-12 / 2.0 * np.exp(np.log(2.0) / ndtri(0.95) * ndtri(0.8))
    assert roadmap.quantile(one.path, 2029, 0.8) == pytest.approx(expected, rel=1e-5)


def test_moving_by_the_spread_reaches_the_outer_quantiles(roadmap):
    """Where the law is symmetric 1.645 spreads are a quantile of 95 %; bounds hold however far one moves."""
    n, i = len(roadmap.paths), roadmap.paths.index("panel.drive_power_w")
    one = jnp.zeros(n).at[i].set(float(ndtri(0.95)))
    moved = roadmap.moved(2024, one)
    assert float(moved["panel.drive_power_w"]) == pytest.approx(40.0, rel=1e-4)
    assert float(moved[FOM]) == pytest.approx(5.26e-15, rel=1e-5)
    far = roadmap.moved(2029, jnp.full(n, 12.0))
    assert 0.8 < float(far[SLOPE]) <= 0.81 and float(roadmap.moved(2029, jnp.full(n, -12.0))[PUE]) >= 1.0


def test_gradients_reach_the_medians(roadmap):
    def mean(typical, path):
        moved = dataclasses.replace(roadmap, typical=typical)
        return jnp.mean(jnp.log(moved.sample(jax.random.key(7), [2024, 2029], 64)[path]))

    for path in (FOM, SLOPE, PUE, "panel.reload_time_s"):
        i = roadmap.paths.index(path)
        gradient = np.asarray(jax.grad(mean)(roadmap.typical, path)) * np.asarray(roadmap.typical)
        assert np.all(np.delete(gradient, i) == 0.0) and gradient[i] > 0.0
        step = 1e-2
        ends = [mean(roadmap.typical.at[i].multiply(1.0 + s * step), path) for s in (-1, 1)]
        # Central difference: error of order step^2, and float32 sums.
        assert gradient[i] == pytest.approx(float(ends[1] - ends[0]) / (2.0 * step), rel=1e-2)
    median = jax.grad(lambda typical: dataclasses.replace(roadmap, typical=typical).median(2024)[FOM])(roadmap.typical)
    assert float(median[roadmap.paths.index(FOM)]) == pytest.approx(1.0, rel=1e-5)


def test_everything_is_sampled_by_one_compiled_call(roadmap, samples):
    assert {one.shape for one in samples.values()} == {(9, 10_000)} and len(samples) == len(roadmap.paths) >= 30
    from models.hardware.roadmap import _trajectories

    before = _trajectories._cache_size()
    roadmap.sample(jax.random.key(8), np.array(YEARS), 10_000)
    warmer = dataclasses.replace(roadmap, typical=roadmap.typical * 1.1)
    warmer.sample(jax.random.key(8), YEARS, 10_000)
    assert _trajectories._cache_size() == before


def test_a_shift_of_trajectories_moves_every_sample_and_keeps_the_bounds(roadmap, samples):
    deviates = roadmap.deviates(jax.random.key(7), 10_000)
    unmoved = roadmap.trajectories(deviates, YEARS, jnp.zeros(len(roadmap.paths)))
    for path, values in roadmap.trajectories(deviates, YEARS).items():
        np.testing.assert_array_equal(values, unmoved[path])
    i = roadmap.paths.index("source.slope_efficiency")
    moved = roadmap.trajectories(deviates, YEARS, jnp.zeros(len(roadmap.paths)).at[i].set(3.0))
    ceiling = float(roadmap.ceiling[i])
    for path, values in moved.items():
        if path != roadmap.paths[i]:
            np.testing.assert_array_equal(values, unmoved[path])
            continue
        odds, before = values / (ceiling - values), unmoved[path] / (ceiling - unmoved[path])
        # Float32 leaves about 1e-7 of the ceiling, a share of the room that is left above.
        np.testing.assert_allclose(odds / before, np.exp(3.0), rtol=1e-2)
        assert np.all(values <= ceiling)


def test_samples_go_into_an_engine_under_vmap(roadmap):
    file = read_roadmap_file()
    engine = build_engine(apply_overrides(read_engine_file("free-space-2048"), file.presumes))
    drawn = roadmap.sample(jax.random.key(9), [2026], 8)
    leaves = {path: one[0] for path, one in drawn.items() if path in read_engine_file("free-space-2048").values}

    @jax.jit
    @jax.vmap
    def power_w(values):
        return sum(jnp.asarray(one) for one in engine.replace(**values).standing_power_w().values())

    found = np.asarray(power_w(leaves))
    assert found.shape == (8,) and np.all(np.isfinite(found)) and np.ptp(found) > 1.0


def test_what_cannot_be_asked_is_refused(roadmap):
    with pytest.raises(ValueError, match="from 2024 to 2032"):
        roadmap.sample(jax.random.key(0), [2023], 3)
    with pytest.raises(ValueError, match=r"the nearest is 'adc\.walden_fom_j'"):
        roadmap.quantile("adc.walden_fom", 2029, 0.5)
    with pytest.raises(ValueError, match=r"probability is 1\.0"):
        roadmap.quantile(FOM, 2029, 1.0)
    with pytest.raises(TypeError, match="key"):
        roadmap.sample(0, [2029], 3)
