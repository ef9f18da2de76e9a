"""The terms of the loss, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration.distillation import Distillation, cross_entropy_nats, divergence_nats, hidden_distance

TEACHER, STUDENT = (jax.random.normal(jax.random.key(seed), (2, 6, 9)) for seed in range(2))
TOKENS = jax.random.randint(jax.random.key(2), (2, 6), 0, 9)


def softmax(logits):
    shares = np.exp(np.asarray(logits, np.float64))
    return shares / shares.sum(axis=-1, keepdims=True)


def test_cross_entropy_is_that_of_the_next_token():
    shares = softmax(STUDENT)
    expected = np.mean([-np.log(shares[b, t, TOKENS[b, t + 1]]) for b in range(2) for t in range(5)])
    assert float(cross_entropy_nats(STUDENT, TOKENS)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_divergence_at_a_temperature(temperature):
    p, q = softmax(TEACHER / temperature), softmax(STUDENT / temperature)
    expected = temperature**2 * np.mean(np.sum(p * np.log(p / q), axis=-1))
    assert float(divergence_nats(TEACHER, STUDENT, temperature)) == pytest.approx(expected, rel=1e-5)
    assert float(divergence_nats(TEACHER, TEACHER, temperature)) == pytest.approx(0.0, abs=1e-6)


def test_the_teacher_gets_no_gradient():
    for term in (divergence_nats, hidden_distance):
        assert np.all(np.asarray(jax.grad(term)(TEACHER, STUDENT)) == 0.0)
        assert np.any(np.asarray(jax.grad(term, argnums=1)(TEACHER, STUDENT)) != 0.0)


def test_hidden_states_are_compared_relative_to_the_teacher():
    assert float(hidden_distance(TEACHER, 1.5 * TEACHER)) == pytest.approx(0.25, rel=1e-5)
    assert float(hidden_distance(jnp.zeros((1, 3)), jnp.zeros((1, 3)))) == 0.0


@pytest.mark.parametrize("wrong", [{"share": 1.1}, {"share": -0.1}, {"temperature": 0.0}, {"hidden": -1.0}])
def test_weights_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=r"share|temperature|hidden"):
        Distillation(**wrong)


def test_only_terms_of_the_teacher_need_one():
    assert not Distillation(share=0.0).needs_teacher
    assert Distillation(share=0.0, hidden=0.1).needs_teacher and Distillation(share=0.5).needs_teacher
