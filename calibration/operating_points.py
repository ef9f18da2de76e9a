"""At which laser power, and on which fabricated engine, each step of a training runs.

    ln P(t) = ln P + (1 - r(t)) ln c + s u,     u uniform in [-1, 1],  r(t) = min(t / ramp, 1)

A curriculum starts at c times the laser power and comes down to it within `ramp` steps; the spread s trains one model
for all powers within a factor e^s. Less noise at first is what lets deep networks start to learn at all; a distribution
of operating points instead of one is usual in robust training.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax import Array

from photonics.draws import stream

_POWER, _MACHINE = 0, 1


@dataclasses.dataclass(frozen=True)
class OperatingPoints:
    """The distribution of operating points of a training.

    Attributes:
        laser_power_w: P, of one source [W].
        start: c, laser power of the first step over P.
        ramp_steps: steps until the power is P; 0 starts there.
        spread: s [nats].
        machines: 0 for another fabricated engine at every step, else so many in turn by chance; 1 stays with one.
    """

    laser_power_w: float
    start: float = 1.0
    ramp_steps: int = 0
    spread: float = 0.0
    machines: int = 0

    def __post_init__(self) -> None:
        if not self.laser_power_w > 0.0 or not self.start > 0.0:
            raise ValueError(f"laser powers must be above 0: {self.laser_power_w:g} W, {self.start:g} times at first")
        if self.spread < 0.0 or self.ramp_steps < 0 or self.machines < 0:
            raise ValueError("a spread, a number of steps or of machines is below 0")

    def power_w(self, key: Array, step: Array) -> Array:
        """Laser power of a step (from 0), () [W]."""
        done = jnp.minimum(step / max(self.ramp_steps, 1), 1.0) if self.ramp_steps else 1.0
        chance = jax.random.uniform(stream(key, _POWER), minval=-1.0, maxval=1.0)
        return self.laser_power_w * jnp.exp((1.0 - done) * jnp.log(self.start) + self.spread * chance)

    def machine_key(self, key: Array) -> Array | None:
        """Key from which a step's fabricated engine is drawn; None for the engine as it is."""
        if self.machines == 1:
            return None
        own = stream(key, _MACHINE)
        if self.machines == 0:
            return own
        # The same few whatever the seed of the training; a stream of their own keeps them apart from those that a
        # model is judged on.
        return stream(jax.random.key(0), _MACHINE, jax.random.randint(own, (), 0, self.machines))
