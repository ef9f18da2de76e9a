"""Rotations in the weights: the same function, flatter activations, and as much light as online rotation saves."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from calibration.equalise import largest_inputs
from calibration.fold_norms import fold_norms, scale_of, stacked_layers
from calibration.fold_rotation import Part, additions_saved, fold_rotation, rotation_rules, stays_online
from models.transformer.config import TransformerConfig
from models.transformer.model import TiedHead, Transformer
from photonics import count_contractions
from photonics.catalogue import load_engine
from photonics.free_space import FreeSpaceEngine
from photonics.free_space_cost import count
from photonics.layers import calibrate, measure, opticalize, reseed
from photonics.rules import Rule, engine_for
from tests.calibration.light import SAMPLE, TOKENS, engine
from tests.models.transformer.tiny_folder import TINY, tiny_model

UNTIED = dataclasses.replace(TINY, tied_head=False)
FAMILIES = {
    "tied": TINY,
    "untied": UNTIED,
    "biases": dataclasses.replace(UNTIED, query_key_value_bias=True, output_bias=True),
    "qwen2": dataclasses.replace(TINY, query_key_value_bias=True),
    # No power of two anywhere: blocks of 32 and 4, heads of 8 and 4.
    "qwen3": dataclasses.replace(TINY, query_key_norm=True, head_width=12, width=36),
}
LAYERS = [f"attention/{name}" for name in ("query", "key", "value", "output")]
LAYERS += [f"mlp/{name}" for name in ("gate", "up", "down")]
run = nnx.jit(lambda called: called(TOKENS), graph_updates=False)


def planted(config: TransformerConfig = TINY) -> Transformer:
    """A model with two loud channels in its stream and one in each head's values, as large models have them."""
    model = tiny_model(config)
    layers = stacked_layers(model)
    model.embed.embedding.set_value(model.embed.embedding[...].at[:, jnp.array([3, 20])].multiply(25.0))
    loud = 1.0 + 9.0 * (jnp.arange(config.key_value_heads * config.head_width) % config.head_width == 5)
    layers.attention.value.kernel.set_value(layers.attention.value.kernel[...] * loud)
    return model


@pytest.mark.parametrize("parts", [("stream", "heads"), ("stream",), ("heads",)], ids="-".join)
@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_the_function_stays(config, parts):
    model = fold_norms(tiny_model(config))
    before, state = np.asarray(run(model)), nnx.to_pure_dict(nnx.state(model))
    folded = fold_rotation(model, parts)
    # Sums of 64 float32 products through 2 layers: a few hundred roundings of 6e-8 of logits of a few units.
    np.testing.assert_allclose(run(folded), before, atol=2e-5 * np.abs(before).max())
    moved = stacked_layers(folded).attention.output.kernel[...]
    assert not np.allclose(moved, stacked_layers(model).attention.output.kernel[...], atol=1e-2)
    jax.tree.map(np.testing.assert_array_equal, nnx.to_pure_dict(nnx.state(model)), state)


def test_a_tied_head_stays_tied():
    model = tiny_model(TINY)
    scale_of(model.final_norm).set_value(jnp.full(TINY.width, 0.7))
    folded = fold_rotation(fold_norms(model))
    assert isinstance(folded.head, TiedHead) and folded.head.embedding is folded.embed.embedding
    np.testing.assert_allclose(run(folded), run(model), atol=2e-4)
    assert not np.allclose(folded.embed.embedding[...], model.embed.embedding[...], atol=1e-2)


def test_norms_with_scales_are_refused():
    model = tiny_model(TINY)
    with pytest.raises(ValueError, match="final_norm and attention_norm and mlp_norm have scales of their own"):
        fold_rotation(model)
    # Heads have nothing to do with the norms of the stream.
    np.testing.assert_allclose(run(fold_rotation(model, ("heads",))), run(model), atol=2e-4)
    with pytest.raises(ValueError, match="parts to fold"):
        fold_rotation(model, "stream")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="parts to fold"):
        fold_rotation(model, ("embedding",))  # pyright: ignore[reportArgumentType]


