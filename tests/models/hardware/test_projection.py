import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.hardware import projection
from models.hardware.optical_system import OpticalSystem
from models.hardware.projection import QUANTILES, project, sampled_figures
from models.hardware.roadmap import Roadmap, build_roadmap, load_roadmap
from models.hardware.roadmap_file import read_roadmap_file
from models.hardware.workloads import workload
from tests.models.hardware.lit_machines import LIGHT, build

WORK = workload("llama-3.1-8b:prefill:512:64")
# Typical values of a roadmap whose parameters are certain and do not move.
CERTAIN = {
    "weights.bytes_per_s": ("byte/s", 1e11),
    "links.bytes_per_s": ("byte/s", 1e12),
    "links.energy_j_per_byte": ("J/byte", 1e-11),
    "accumulators.near_byte": ("byte", 1e8),
    "facility.power_usage_effectiveness": ("", 1.2),
    "source.power_max_w": ("W", 0.05),
    "system.host_power_w": ("W", 40.0),
    "operating_point.symbol_rate_hz": ("Hz", 1.5e9),
}
TARGET = 1e12


@pytest.fixture(scope="module")
def machine() -> OpticalSystem:
    engine = build("free-space-2048", *read_roadmap_file().presumes)
    return OpticalSystem(engine=engine, light=LIGHT, work=WORK, wall_power_w=1e4)


@pytest.fixture(scope="module")
def roadmap() -> Roadmap:
    return load_roadmap()


@pytest.fixture(scope="module")
def rows(machine, roadmap):
    return project(machine, roadmap, jax.random.key(0), [2024, 2029], 2000, TARGET)


def certain_roadmap(folder) -> Roadmap:
    """Read from a file whose quantiles are all the same, without a trend."""
    rows = read_roadmap_file().parameters
    lines = ['title = "certain"', 'family = "free-space"']
    for path, (_, value) in CERTAIN.items():
        lines += [f"[{path}]", f'unit = "{rows[path].row.unit}"', 'law = "log-normal"', "year = 2025"]
        lines += [f"low = {value!r}", f"value = {value!r}", f"high = {value!r}"]
        lines += ['kind = "assumption"', 'source = "none"']
        if path == "facility.power_usage_effectiveness":
            lines += [f"[{path}.floor]", "value = 1.0", 'kind = "assumption"', 'source = "all of it is used"']
    file = folder / "certain.toml"
    file.write_text("\n".join(lines) + "\n")
    return build_roadmap(read_roadmap_file(str(file)))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101])
def test_certain_roadmaps_give_the_deterministic_figures(tmp_path, machine, count):
    found = project(machine, certain_roadmap(tmp_path), jax.random.key(2), [2024, 2032], count, TARGET)
    figures = machine.figures({path: jnp.float32(value) for path, (_, value) in CERTAIN.items()})
    ops = float(figures.ops_per_j)
    for row in found:
        for own, expected in (
            (row.ops_per_j, ops),
            (row.peak_ops_per_j, float(figures.peak_ops_per_j)),
            (row.facility_ops_per_j, ops / 1.2),
            (row.engine_power_w, float(figures.engine_power_w)),
            (row.busy_share, float(figures.busy_share)),
            (row.symbol_rate_hz, float(figures.symbol_rate_hz)),
            (row.laser_power_w, float(figures.laser_power_w)),
        ):
            np.testing.assert_allclose(own, [expected] * len(QUANTILES), rtol=1e-5)
        for part, energy_j in figures.energy_per_op_j.items():
            assert row.power_share[part] == pytest.approx(float(energy_j) * ops, rel=1e-4, abs=1e-12)
        assert row.rate_limited_share == float(figures.rate_limited)
        assert row.probability == float(ops >= TARGET)
        assert len(row.samples) == len(row.peak_samples) == count


def test_quantiles_are_those_of_the_samples_and_rise(rows):
    for row in rows:
        np.testing.assert_allclose(row.ops_per_j, np.quantile(row.samples, QUANTILES), rtol=1e-6)
        np.testing.assert_allclose(row.peak_ops_per_j, np.quantile(row.peak_samples, QUANTILES), rtol=1e-6)
        assert list(row.ops_per_j) == sorted(row.ops_per_j)
        assert np.all(row.peak_samples > row.samples)
    assert rows[1].ops_per_j[2] > rows[0].ops_per_j[2]


