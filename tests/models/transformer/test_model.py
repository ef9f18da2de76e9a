"""The network against a slow NumPy transcription of the published equations, and its seams."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from models.transformer.config import LLAMA_3_1_70B, llama3_divisors
from models.transformer.model import TiedHead, Transformer, attend, rotary_table, rotate, visible_slots
from tests.models.transformer.tiny_folder import TINY, random_tensors, tiny_model

UNTIED = dataclasses.replace(TINY, tied_head=False)
LLAMA_3 = dataclasses.replace(
    UNTIED,
    rotary_divisors=llama3_divisors(
        *(8, 1e4), factor=8, low_frequency_factor=1, high_frequency_factor=4, original_context=128
    ),
)
FAMILIES = {
    "tied": TINY,
    "untied": UNTIED,
    "llama 3": LLAMA_3,
    "biases": dataclasses.replace(TINY, query_key_value_bias=True, output_bias=True),
    "qwen2": dataclasses.replace(TINY, query_key_value_bias=True),
    "qwen3": dataclasses.replace(TINY, query_key_norm=True, head_width=16),
    "mistral": dataclasses.replace(UNTIED, window=3),
}
TOKENS = jax.random.randint(jax.random.key(3), (2, 9), 0, TINY.vocabulary)


run = nnx.jit(lambda model, tokens: model(tokens), graph_updates=False)


@pytest.fixture
def model() -> Transformer:
    return tiny_model()


def numpy_logits(config, tensors, tokens) -> np.ndarray:
    """Logits (time, vocabulary) of one sequence in float64, with loops over layers, heads and positions."""
    w = {name: value.astype(np.float64) for name, value in tensors.items()}

    def norm(x, scale):
        return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + config.norm_epsilon) * scale

    def turned(head, position):  # Su et al., 2021, equation 15, on pairs (j, j + head_width / 2)
        half = config.head_width // 2
        result = np.empty_like(head)
        for j in range(half):
            angle = position * config.rope_theta ** (-2 * j / config.head_width)
            angle /= config.rotary_divisors[j] if config.rotary_divisors else 1
            pair = head[j] + 1j * head[j + half]
            pair *= np.exp(1j * angle)
            result[j], result[j + half] = pair.real, pair.imag
        return result

    x = w["model.embed_tokens.weight"][np.asarray(tokens)]
    for layer in range(config.layers):
        at = f"model.layers.{layer}."
        h = norm(x, w[at + "input_layernorm.weight"])
        q, k, v = (
            (h @ w[at + f"self_attn.{name}_proj.weight"].T + w.get(at + f"self_attn.{name}_proj.bias", 0)).reshape(
                len(x), -1, config.head_width
            )
            for name in "qkv"
        )
        if config.query_key_norm:
            q, k = norm(q, w[at + "self_attn.q_norm.weight"]), norm(k, w[at + "self_attn.k_norm.weight"])
        mixed = np.zeros((len(x), config.heads, config.head_width))
        for t in range(len(x)):
            for head in range(config.heads):
                shared = head * config.key_value_heads // config.heads
                first = max(0, t + 1 - config.window) if config.window else 0
                scores = np.array([turned(q[t, head], t) @ turned(k[s, shared], s) for s in range(first, t + 1)])
                shares = np.exp(scores / np.sqrt(config.head_width))
                mixed[t, head] = shares / shares.sum() @ v[first : t + 1, shared]
        x = x + mixed.reshape(len(x), -1) @ w[at + "self_attn.o_proj.weight"].T + w.get(at + "self_attn.o_proj.bias", 0)
        h = norm(x, w[at + "post_attention_layernorm.weight"])
        gate = h @ w[at + "mlp.gate_proj.weight"].T
        up = h @ w[at + "mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[at + "mlp.down_proj.weight"].T
    head = w["model.embed_tokens.weight" if config.tied_head else "lm_head.weight"]
    return norm(x, w["model.norm.weight"]) @ head.T


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_logits_equal_the_equations(config):
    tensors = random_tensors(config)
    logits = run(tiny_model(config), TOKENS)
    assert logits.dtype == jnp.float32
    expected = np.stack([numpy_logits(config, tensors, row) for row in TOKENS])
    # float32 sums of at most 64 terms of order one, in two layers: a few hundred units in the last place of 10
    np.testing.assert_allclose(logits, expected, atol=2e-4)
    wrong = np.stack([numpy_logits(dataclasses.replace(config, rope_theta=2e4), tensors, row) for row in TOKENS])
    assert np.max(np.abs(logits - wrong)) > 1e-2  # the comparison can fail
    plain = dataclasses.replace(config, rotary_divisors=(), query_key_norm=False, window=None)
    if plain != config:
        wrong = np.stack([numpy_logits(plain, tensors, row) for row in TOKENS])
        assert np.max(np.abs(logits - wrong)) > 1e-2


def test_no_position_sees_a_later_one(model):
    changed = TOKENS.at[:, 5].add(1) % TINY.vocabulary
    before, after = run(model, TOKENS), run(model, changed)
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert jnp.all(jnp.any(before[:, 5:] != after[:, 5:], axis=-1))


def test_rows_of_a_batch_do_not_meet(model):
    other = run(model, TOKENS.at[0].add(1) % TINY.vocabulary)
    np.testing.assert_array_equal(run(model, TOKENS)[1], other[1])


def test_scores_depend_on_distance_only():
    head = jax.random.normal(jax.random.key(0), (1, 1, 1, 16))
    other = jax.random.normal(jax.random.key(1), (1, 1, 1, 16))
    table = rotary_table(jnp.arange(40), 16, 1e4)
    turned, turned_other = (rotate(jnp.repeat(x, 40, axis=1), table)[0, :, 0] for x in (head, other))
    scores = turned @ turned_other.T
    np.testing.assert_allclose(scores[5, 2], scores[38, 35], rtol=1e-4)
    assert abs(scores[5, 2] - scores[5, 3]) > 1e-2


def test_attention_averages_equal_keys():
    values = jax.random.normal(jax.random.key(0), (1, 6, 1, 4))
    mean = jnp.cumsum(values, axis=1) / jnp.arange(1, 7)[:, None, None]
    result = attend(jnp.ones((1, 6, 3, 4)), jnp.ones((1, 6, 1, 4)), values, visible_slots(jnp.arange(6), 6))
    np.testing.assert_allclose(result, jnp.broadcast_to(mean, (1, 6, 3, 4)), atol=1e-6)


def test_random_start_has_the_counted_parameters():
    model = nnx.jit(lambda: Transformer(TINY, rngs=nnx.Rngs(0)))()
    query = model.layers.attention.query.kernel[...]
    assert jnp.all(query[0] != query[1])  # every layer has its own draw
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))) == TINY.parameters


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_every_family_has_the_counted_parameters(config):
    model = nnx.eval_shape(lambda: Transformer(config, rngs=nnx.Rngs(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))) == config.parameters


def test_parameter_paths(model):
    params = nnx.to_flat_state(nnx.state(model, nnx.Param))
    kernels = {"/".join(path[:-1]) for path, _ in params if path[-1] == "kernel"}
    attention = {f"layers/attention/{name}" for name in ("query", "key", "value", "output")}
    assert kernels == attention | {f"layers/mlp/{name}" for name in ("gate", "up", "down")}
    untied = nnx.eval_shape(lambda: Transformer(UNTIED, rngs=nnx.Rngs(0)))
    assert untied.head.kernel.get_value().shape == (TINY.width, TINY.vocabulary)


def test_tied_head_shares_the_embedding(model):
    assert isinstance(model.head, TiedHead)
    assert model.head.embedding is model.embed.embedding
    np.testing.assert_array_equal(model.head.weight_matrix(), model.embed.embedding[...].T)
    copy = nnx.merge(*nnx.split(model))
    assert copy.head.embedding is copy.embed.embedding
    gradient = nnx.jit(nnx.grad(lambda model: model(TOKENS)[0, -1, 7]))(model)
    rows = jnp.any(gradient["embed"]["embedding"][...] != 0, axis=1)
    assert rows[7]  # through the head
    assert jnp.all(rows[TOKENS[0]])  # through the look-up


class Recorder(nnx.Module):
    """A foreign matrix product: twice the plain one, noting how it was called."""

    def __init__(self):
        self.factor = nnx.Param(jnp.float32(2))

    def __call__(self, lhs, rhs, dimension_numbers, precision=None, preferred_element_type=None, out_sharding=None):
        assert dimension_numbers == (((lhs.ndim - 1,), (0,)), ((), ()))
        return self.factor * jax.lax.dot_general(lhs, rhs, dimension_numbers)


def test_head_product_can_be_replaced(model):
    plain = run(model, TOKENS)
    model.head.dot_general = nnx.data(Recorder())
    np.testing.assert_allclose(run(model, TOKENS), 2 * plain, rtol=1e-5, atol=1e-5)


def test_scopes_name_every_product(model):
    graphdef, state = nnx.split(model)
    jaxpr = jax.make_jaxpr(lambda state, tokens: nnx.merge(graphdef, state)(tokens))(state, TOKENS)
    scopes = {str(eqn.source_info.name_stack) for eqn in jaxpr.eqns}
    assert {"layers", "final_norm", "head"} <= scopes
    (scan,) = (eqn for eqn in jaxpr.eqns if eqn.primitive.name == "scan")
    assert str(scan.source_info.name_stack) == "layers"
    products = [eqn for eqn in scan.params["jaxpr"].eqns if eqn.primitive.name == "dot_general"]
    attention = ["query", "key", "value", "output"]
    inside = [f"attention/{name}" for name in attention] + [f"mlp/{name}" for name in ("gate", "up", "down")]
    named = [str(eqn.source_info.name_stack) for eqn in products]
    assert sorted(named) == sorted([*inside, "attention/scores", "attention/mix"])  # scores and mixing are digital


def test_eager_pure_and_jit_calls_agree(model):
    expected = model(TOKENS)
    graphdef, state = nnx.split(model)
    pure = jax.jit(lambda state, tokens: nnx.merge(graphdef, state)(tokens))
    for logits in (pure(state, TOKENS), run(model, TOKENS), nnx.jit(lambda m, x: m(x))(model, TOKENS)):
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_training_steps_lower_the_loss(model):
    optimizer = nnx.Optimizer(model, optax.adam(3e-3), wrt=nnx.Param)

    def loss(model):
        return optax.softmax_cross_entropy_with_integer_labels(model(TOKENS[:, :-1]), TOKENS[:, 1:]).mean()

    @nnx.jit
    def step(model, optimizer):
        value, gradient = nnx.value_and_grad(loss)(model)
        optimizer.update(model, gradient)
        return value

    first = step(model, optimizer)
    for _ in range(9):
        last = step(model, optimizer)
    assert last < 0.7 * first
    assert model.head.embedding is model.embed.embedding


def test_llama_70b_from_shapes_alone():
    model = nnx.eval_shape(lambda: Transformer(LLAMA_3_1_70B, rngs=nnx.Rngs(0)))
    sizes = [leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]
    assert sum(sizes) == LLAMA_3_1_70B.parameters == 70_553_706_496  # the published 70.6 billion, to the last weight
    assert model.layers.mlp.down.kernel.get_value().shape == (80, 28672, 8192)
    logits = nnx.eval_shape(lambda m, x: m(x), model, jax.ShapeDtypeStruct((1, 8192), jnp.int32))
    assert logits.shape == (1, 8192, 128256)


def test_bad_tokens_are_refused(model):
    with pytest.raises(TypeError, match="tokens must be integers, not float32"):
        model(jnp.ones((1, 3)))
    with pytest.raises(ValueError, match=r"axes \(batch, time\), not the shape \(3,\)"):
        model(jnp.ones(3, dtype=jnp.int32))
