"""Adapters kept apart: the layout of PEFT, and the same factors when they are read again."""

import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models.transformer.save_adapter import load_adapter, save_adapter
from models.transformer.save_huggingface import saved_metadata
from tests.models.transformer.tiny_folder import TINY

RANK, ALPHA = 3, 6.5
UNTIED = dataclasses.replace(TINY, tied_head=False)
INNER = TINY.key_value_heads * TINY.head_width


def factors(inputs, outputs, layers=(), rank=RANK):
    draw = np.random.default_rng(inputs + outputs).standard_normal
    return {"a": draw((*layers, inputs, rank)).astype("f"), "b": draw((*layers, rank, outputs)).astype("f")}


ADAPTERS = {
    "layers/attention/key": factors(TINY.width, INNER, (TINY.layers,)),
    "layers/1/mlp/down": factors(TINY.hidden_width, TINY.width),
    "head": factors(TINY.width, TINY.vocabulary),
}


def save(folder, adapters=ADAPTERS, config=TINY, **options):
    save_adapter(folder, adapters, config, **{"alpha": ALPHA, "base": "some/model"} | options)
    return folder


def test_names_axes_and_fields_are_those_of_peft(tmp_path):
    tensors = load_file(save(tmp_path / "x") / "adapter_model.safetensors")
    layers = "base_model.model.model.layers"
    expected = {
        f"{layers}.{i}.self_attn.k_proj": (ADAPTERS["layers/attention/key"]["a"][i], "layers/attention/key", i)
        for i in range(TINY.layers)
    }
    assert sorted(name.rsplit(".lora_", 1)[0] for name in tensors if ".lora_A." in name) == sorted(
        [*expected, f"{layers}.1.mlp.down_proj", "base_model.model.lm_head"]
    )
    for module, (a, name, i) in expected.items():
        np.testing.assert_array_equal(tensors[f"{module}.lora_A.weight"], a.T)
        np.testing.assert_array_equal(tensors[f"{module}.lora_B.weight"], ADAPTERS[name]["b"][i].T)
    stated = json.loads((tmp_path / "x" / "adapter_config.json").read_text())
    assert stated["target_modules"] == ["k_proj", "lm_head", "model.layers.1.mlp.down_proj"]
    assert (stated["r"], stated["lora_alpha"], stated["peft_type"]) == (RANK, ALPHA, "LORA")
    assert stated["base_model_name_or_path"] == "some/model"


@pytest.mark.parametrize("config", [TINY, UNTIED], ids=["tied", "untied"])
def test_read_back(tmp_path, config):
    read, alpha = load_adapter(save(tmp_path / "x", config=config), config)
    assert alpha == ALPHA and read.keys() == ADAPTERS.keys()
    for name, pair in ADAPTERS.items():
        for factor, value in pair.items():
            np.testing.assert_array_equal(read[name][factor], value)


def test_a_layer_named_alone_in_every_layer_comes_back_stacked(tmp_path):
    pair = factors(TINY.hidden_width, TINY.width, (TINY.layers,))
    alone = {f"layers/{i}/mlp/down": {each: value[i] for each, value in pair.items()} for i in range(TINY.layers)}
    save(tmp_path / "alone", alone)
    save(tmp_path / "stacked", {"layers/mlp/down": pair})
    for file in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "alone" / file).read_bytes() == (tmp_path / "stacked" / file).read_bytes()
    np.testing.assert_array_equal(load_adapter(tmp_path / "alone", TINY)[0]["layers/mlp/down"]["a"], pair["a"])


DOWN = factors(TINY.hidden_width, TINY.width)


@pytest.mark.parametrize(
    ("adapters", "message"),
    [
        ({}, "same rank of at least 1; found none"),
        ({"layers/mlp/side": DOWN}, "layers/mlp/side is no product .*layers/attention/key"),
        ({"layers/2/mlp/down": DOWN}, "layers/2/mlp/down is no product of a model with 2 layers"),
        ({"embed": DOWN}, "embed is no product"),
        ({"layers/mlp/down": DOWN}, r"must lead with 2 layers, not \(64, 3\)"),
        ({"layers/1/mlp/up": DOWN}, r"up_proj.lora_A.weight has the shape \(3, 64\) instead of \(3, 32\)"),
        ({"layers/1/mlp/down": {"a": DOWN["a"]}}, "must have the factors a and b, not a"),
        ({"layers/1/mlp/down": DOWN, "head": factors(TINY.width, TINY.vocabulary, rank=2)}, r"found \[2, 3\]"),
        (
            {"layers/1/mlp/down": DOWN, "layers/mlp/down": factors(TINY.hidden_width, TINY.width, (2,))},
            "another name adapts as well: model.layers.1.mlp.down_proj",
        ),
        ({"layers/1/mlp/down": DOWN | {"b": DOWN["b"] * np.nan}}, "not finite"),
    ],
)
def test_refusals_leave_no_folder(tmp_path, adapters, message):
    with pytest.raises(ValueError, match=message):
        save(tmp_path / "x", adapters)
    assert not (tmp_path / "x").exists()


def test_metadata_and_alpha(tmp_path):
    with pytest.raises(ValueError, match="alpha of the adapters must be a finite number, not nan"):
        save(tmp_path / "x", alpha=float("nan"))
    save(tmp_path / "x", metadata={"engine": "free-space"})
    (tmp_path / "x" / "adapter_model.safetensors").rename(tmp_path / "x" / "model.safetensors")
    assert saved_metadata(tmp_path / "x") == {"engine": "free-space"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": "IA3"}, "peft_type in .* is 'IA3'; only 'LORA'"),
        ({"use_rslora": True}, "use_rslora"),
        ({"rank_pattern": {"k_proj": 2}}, "rank_pattern"),
        ({"r": 4}, r"instead of \(4, 32\)|instead of \(16, 4\)|instead of"),
        ({"lora_alpha": None}, "no field 'lora_alpha'"),
    ],
)
def test_foreign_adapters_are_refused(tmp_path, fields, message):
    file = save(tmp_path / "x") / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))
    with pytest.raises(ValueError, match=message):
        load_adapter(tmp_path / "x", TINY)


def test_damaged_weights_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no adapter_config\.json"):
        load_adapter(tmp_path, TINY)
    file = save(tmp_path / "x") / "adapter_model.safetensors"
    tensors = load_file(file)
    missing = dict(tensors)
    missing.pop("base_model.model.lm_head.lora_A.weight")
    save_file(missing, file)
    with pytest.raises(ValueError, match="holds one factor only of lm_head"):
        load_adapter(tmp_path / "x", TINY)
    save_file(tensors | {"base_model.model.model.embed_tokens.lora_embedding_A": np.zeros((3, 3), "f")}, file)
    with pytest.raises(ValueError, match="adapts nothing in this model"):
        load_adapter(tmp_path / "x", TINY)
    file.write_bytes(b"\0")
    with pytest.raises(ValueError, match="cannot be read"):
        load_adapter(tmp_path / "x", TINY)
