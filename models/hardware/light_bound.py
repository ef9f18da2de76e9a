"""What physics asks for, however good the parts: shot noise at the required accuracy, and erased bits.

    light    = hv e_shot panels rails passes / 2 for each operation, all of it detected, lasers without loss
    Landauer = what a roadmap states as the floor of a digital multiply-accumulate, for the products that stay digital

A source that is modulated outside sends e_shot photons to every detector whatever it shows; one whose own current is
modulated sends its mean drive only. Both follow from the engine's own formulas with every efficiency at 1. The bound is
one for the encoding, the panel, the extinction and the converters of the scenario: with finer converters the same
accuracy would bear more shot noise.
"""

import dataclasses

import jax.numpy as jnp

from models.hardware.optical_system import OpticalSystem
from models.hardware.workloads import attention_share

# Everything that light can lose, and what lasers can waste.
_PERFECT = {
    "source.slope_efficiency": 1.0,
    "source.threshold_current_a": 0.0,
    "modulator.transmission": 1.0,
    "optics.transmission": 1.0,
    "panel.transmission": 1.0,
    "photodetector.quantum_efficiency": 1.0,
}
# Noise bandwidth over symbol rate of a receiver that counts the photons of a symbol.
_COUNTING = 0.5


@dataclasses.dataclass(frozen=True)
class Bound:
    """Least energy of one delivered operation.

    Attributes:
        shot_noise_j_per_op: photons that the accuracy asks for, shared by optical and digital operations [J].
        landauer_j_per_op: bits that digital products erase [J].
        electrons_per_path: electrons at full scale that shot noise alone asks for.
        source: what the numbers rest on.
    """

    shot_noise_j_per_op: float
    landauer_j_per_op: float
    electrons_per_path: float
    source: str = (
        "shot noise: Poisson counts of detected photons, those of the run's extinction floors among them, at the "
        "relative noise that the accuracy run had with its converters; Landauer, IBM J. "
        "Res. Dev. 5, 183 (1961): k T ln 2 for each erased bit at 300 K, as the roadmap's floor counts them"
    )

    @property
    def j_per_op(self) -> float:
        """Both together [J]."""
        return self.shot_noise_j_per_op + self.landauer_j_per_op

    @property
    def ops_per_j(self) -> float:
        """Operations per joule that nothing can exceed at this accuracy and encoding; infinite without a bound."""
        return 1.0 / self.j_per_op if self.j_per_op > 0 else float("inf")

    def forbids(self, ops_per_j: float) -> bool:
        """Whether so many operations per joule are out of reach of any technology with this encoding."""
        return ops_per_j > self.ops_per_j


def light_bound(system: OpticalSystem, digital_mac_floor_j: float) -> Bound:
    """The bound for a workload at its accuracy; `digital_mac_floor_j` is the least energy of a digital MAC [J].

    The encoding, the panel's size, padding of tiles and the wavelength are those of the engine: others have another
    bound. Noise of receivers, converters and everything else that is not light is left out, hence a bound.
    """
    perfect = system.engine.replace(**_PERFECT)
    electrons = system.light.shot_electrons(perfect, system.inputs_per_tile, noise_band=_COUNTING)
    lit = perfect.at(laser_power_w=electrons / perfect.at(laser_power_w=1.0).electrons_per_path())
    # Power over symbol rate is energy of a symbol, whatever the rate; padding is shown as well.
    per_product_j = lit.launched_power_w() / lit.macs_per_s() / max(system.filled_share, 1e-12) / 2.0
    digital = attention_share(system.work)
    return Bound(
        shot_noise_j_per_op=float(jnp.asarray(per_product_j)) * (1.0 - digital),
        landauer_j_per_op=digital * digital_mac_floor_j / 2.0,
        electrons_per_path=float(jnp.asarray(electrons)),
    )
