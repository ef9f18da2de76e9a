"""What a model with noise learns: the next token, and what the digital model would have said.

    CE    = -log q(token)
    KL_T  = T^2 sum_v p_T(v) log(p_T(v) / q_T(v)),      p_T = softmax(logits / T) of the teacher, q_T of the student
    H     = |h_student - h_teacher|^2 / |h_teacher|^2    of the last hidden state
    loss  = (1 - a) CE + a KL_T + b H

averaged over tokens. T^2 keeps the size of the gradient when the temperature rises. Hinton, Vinyals, Dean, Distilling
the Knowledge in a Neural Network, 2015 (arXiv 1503.02531); hidden states as in Sanh et al., DistilBERT, 2019 (arXiv
1910.01108), there as a cosine. Teacher and student have the same width here.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax import Array


@dataclasses.dataclass(frozen=True)
class Distillation:
    """Weights of the terms.

    Attributes:
        share: a, weight of the teacher; 0 learns from the text alone, 1 from the teacher alone.
        temperature: T.
        hidden: b, weight of the hidden state.
    """

    share: float = 1.0
    temperature: float = 1.0
    hidden: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"a share of {self.share:g} for the teacher is not between 0 and 1")
        if not self.temperature > 0.0:
            raise ValueError(f"a temperature of {self.temperature:g} is not above 0")
        if not self.hidden >= 0.0:
            raise ValueError(f"a weight of {self.hidden:g} for hidden states is below 0")

    @property
    def needs_teacher(self) -> bool:
        """Whether any term asks the digital model."""
        return self.share > 0.0 or self.hidden > 0.0


def cross_entropy_nats(logits: Array, tokens: Array) -> Array:
    """Mean loss of each next token: logits (batch, time, vocabulary) against tokens (batch, time)."""
    log_q = jax.nn.log_softmax(logits[:, :-1])
    return -jnp.mean(jnp.take_along_axis(log_q, tokens[:, 1:, None], axis=-1))


def divergence_nats(teacher: Array, student: Array, temperature: float = 1.0) -> Array:
    """Mean KL_T of student logits from teacher logits (..., vocabulary); the teacher gets no gradient."""
    log_p = jax.nn.log_softmax(jax.lax.stop_gradient(teacher) / temperature)
    log_q = jax.nn.log_softmax(student / temperature)
    return temperature**2 * jnp.mean(jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1))


def hidden_distance(teacher: Array, student: Array) -> Array:
    """H of hidden states (..., width): mean over tokens of the squared distance, relative to the teacher's square."""
    teacher = jax.lax.stop_gradient(teacher)
    square = jnp.sum(jnp.square(teacher), axis=-1)
    return jnp.mean(jnp.sum(jnp.square(student - teacher), axis=-1) / jnp.maximum(square, 1e-30))
