"""One step of noise-aware training: a model learns with the light, the noise and the converters that it will have.

    loss(trained) = (1 - a) CE + a KL_T + b H     of the model under light, at laser power P(t) on machine m(t)

Every part of a step has noise, a laser power and perhaps a fabricated engine of its own, all from (seed, step, part):
nothing is carried from step to step but the trained numbers and the optimiser's moments. The gradient is the engine's
own: straight through rounding, Gaussian surrogate of counts, true elsewhere. Joshi et al., Accurate deep neural network
inference using computational phase-change memory, Nat. Commun. 11, 2473 (2020), for training with the noise of a
machine; here the machine is simulated in full.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from calibration import differential_noise, light_allocation
from calibration.adaptation import Adaptation, Trained
from calibration.distillation import Distillation, cross_entropy_nats, divergence_nats, hidden_distance
from calibration.learned_ranges import pull
from calibration.light_allocation import LightCosts
from calibration.operating_points import OperatingPoints
from photonics.draws import stream
from photonics.engine import Engine
from photonics.layers import refabricate, reseed, set_engine

if TYPE_CHECKING:
    from models.transformer.model import Transformer

# Streams of the seed, and within a part of a step beside those of `operating_points`.
_BEGIN, _STEPS = 0, 1
_NOISE = 2


class Progress(NamedTuple):
    """What a step tells; scalars.

    Attributes:
        loss_nats: what is minimised.
        cross_entropy_nats: of the next tokens, with light.
        divergence_nats: from the teacher, with light, at the temperature of the distillation; 0 without a teacher.
        gradient_norm: of the whole gradient, before it is clipped.
        laser_power_w: of this step, mean over its parts [W].
    """

    loss_nats: Array
    cross_entropy_nats: Array
    divergence_nats: Array
    gradient_norm: Array
    laser_power_w: Array


class Training:
    """A model, its teacher and how it is trained; `step` is compiled once."""

    def __init__(
        self,
        student: "Transformer",
        teacher: "Transformer",
        engine: Engine | None,
        *,
        adaptation: Adaptation,
        distillation: Distillation,
        points: OperatingPoints,
        optimiser: optax.GradientTransformation,
        range_decay: float = 0.0,
        light: LightCosts | None = None,
        seed: int = 0,
    ) -> None:
        """`student` is calibrated and has light under it; `teacher` is the digital model, which may share its arrays.

        `engine` is the one under the student, whose laser power the operating points replace; None trains the student
        as it is, with the noise of histograms where it has some. `range_decay` pulls activation ranges down, in nats of
        loss per nat of range. With the costs of `light` the laser power of every layer is learned too, at the energy
        per token of one power for all.
        """
        self._student, self._teacher = nnx.split(student), nnx.split(teacher)
        self._engine, self._points, self._distillation = engine, points, distillation
        self._adaptation, self._optimiser, self._range_decay = adaptation, optimiser, range_decay
        self._light, self._key = light, jax.random.key(seed)
        self._step = jax.jit(self._one_step, donate_argnums=(2, 3))

    def begin(self) -> tuple[Trained, Any]:
        """The trained tree and the optimiser's state before the first step; ValueError as `Adaptation.begin`."""
        trained = self._adaptation.begin(_fresh(*self._student), stream(self._key, _BEGIN))
        if self._light is not None:
            trained["light"] = light_allocation.uniform(self._light)
        return trained, self._optimiser.init(trained)

    def step(self, trained: Trained, moments: Any, number: int, tokens: Array) -> tuple[Trained, Any, Progress]:
        """One update from tokens (parts, batch, time), whose parts are gone through one after the other.

        `number` counts steps from 0 and decides all draws. The first two arguments are used up. A step whose loss or
        gradient is no number changes nothing, so that what led to it is still there.
        """
        return self._step(self._student[1], self._teacher[1], trained, moments, jnp.asarray(number, jnp.int32), tokens)

    def tuned(self, trained: Trained) -> "Transformer":
        """The student with the trained numbers in it."""
        model = _fresh(*self._student)
        self._adaptation.install(model, trained)
        return model

    def layer_powers_w(self, trained: Trained) -> light_allocation.PerLayer | None:
        """Laser power of every layer [W] that spends what one power for all would; None where none was learned."""
        if self._light is None:
            return None
        budget_j = self._light.energy_j(dict.fromkeys(self._light.names, self._points.laser_power_w))
        return light_allocation.powers_w(trained["light"], self._light, budget_j)

    def noisy(self, trained: Trained, number: int, batch: int) -> "Transformer":
        """The student of the first part of a step, with the noise, the machine and the laser power that it had there.

        Its weights are not on panels yet (`photonics.layers.load_panels`). For whoever has to say what went wrong.
        """
        key = stream(stream(self._key, _STEPS, number), 0)
        return self._noisy(self._student[1], trained, key, jnp.asarray(number, jnp.int32), batch)[0]

    def _noisy(self, state: nnx.State, trained: Trained, key: Array, number: Array, batch: int) -> tuple[Any, Array]:
        """The student of one part of a step, with its noise, machine and laser power; and that power."""
        model = _fresh(self._student[0], state)
        laser_power_w = self._points.power_w(key, number)
        if self._engine is not None:
            set_engine(model, self._engine.at(laser_power_w=laser_power_w))
            powers_w = self.layer_powers_w(trained)
            if powers_w is not None:
                light_allocation.install(
                    model, light_allocation.scaled(powers_w, laser_power_w / self._points.laser_power_w)
                )
            machine = self._points.machine_key(key)
            if machine is not None:
                refabricate(model, machine)
            reseed(model, jax.random.split(stream(key, _NOISE), batch))
        else:
            differential_noise.reseed(model, stream(key, _NOISE))
        self._adaptation.install(model, trained)
        return model, laser_power_w

    def _one_step(
        self, state: nnx.State, teacher: nnx.State, trained: Trained, moments: Any, number: Array, tokens: Array
    ) -> tuple[Trained, Any, Progress]:
        key = stream(self._key, _STEPS, number)
        gradient = jax.value_and_grad(self._loss, has_aux=True)

        def part(total: Any, inputs: tuple[Array, Array]) -> tuple[Any, None]:
            index, rows = inputs
            found = gradient(trained, state, teacher, stream(key, index), number, rows)
            return jax.tree.map(jnp.add, total, found), None

        parts = tokens.shape[0]
        inputs = (jnp.arange(parts), tokens)
        if parts == 1:
            # A loop would hold a second tree of gradients.
            total = gradient(trained, state, teacher, stream(key, inputs[0][0]), number, tokens[0])
        else:
            shapes = jax.eval_shape(gradient, trained, state, teacher, key, number, tokens[0])
            zeros = jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), shapes)
            total, _ = jax.lax.scan(part, zeros, inputs)
        (loss, told), gradients = jax.tree.map(lambda one: one / parts, total)
        norm = optax.tree.norm(gradients)
        updates, moved = self._optimiser.update(gradients, moments, trained)
        after, sound = (optax.apply_updates(trained, updates), moved), jnp.isfinite(loss) & jnp.isfinite(norm)
        kept = jax.tree.map(lambda new, old: jnp.where(sound, new, old), after, (trained, moments))
        return *kept, Progress(loss, told[0], told[1], norm, told[2])

    def _loss(
        self, trained: Trained, state: nnx.State, teacher: nnx.State, key: Array, number: Array, tokens: Array
    ) -> tuple[Array, tuple[Array, Array, Array]]:
        model, laser_power_w = self._noisy(state, trained, key, number, tokens.shape[0])
        hidden = model.hidden(tokens)
        logits = model.logits(hidden)
        terms, share = self._distillation, self._distillation.share
        cross_entropy, divergence = cross_entropy_nats(logits, tokens), jnp.zeros(())
        loss = (1.0 - share) * cross_entropy
        if terms.needs_teacher:
            digital = nnx.merge(self._teacher[0], teacher)
            meant = jax.lax.stop_gradient(digital.hidden(tokens))
            divergence = divergence_nats(digital.logits(meant), logits, terms.temperature)
            loss = loss + share * divergence
            if terms.hidden:
                loss = loss + terms.hidden * hidden_distance(meant, hidden)
        if self._range_decay and "ranges" in trained:
            loss = loss + self._range_decay * pull(trained["ranges"])
        return loss, (cross_entropy, divergence, laser_power_w)


def _fresh(graph: nnx.GraphDef, state: nnx.State) -> Any:
    """A module with Variables of its own: those of the state belong to others, and to the trace around a derivative."""
    return nnx.merge(graph, jax.tree.map(lambda leaf: leaf, state))
