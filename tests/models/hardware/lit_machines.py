"""What tests of optical machines start from: the light of an accuracy run, engines by name, a system for nothing."""

from models.hardware.required_light import RequiredLight
from photonics.catalogue import apply_overrides, build_engine, read_engine_file
from photonics.free_space import FreeSpaceEngine

# What an accuracy run on free-space-1024 finds at about 32 mW: 20,000 electrons, half of the noise from the receiver.
LIGHT = RequiredLight(
    electrons_per_path=2e4,
    shot_variance_per_electron=55.0,
    readout_variance=8.6e5,
    readout_weight=2.0,
    noise_band=0.5,
    inputs_per_tile=600.0,
)
# Links and memories that cost nothing and make nobody wait.
FREE = {
    "weights.bytes_per_s": 1e30,
    "links.bytes_per_s": 1e30,
    "links.energy_j_per_byte": 0.0,
    "accumulators.near_byte": 1e30,
    "facility.power_usage_effectiveness": 1.1,
}


def build(name: str, *overrides: str) -> FreeSpaceEngine:
    """An engine of the catalogue with other values."""
    engine = build_engine(apply_overrides(read_engine_file(name), overrides))
    assert isinstance(engine, FreeSpaceEngine)
    return engine
