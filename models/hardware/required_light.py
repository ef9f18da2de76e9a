"""The light that an accuracy requires: from what one engine needed, to laser power and symbol rate of another.

An accuracy run tells how many electrons a source had to put on a detector, at full scale, for the model to diverge by
no more than so much from its digital self. The noise of that signal, relative to it, is what another engine has to
keep:

    r = (a e + b R) / e^2         e electrons per path, R readout variance of one pass, a e the shot noise of an output
    e = (a' + sqrt(a'^2 + 4 r b R')) / (2 r)           with a' = a beta' / beta and R' of the other engine

So better receivers need fewer electrons, down to what shot noise alone asks for, a' / r. Everything else that sets the
accuracy (converters, extinction, residuals, intensity noise of the sources) is that of the run: more light would not
help against it.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

from photonics.free_space import FreeSpaceEngine
from photonics.stage import Scalar, stage, static

Held = Literal["per-mac", "per-dot-product"]
# Each step leaves at most half of the error of the last one, as long as power rises with f^0.5 to f^1.5.
_STEPS = 12


@stage
class RequiredLight:
    """What an accuracy run found necessary, and what is held for wider models.

    Held "per-mac": the same electrons per path, hence per multiply-accumulate, whatever the fan-in. The advantage that
    a longer sum has over receiver noise is not credited. Held "per-dot-product": electrons per path fall as 1/d with
    the inputs d that one tile sums, as Anderson et al., Optical Transformers (arXiv 2302.10360), found for the models
    that they trained; d is never more than the fan-in of the panel, and shorter sums than those of the run get no more
    light for it. It is a claim about models, not about light.

    Attributes:
        electrons_per_path: e of the run, at full scale [electrons].
        shot_variance_per_electron: a, shot noise of one output over e [electrons].
        readout_variance: R of the run's engine, of one pass [electrons^2].
        readout_weight: b, passes (and rails) whose readout noise one output holds.
        noise_band: beta of the run's engine, noise bandwidth over symbol rate.
        inputs_per_tile: d of the run, inputs that one tile summed, weighted by MACs.
        held: what is held for wider models.
    """

    electrons_per_path: Scalar
    shot_variance_per_electron: Scalar
    readout_variance: Scalar
    readout_weight: Scalar
    noise_band: Scalar
    inputs_per_tile: Scalar
    held: Held = static(default="per-mac")

    def relative_variance(self) -> Scalar:
        """r: variance over squared electrons per path, shot noise and receiver of the run."""
        shot = self.shot_variance_per_electron * self.electrons_per_path
        # One after the other: the square of many electrons is no number for float32.
        noise = shot + self.readout_weight * self.readout_variance
        return noise / self.electrons_per_path / self.electrons_per_path

    def electrons(self, engine: FreeSpaceEngine, inputs_per_tile: float) -> Scalar:
        """Electrons per path that `engine` needs for sums of `inputs_per_tile` inputs."""
        shot = self.shot_variance_per_electron * engine.noise_band() / self.noise_band
        r = self.relative_variance()
        readout = 4.0 * r * self.readout_weight * engine.readout_variance()
        return (shot + jnp.sqrt(shot * shot + readout)) / (2.0 * r) * self._wider(engine, inputs_per_tile)

    def shot_electrons(
        self, engine: FreeSpaceEngine, inputs_per_tile: float, noise_band: Scalar | None = None
    ) -> Scalar:
        """Electrons per path with a receiver that adds nothing: what no receiver of its band can go below.

        `noise_band` is that of another receiver, over the symbol rate; 1/2 counts the photons of a symbol and no more.
        """
        band = engine.noise_band() if noise_band is None else noise_band
        shot = self.shot_variance_per_electron * band / self.noise_band
        return shot / self.relative_variance() * self._wider(engine, inputs_per_tile)

    def power_w(self, engine: FreeSpaceEngine, inputs_per_tile: float) -> Scalar:
        """Laser power of one source at the engine's symbol rate, whether or not a source can give it [W]."""
        return self.electrons(engine, inputs_per_tile) / engine.at(laser_power_w=1.0).electrons_per_path()

    def lit(self, engine: FreeSpaceEngine, inputs_per_tile: float) -> FreeSpaceEngine:
        """The engine with the laser power that it needs.

        Where one source cannot give that power (`power_max_w`), symbols last longer until it can: the rate falls to the
        f with power(f) = power_max, found by f <- f power_max / power(f). Accuracy is never traded for speed. Receivers
        with a band of their own (one-pole) gain nothing by that, and are not for this.
        """
        asked_hz, asked_w = engine.operating_point.symbol_rate_hz, self.power_w(engine, inputs_per_tile)
        weak = asked_w > engine.power_max_w
        # Where a source is strong enough the answer is known; its branch gets an equation that any number solves.
        given_w = jnp.where(weak, engine.power_max_w, jax.lax.stop_gradient(asked_w))
        rate_hz = jnp.where(weak, self._fastest_hz(engine, given_w, inputs_per_tile), asked_hz)
        slowed = engine.at(symbol_rate_hz=rate_hz)
        return slowed.at(laser_power_w=self.power_w(slowed, inputs_per_tile))

    def _fastest_hz(self, engine: FreeSpaceEngine, given_w: Scalar, inputs_per_tile: float) -> Array:
        """The symbol rate at which a source has to give so much [Hz], not above that of the engine."""

        def excess(log_hz: Array, of: FreeSpaceEngine, given_w: Scalar) -> Array:
            return jnp.log(self.power_w(of.at(symbol_rate_hz=jnp.exp(log_hz)), inputs_per_tile) / given_w)

        # The iteration is not differentiated: one step of Newton from its end has the derivatives of the end itself.
        fixed, fixed_w = jax.lax.stop_gradient((engine, given_w))
        asked = jnp.log(jnp.asarray(fixed.operating_point.symbol_rate_hz, jnp.result_type(float)))
        log_hz = jax.lax.fori_loop(
            0, _STEPS, lambda _, one: jnp.minimum(one - excess(one, fixed, fixed_w), asked).astype(one.dtype), asked
        )
        log_hz = jax.lax.stop_gradient(log_hz)
        slope = jax.lax.stop_gradient(jax.grad(excess)(log_hz, fixed, fixed_w))
        return jnp.exp(log_hz - excess(log_hz, engine, given_w) / slope)

    def _wider(self, engine: FreeSpaceEngine, inputs_per_tile: float) -> Scalar:
        if self.held == "per-mac":
            return 1.0
        return jnp.minimum(self.inputs_per_tile / min(inputs_per_tile, engine.inputs), 1.0)
