import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from calibration.differential_noise import QUANTILES, HistogramNoise, install, measure, reseed
from photonics.layers import reseed as reseed_light
from tests.calibration.light import SAMPLE, TOKENS, lit
from tests.models.transformer.tiny_folder import TINY, tiny_model


@pytest.fixture(scope="module")
def histograms():
    model, _ = lit()
    reseed_light(model, jax.random.split(jax.random.key(1), len(SAMPLE)))
    before = model(TOKENS)
    found = measure(model, lambda called: called(SAMPLE))
    assert model.layers.mlp.down.dot_general.__class__.__name__ == "OpticalDot" and before.shape == model(TOKENS).shape
    return found


def test_every_layer_has_a_histogram_of_its_own(histograms):
    assert histograms["layers/mlp/down"].shape == (TINY.layers, QUANTILES) and histograms["head"].shape == (QUANTILES,)
    for quantiles in histograms.values():
        assert (
            np.all(np.diff(quantiles, axis=-1) >= 0)
            and np.all(quantiles[..., 0] < 0)
            and np.all(quantiles[..., -1] > 0)
        )
    assert not np.allclose(*histograms["layers/mlp/down"])


def test_draws_have_the_distribution_that_was_measured():
    # 40,000 draws of a lopsided distribution; its variance by the quantiles, and 5 standard errors either way.
    quantiles = jnp.linspace(0.0, 1.0, QUANTILES) ** 3
    noise = HistogramNoise(quantiles)
    x, w = jnp.ones((200, 4)).at[:, 0].set(-2.0), jnp.full((4, 200), 0.5)
    drawn = np.asarray(noise(x, w, (((1,), (0,)), ((), ()))) - x @ w) / (2.0 * 0.5)
    expected = 1 / 4, 1 / 7 - 1 / 16  # mean and variance of u^3
    assert drawn.mean() == pytest.approx(expected[0], abs=5 * (expected[1] / drawn.size) ** 0.5)
    fourth = float(np.mean((drawn - drawn.mean()) ** 4))
    assert drawn.var() == pytest.approx(expected[1], abs=5 * ((fourth - expected[1] ** 2) / drawn.size) ** 0.5)


def test_a_model_is_as_far_from_exact_as_with_light(histograms):
    # 16 draws of either noise; divergences of single draws spread by a third, their means by a twelfth each.
    light, _ = lit()
    digital = tiny_model(TINY)
    exact = jax.nn.log_softmax(digital(SAMPLE))
    install(digital, histograms)

    @nnx.jit
    def distance(model) -> jax.Array:
        return jnp.mean(jnp.sum(jnp.exp(exact) * (exact - jax.nn.log_softmax(model(SAMPLE))), -1))

    found = []
    for model, seed in (
        (light, lambda key: reseed_light(light, jax.random.split(key, len(SAMPLE)))),
        (digital, lambda key: reseed(digital, key)),
    ):
        values = []
        for number in range(16):
            seed(jax.random.key(number))
            values.append(float(distance(model)))
        assert len(set(values)) == 16
        found.append(np.mean(values))
    assert 0.7 < found[1] / found[0] < 1.4


def test_a_key_decides_the_draw_and_layers_differ(histograms):
    model = tiny_model(TINY)
    install(model, histograms)
    answers = []
    for number in (1, 1, 2):
        reseed(model, jax.random.key(number))
        answers.append(np.asarray(model(TOKENS)))
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.allclose(answers[0], answers[2])
    keys = jax.random.key_data(model.layers.mlp.down.dot_general.keys.get_value())
    assert not np.array_equal(keys[0], keys[1])


def test_no_error_is_the_exact_model_with_its_gradient(histograms):
    model, silent = tiny_model(TINY), {name: jnp.zeros_like(one) for name, one in histograms.items()}
    other = tiny_model(TINY)
    install(other, silent)
    np.testing.assert_array_equal(model(TOKENS), other(TOKENS))
    slopes = [nnx.grad(lambda one: jnp.sum(jnp.square(one(TOKENS))))(one) for one in (model, other)]
    for one, two in zip(*map(jax.tree.leaves, slopes), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)


def test_what_does_not_fit_is_refused(histograms):
    with pytest.raises(ValueError, match="no optical layers"):
        measure(tiny_model(TINY), lambda called: called(SAMPLE))
    with pytest.raises(ValueError, match="no layers elsewhere"):
        install(tiny_model(TINY), {"elsewhere": histograms["head"]})
