"""Counting the contractions of whole models: nnx modules, Llama-3.1-70B, agreement with XLA."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from photonics.contractions import count_contractions
from photonics.work import Contraction


def _shape(*dims: int, dtype=jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(dims, dtype)


def _only(work) -> Contraction:
    (contraction,) = work
    return contraction


def _sizes(contraction: Contraction) -> tuple[int, ...]:
    return contraction.batch, contraction.m, contraction.k, contraction.n, contraction.count


class _Block(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.norm = nnx.RMSNorm(4, rngs=rngs)
        self.up = nnx.Linear(4, 8, rngs=rngs)
        self.down = nnx.Linear(8, 4, rngs=rngs)

    def __call__(self, x):
        with jax.named_scope("up"):
            h = nnx.silu(self.up(self.norm(x)))
        with jax.named_scope("down"):
            return x + self.down(h)


class _Stack(nnx.Module):
    """A stack that is scanned with nnx.scan, and a tied head."""

    def __init__(self, layers: int, rngs: nnx.Rngs):
        self.embed = nnx.Embed(11, 4, rngs=rngs)
        self.layers = nnx.vmap(_Block, in_axes=0)(rngs.split(layers))

    def __call__(self, tokens):
        x = self.embed(tokens)
        with jax.named_scope("layers"):
            x = nnx.scan(lambda x, block: block(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)(x, self.layers)
        with jax.named_scope("head"):
            return self.embed.attend(x)


def test_a_linear_layer():
    layer = nnx.Linear(4, 6, rngs=nnx.Rngs(0))
    found = _only(count_contractions(layer, _shape(2, 3, 4)))
    assert found.weights
    assert _sizes(found) == (1, 6, 4, 6, 1)


@pytest.mark.parametrize("abstract", [False, True])
def test_a_scanned_model(abstract):
    def make():
        return _Stack(5, nnx.Rngs(0))

    model = nnx.eval_shape(make) if abstract else make()
    work = count_contractions(model, _shape(2, 3, dtype=jnp.int32))
    assert [found.name for found in work] == ["layers/up", "layers/down", "head"]
    assert all(found.weights for found in work)
    assert [found.stacked for found in work] == [(5,), (5,), ()]
    assert work.macs == 6 * (5 * 2 * 4 * 8 + 4 * 11)
    assert [found.name for found in work.expand().select("layers/3/.*")] == ["layers/3/up", "layers/3/down"]


def test_a_training_step_of_a_model():
    def step(model, tokens):
        def loss(model):
            return jnp.mean(nnx.jit(lambda m: m(tokens))(model) ** 2)

        return nnx.value_and_grad(loss)(model)

    work = count_contractions(step, _Stack(5, nnx.Rngs(0)), np.zeros((2, 3), np.int32))
    forward = 6 * (5 * 2 * 4 * 8 + 4 * 11)
    assert (work.weight_macs, work.digital_macs) == (2 * forward, forward)


def test_attention_splits_into_weights_and_activations():
    attention = nnx.MultiHeadAttention(num_heads=2, in_features=8, decode=False, rngs=nnx.Rngs(0))
    work = count_contractions(attention, _shape(3, 5, 8))
    assert work.weight_macs == 4 * 3 * 5 * 8 * 8
    assert work.digital_macs == 2 * 3 * 5 * 5 * 8


def _llama(tokens, embed, layers, head):
    """The products of Llama with grouped-query attention; norms and rotary positions multiply no matrices."""

    def layer(h, w):
        with jax.named_scope("attention"):
            queries = jnp.einsum("btd,dgqe->btgqe", h, w["query"])  # 8 groups of 8 queries
            keys, values = (jnp.einsum("btd,dge->btge", h, w[name]) for name in ("key", "value"))
            scores = jnp.einsum("btgqe,bsge->bgqts", queries, keys)
            mixed = jnp.einsum("bgqts,bsge->btgqe", jax.nn.softmax(scores), values)
            h = h + jnp.einsum("btgqe,gqed->btd", mixed, w["output"])
        with jax.named_scope("mlp"):
            return h + (jax.nn.silu(h @ w["gate"]) * (h @ w["up"])) @ w["down"], None

    h = embed[tokens]
    with jax.named_scope("layers"):
        h, _ = jax.lax.scan(layer, h, layers)
    with jax.named_scope("head"):
        return h @ head


def test_llama_70b_is_counted_in_seconds_from_shapes():
    depth, d, heads, groups, wide, vocabulary, tokens = 80, 8192, 64, 8, 28672, 128256, 8192
    size = d // heads
    layers = {
        "query": _shape(depth, d, groups, heads // groups, size, dtype=jnp.bfloat16),
        "key": _shape(depth, d, groups, size, dtype=jnp.bfloat16),
        "value": _shape(depth, d, groups, size, dtype=jnp.bfloat16),
        "output": _shape(depth, groups, heads // groups, size, d, dtype=jnp.bfloat16),
        "gate": _shape(depth, d, wide, dtype=jnp.bfloat16),
        "up": _shape(depth, d, wide, dtype=jnp.bfloat16),
        "down": _shape(depth, wide, d, dtype=jnp.bfloat16),
    }
    start_s = time.perf_counter()
    work = count_contractions(
        _llama,
        _shape(1, tokens, dtype=jnp.int32),
        _shape(vocabulary, d, dtype=jnp.bfloat16),
        layers,
        _shape(d, vocabulary, dtype=jnp.bfloat16),
        weights=(1, 2, 3),
    )
    elapsed_s = time.perf_counter() - start_s

    per_layer = 2 * d * d + 2 * d * groups * size + 3 * d * wide
    assert work.weight_macs == tokens * (depth * per_layer + d * vocabulary)
    assert work.digital_macs == depth * 2 * tokens * tokens * d
    assert work.notes == ()
    expanded = work.expand()
    assert (len(work), len(expanded)) == (10, 9 * depth + 1)
    assert expanded.macs == work.macs
    assert expanded.select("layers/17/.*").macs == (work.macs - work.select("head").macs) // depth
    down = _only(expanded.select("layers/79/mlp").select(lambda found: found.k == wide))
    assert (down.m, down.n, down.matrices) == (tokens, d, 1)
    assert elapsed_s < 10  # measured 0.02 s; the limit only catches unrolled loops or real arrays


def test_agrees_with_the_operations_that_xla_counts():
    def network(x, a, b, c):
        h = jnp.einsum("btd,dhe->bthe", x, a)
        scores = jnp.einsum("bthe,bshe->bhts", h, h)
        return jnp.einsum("bhts,bshe->bthe", scores, h).reshape(2, 8, 12) @ b.T @ c

    args = _shape(2, 8, 6), _shape(6, 3, 4), _shape(10, 12), _shape(10, 5)
    macs = count_contractions(network, *args).macs
    analysis = jax.jit(network).lower(*args).cost_analysis()
    assert analysis is not None
    assert 2 * macs == analysis["flops"]  # 1 MAC = 2 operations
