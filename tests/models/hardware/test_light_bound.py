import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.hardware.light_bound import light_bound
from models.hardware.optical_system import OpticalSystem
from models.hardware.required_light import RequiredLight
from models.hardware.roadmap import Roadmap, load_roadmap
from models.hardware.roadmap_file import read_roadmap_file
from models.hardware.workloads import attention_share, dense, workload
from tests.models.hardware.lit_machines import LIGHT, build

FLOOR_J = read_roadmap_file().parameters["digital.mac_energy_j"].least
PROMPT = workload("llama-3.1-70b:prefill:8192:64")


@pytest.fixture(scope="module")
def roadmap() -> Roadmap:
    return load_roadmap()


def system(*overrides: str, work=PROMPT, light: RequiredLight = LIGHT, power_w: float = 1e4) -> OpticalSystem:
    engine = build("free-space-2048", *overrides)
    return OpticalSystem(engine=engine, light=light, work=work, wall_power_w=power_w)


def shot_electrons() -> float:
    """a / r of the run, in float64."""
    noise = LIGHT.shot_variance_per_electron * LIGHT.electrons_per_path + LIGHT.readout_weight * LIGHT.readout_variance
    return float(LIGHT.shot_variance_per_electron / (noise / LIGHT.electrons_per_path**2))


@pytest.mark.parametrize(
    ("overrides", "passes", "rails"),
    [
        ((), 2, 2),
        (("encoding.activation_sign=offset",), 1, 2),
        (("encoding.activation_sign=offset", "encoding.weight_sign=offset"), 1, 1),
        (("encoding.repetitions=3",), 6, 2),
    ],
)
def test_photons_of_an_operation(overrides, passes, rails):
    # One symbol of a source lights rails x outputs detectors with e photons each: passes rails e h nu for each MAC.
    machine = system("source.modulation=external", *overrides, work=dense(2048, 2048))
    bound = light_bound(machine, FLOOR_J)
    photon_j = 6.62607015e-34 * 299792458.0 / float(machine.engine.source.wavelength_m)
    assert bound.electrons_per_path == pytest.approx(shot_electrons(), rel=1e-5, abs=0.0)
    expected = passes * rails * shot_electrons() * photon_j / 2.0
    assert bound.shot_noise_j_per_op == pytest.approx(expected, rel=1e-5, abs=0.0)
    assert bound.landauer_j_per_op == 0.0
    assert bound.ops_per_j == pytest.approx(1.0 / expected, rel=1e-5, abs=0.0)


def test_digits_of_the_weights_have_panels_that_take_light():
    once, twice = (
        light_bound(system(f"encoding.weight_slices={slices}", work=dense(2048, 2048)), FLOOR_J) for slices in (1, 2)
    )
    assert twice.shot_noise_j_per_op == pytest.approx(2.0 * once.shot_noise_j_per_op, rel=1e-5, abs=0.0)


def test_padding_and_digital_products():
    machine, share = system(), attention_share(PROMPT)
    full = light_bound(system(work=dense(2048, 2048)), FLOOR_J)
    bound = light_bound(machine, FLOOR_J)
    expected = full.shot_noise_j_per_op * (1.0 - share) / machine.filled_share
    assert bound.shot_noise_j_per_op == pytest.approx(expected, rel=1e-5, abs=0.0)
    assert bound.landauer_j_per_op == pytest.approx(share * FLOOR_J / 2.0, rel=1e-12, abs=0.0)
    assert bound.j_per_op == bound.shot_noise_j_per_op + bound.landauer_j_per_op


def test_wider_sums_lower_the_bound_only_if_they_are_held_to():
    per_product = dataclasses.replace(LIGHT, held="per-dot-product")
    whole, credited = (light_bound(system(work=dense(2048, 2048), light=one), 0.0) for one in (LIGHT, per_product))
    assert credited.shot_noise_j_per_op == pytest.approx(whole.shot_noise_j_per_op * 600.0 / 2048.0, rel=1e-5, abs=0.0)