def test_shares_of_the_power_sum_to_one(rows):
    for row in rows:
        assert sum(row.power_share.values()) == pytest.approx(1.0, abs=1e-9)
        assert all(share >= 0.0 for share in row.power_share.values())


@pytest.mark.parametrize("count", [1, 2, 4, 10, 11, 12])
def test_few_samples_have_shares_too(machine, roadmap, count):
    (row,) = project(machine, roadmap, jax.random.key(4), [2029], count, TARGET)
    assert sum(row.power_share.values()) == pytest.approx(1.0, abs=1e-9)


def test_probability_is_the_share_that_reaches_the_target(machine, roadmap, rows):
    median = rows[1].ops_per_j[2]
    (row,) = project(machine, roadmap, jax.random.key(0), [2029], 2000, median)
    # Half of an even number of samples lies above a median between two of them.
    assert row.probability == 0.5
    # Wilson's interval at z = 1: sqrt(p (1 - p) / n + 1 / 4 n^2) / (1 + 1 / n).
    expected = np.sqrt(0.25 / 2000 + 0.25 / 2000**2) / (1.0 + 1.0 / 2000)
    assert row.probability_error == pytest.approx(expected, rel=1e-9, abs=0.0)
    assert rows[0].probability == np.mean(rows[0].samples >= TARGET)


def test_the_same_key_gives_the_same_and_more_samples_continue_fewer(machine, roadmap, rows):
    (again,) = project(machine, roadmap, jax.random.key(0), [2029], 2000, TARGET)
    np.testing.assert_array_equal(again.samples, rows[1].samples)
    (fewer,) = project(machine, roadmap, jax.random.key(0), [2029], 500, TARGET)
    np.testing.assert_allclose(fewer.samples, rows[1].samples[:500], rtol=1e-5)
    (other,) = project(machine, roadmap, jax.random.key(1), [2029], 500, TARGET)
    assert not np.any(other.samples == fewer.samples)


def test_quantiles_converge_as_one_over_the_root_of_the_samples(machine, roadmap):
    # 64 independent medians of n samples scatter by sigma(n) ~ 1 / sqrt(n). The ratio of two standard deviations of 64
    # has a relative error of sqrt(2 / (2 x 63)) = 0.126; four of them around sqrt(16) = 4.
    figures = sampled_figures(machine)
    values = {path: one[0] for path, one in roadmap.sample(jax.random.key(9), [2029], 64 * 1024).items()}
    logs = np.log(np.asarray(figures(values).ops_per_j, np.float64)).reshape(64, 1024)
    for probability in (0.05, 0.5, 0.95):
        few, many = (np.quantile(logs[:, :n], probability, axis=1).std(ddof=1) for n in (64, 1024))
        assert few / many == pytest.approx(4.0, rel=4 * 0.126, abs=0.0), probability
    # The median of n: sqrt(pi / 2n) of a standard deviation for a normal law; within a third for this one.
    error = np.quantile(logs, 0.5, axis=1).std(ddof=1)
    assert error == pytest.approx(np.sqrt(np.pi / 2048) * logs.std(), rel=0.5, abs=0.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ops_per_j", np.nan),
        ("ops_per_j", np.inf),
        ("ops_per_j", 0.0),  # of an infinite energy
        ("peak_ops_per_j", np.nan),
        ("power_usage_effectiveness", np.nan),
        ("laser_power_w", np.inf),
    ],
)
def test_what_is_not_finite_is_refused(monkeypatch, machine, roadmap, field, value):
    whole = sampled_figures(machine)

    def poisoned(values):
        figures = jax.tree.map(np.array, whole(values))
        getattr(figures, field)[3] = value
        return figures

    monkeypatch.setattr(projection, "sampled_figures", lambda system: poisoned)
    with pytest.raises(ValueError, match="1 of 11 samples of 2029"):
        project(machine, roadmap, jax.random.key(0), [2029], 11, TARGET)