def test_loud_channels_are_spread():
    model = fold_norms(planted())
    loud, flat = (largest_inputs(one, SAMPLE) for one in (model, fold_rotation(model)))
    for name, evened in (("attention/query", 1.6), ("mlp/gate", 1.6), ("attention/output", 1.4)):
        before, after = (seen[f"layers/{name}"] for seen in (loud, flat))
        # Vectors keep their length, so a smaller largest magnitude is a smaller crest.
        assert np.all(np.max(before, axis=-1) > evened * np.max(after, axis=-1)), name
    # All readers of one norm see the same.
    np.testing.assert_array_equal(flat["layers/attention/query"], flat["layers/attention/value"])
    # Nothing reaches through silu.
    np.testing.assert_allclose(loud["layers/mlp/down"], flat["layers/mlp/down"], rtol=1e-3, atol=1e-5)


# Products that read the same as a neighbour stay digital, which halves what is compiled.
DIGITAL: list[Rule] = [(r"/(key|value|up)$|^head$", None)]


def snr_db(model: Transformer, rules: list[Rule]) -> dict[str, float]:
    """SNR [dB] of every optical layer of a copy of the model under light, averaged over 4 draws of the noise."""
    lit, found = nnx.clone(model), {}
    opticalize(lit, engine(), rules=DIGITAL + rules, rngs=nnx.Rngs(noise=0))
    calibrate(lit, seen)
    for seed in range(4):
        reseed(lit, jax.random.split(jax.random.key(seed), SAMPLE.shape[0]))
        for record in measure(lit, seen):
            found.setdefault(record.name, []).append(record.snr_db)
    return {name: float(np.mean(values)) for name, values in found.items()}


def seen(model: nnx.Module) -> jax.Array:
    assert isinstance(model, Transformer)
    return model(SAMPLE)


def test_folded_rotation_does_for_the_light_what_online_rotation_does():
    model = fold_norms(planted())
    none, online = (snr_db(model, [(r".*", engine(f"encoding.rotate={switch}"))]) for switch in ("false", "true"))
    folded = snr_db(fold_rotation(model), rotation_rules(engine()))
    assert none.keys() == folded.keys() == online.keys() and len(none) == 4 * TINY.layers
    # The first product sees the same operands under the same noise, rotated before or online: codes differ where
    # rounding falls on the other side, 1e-5 of them.
    first = "layers/0/attention/query"
    assert folded[first] == pytest.approx(online[first], abs=0.02)
    names = [name for name in none if not stays_online(name)]
    gain = np.mean([folded[name] - none[name] for name in names])
    lost = np.mean([online[name] - folded[name] for name in names])
    assert gain > 4.0 and abs(lost) < 0.1 * gain
    down = [name for name in none if stays_online(name)]
    assert len(down) == TINY.layers
    assert np.mean([folded[name] - none[name] for name in down]) > 3.0


def test_rules_say_what_stays_online():
    under = engine("encoding.rotate=false")
    names = [f"layers/{index}/{name}" for index in range(TINY.layers) for name in LAYERS] + ["head"]
    some: list[tuple[Part, ...]] = [("stream", "heads"), ("stream",), ("heads",), ()]
    for parts in some:
        rules = rotation_rules(under, parts)
        chosen = {name: engine_for(name, rules) for name in names}
        assert {name for name, one in chosen.items() if one is not None and one.rotates} == {
            name for name in names if stays_online(name, parts)
        }
    online = [name for name in LAYERS if stays_online(f"layers/0/{name}")]
    assert online == ["mlp/down"] and not stays_online("head")
    assert [name for name in LAYERS if stays_online(f"layers/0/{name}", ("stream",))] == [
        "attention/output",
        "mlp/down",
    ]
    report = opticalize(fold_rotation(fold_norms(tiny_model())), under, rules=rotation_rules(under), rngs=nnx.Rngs(0))
    assert set(report.replaced) == set(names)


def test_an_engine_without_the_switch_is_refused():
    with pytest.raises(ValueError, match="has no switch"):
        rotation_rules(load_engine("lightmatter-2025"))


@pytest.mark.parametrize("parts", [("stream", "heads"), ("stream",)])
def test_saved_additions_are_those_that_the_engine_charges(parts):
    config = FAMILIES["qwen3"]
    model = tiny_model(config)
    work = count_contractions(lambda called, tokens: called(tokens), model, TOKENS)
    rules = rotation_rules(engine(), parts)

    def charged(rules) -> float:
        ops = 0.0
        for one in work.select(lambda one: one.weights):
            chosen = engine_for(one.name, rules)
            assert isinstance(chosen, FreeSpaceEngine)
            ops += float(count(chosen, one).digital_ops)
        return ops

    saved = charged([(r".*", engine("encoding.rotate=true"))]) - charged(rules)
    assert saved == additions_saved(config, parts) * TOKENS.size
