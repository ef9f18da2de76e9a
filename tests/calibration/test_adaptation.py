"""What is trained, and the model that it makes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from calibration.adaptation import Adaptation
from photonics.layers import reseed
from tests.calibration.light import TOKENS, lit
from tests.models.transformer.tiny_folder import TINY, tiny_model

LAYERS = ("attention/query", "attention/key", "attention/value", "attention/output", "mlp/gate", "mlp/up", "mlp/down")


def logits(model) -> np.ndarray:
    if hasattr(model.head.dot_general, "hardware"):
        reseed(model, jax.random.split(jax.random.key(1), 2))
    return np.asarray(nnx.jit(lambda called: called(TOKENS), graph_updates=False)(model))


@pytest.mark.parametrize(
    "adaptation",
    [Adaptation(rank=2, learn_gains=True), Adaptation("full"), Adaptation("ranges", learn_gains=True)],
    ids=["lora", "full", "ranges"],
)
def test_nothing_is_changed_at_first(adaptation):
    model, _ = lit("encoding.activation_scale=static")
    before = logits(model)
    trained = adaptation.begin(model, jax.random.key(0))
    adaptation.install(model, trained)
    assert np.array_equal(logits(model), before)


def test_methods_train_what_they_say():
    model, _ = lit()
    lora, full, ranges = (
        Adaptation(method, rank=2).begin(model, jax.random.key(0)) for method in ("lora", "full", "ranges")
    )
    assert set(lora) == {"low_rank", "ranges"} and set(full) == {"weights", "ranges"} and set(ranges) == {"ranges"}
    assert set(lora["low_rank"]) == {f"layers/{name}" for name in LAYERS}
    for one, other in zip(jax.tree.leaves(full["weights"]), jax.tree.leaves(nnx.state(model, nnx.Param)), strict=True):
        # Training uses up what it is given: never the memory of the model itself.
        assert np.array_equal(one, other) and one.unsafe_buffer_pointer() != other.unsafe_buffer_pointer()


def test_merged_equals_unmerged():
    adaptation = Adaptation(rank=2, alpha=4.0, learn_ranges=False, learn_gains=True, clipping="learned")
    model, _ = lit()
    trained = adaptation.begin(model, jax.random.key(0))
    trained = jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(leaf.size), leaf.shape), trained)
    adaptation.install(model, trained)
    # The same on a digital model, whose kernels then go under light by hand.
    merged = tiny_model(TINY)
    adaptation.install(merged, trained)
    by_hand, _ = lit()
    for name in LAYERS:
        part, layer = name.split("/")
        kernel = getattr(getattr(merged.layers, part), layer).kernel[...]
        getattr(getattr(by_hand.layers, part), layer).kernel.set_value(kernel)
    assert np.array_equal(logits(model), logits(by_hand))
    assert not np.array_equal(logits(merged), logits(tiny_model(TINY)))


def test_targets_choose():
    model, _ = lit()
    trained = Adaptation(rank=2, targets=("mlp/down", "query$")).begin(model, jax.random.key(0))
    assert set(trained["low_rank"]) == {"layers/mlp/down", "layers/attention/query"}
    with pytest.raises(ValueError, match="no linear layer is named by the targets nowhere"):
        Adaptation(targets=("nowhere",)).begin(model, jax.random.key(0))
    with pytest.raises(ValueError, match="rank 99 does not suit"):
        Adaptation(rank=99).begin(model, jax.random.key(0))


def test_gradients_of_factors_and_gains_are_those_of_differences():
    # Ideal converters and no light to be short of, so that nothing rounds.
    model, _ = lit("dac.ideal=true", "adc.ideal=true", "panel.ideal=true")
    adaptation = Adaptation(rank=2, learn_ranges=False, learn_gains=True, clipping="learned", clip_percentile=95.0)
    start = adaptation.begin(model, jax.random.key(0))
    start = jax.tree.map(lambda leaf: leaf + 0.05 * jax.random.normal(jax.random.key(leaf.size), leaf.shape), start)
    graph, state = nnx.split(model)

    @jax.jit
    def loss(trained):
        called = nnx.merge(graph, jax.tree.map(lambda leaf: leaf, state))
        reseed(called, jax.random.split(jax.random.key(1), 2))
        adaptation.install(called, trained)
        return jnp.mean(jnp.square(called(TOKENS)))

    gradient = jax.jit(jax.grad(loss))(start)
    for part in ("low_rank", "gains", "clips"):
        direction = jax.tree.map(jnp.sign, gradient[part])
        slope = sum(float(jnp.sum(jnp.abs(leaf))) for leaf in jax.tree.leaves(gradient[part]))

        def along(step, part=part, direction=direction):
            moved = jax.tree.map(lambda one, way: one + step * way, start[part], direction)
            return float(loss({**start, part: moved}))

        differences = [(along(step) - along(-step)) / (2 * step) for step in (2e-3, 1e-3)]
        assert slope > 0.0
        assert slope == pytest.approx((4 * differences[1] - differences[0]) / 3, rel=0.05), part