def test_forbids_what_is_above():
    bound = light_bound(system(work=dense(2048, 2048)), FLOOR_J)
    assert bound.forbids(bound.ops_per_j * 1.000001)
    assert not bound.forbids(bound.ops_per_j)
    assert not bound.forbids(1e12)
    free = dataclasses.replace(bound, shot_noise_j_per_op=0.0, landauer_j_per_op=0.0)
    assert free.ops_per_j == float("inf")
    assert not free.forbids(1e30)


@pytest.mark.parametrize("modulation", ["external", "direct"])
@pytest.mark.parametrize("held", ["per-mac", "per-dot-product"])
def test_no_technology_within_its_bounds_passes_it(roadmap, modulation, held):
    # Every parameter anywhere between a thousandth and a thousand times its typical distance from its bounds.
    light = dataclasses.replace(LIGHT, held=held)
    shift = jax.random.uniform(jax.random.key(1), (len(roadmap.paths), 400), minval=-6.9, maxval=6.9)
    values = dict(zip(roadmap.paths, roadmap.values_at(shift), strict=True))
    machine = system(f"source.modulation={modulation}", light=light)
    found = np.asarray(jax.jit(jax.vmap(machine.figures))(values).ops_per_j, np.float64)
    bound = light_bound(machine, FLOOR_J)
    assert np.all(np.isfinite(found))
    assert found.max() <= bound.ops_per_j * (1.0 + 1e-5)


def test_perfect_parts_come_close(roadmap):
    # Nothing but light: all else free, so the bound is nearly reached. It could not be, were it counted twice.
    machine = system(
        "receiver.transconductance_siemens=1e3", "receiver.supply_v=1e-9", "dac.energy_model=scaled",
        "adc.energy_model=walden", "photodetector.bias_v=0.0", "receiver.feedback_resistance_ohm=1e12",
        work=dense(2048, 2048), power_w=1e9,
    )  # fmt: skip
    ideal = {path: jnp.float32(1e-30) for path in roadmap.paths if path.endswith(("_j", "_power_w", "_j_per_byte"))}
    ideal |= {
        path: jnp.float32(1.0)
        for path in roadmap.paths
        if path.endswith(("transmission", "efficiency", "effectiveness"))
    }
    ideal |= {path: jnp.float32(1e30) for path in roadmap.paths if path.endswith(("bytes_per_s", "near_byte"))}
    ideal |= {"source.power_max_w": jnp.float32(100.0), "source.threshold_current_a": jnp.float32(0.0)}
    ideal |= {"system.utilisation": jnp.float32(1.0), "panel.refresh_rate_hz": jnp.float32(1e-6)}
    ideal |= {"operating_point.symbol_rate_hz": jnp.float32(1e9)}
    figures = machine.figures(ideal)
    bound = light_bound(machine, 0.0)
    assert 0.9 < float(figures.ops_per_j) / bound.ops_per_j <= 1.0 + 1e-5


def test_the_bound_does_not_depend_on_how_the_engine_is_run():
    slow, fast = (
        dataclasses.replace(one, engine=one.engine.at(symbol_rate_hz=rate))
        for one, rate in ((system(), 1e6), (system(), 1e10))
    )
    assert light_bound(slow, FLOOR_J).j_per_op == pytest.approx(light_bound(fast, FLOOR_J).j_per_op, rel=1e-5, abs=0.0)


def test_a_receiver_of_a_wider_band_has_no_other_bound():
    # What its filter adds is the receiver's, not the light's: any receiver can integrate.
    wide = system("receiver.filter=one-pole", "receiver.bandwidth_hz=1e10")
    assert light_bound(wide, FLOOR_J).j_per_op == pytest.approx(
        light_bound(system(), FLOOR_J).j_per_op, rel=1e-5, abs=0.0
    )
