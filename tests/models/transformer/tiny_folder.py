"""Tiny random models for any test that needs one: in memory, as a Hugging Face folder, and as a GGUF file."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from models.transformer.checkpoint import Checkpoint, stored_shapes
from models.transformer.config import TransformerConfig

END_OF_TEXT = "<|endoftext|>"
MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the")]
TOKENS = [END_OF_TEXT, *sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in MERGES)]

# Every contracted axis is a multiple of 32, the block of the quantised encodings.
TINY = TransformerConfig(
    layers=2,
    width=32,
    heads=4,
    key_value_heads=2,
    head_width=8,
    hidden_width=64,
    vocabulary=len(TOKENS),
    context=128,
    rope_theta=1e4,
    norm_epsilon=1e-5,
    tied_head=True,
)


def random_tensors(config: TransformerConfig = TINY, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights by Hugging Face name, float32; scaled so that logits spread over a few units."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in stored_shapes(config, "huggingface").items():
        if name.endswith(".bias"):
            tensors[name] = (0.5 * rng.standard_normal(shape)).astype(np.float32)
        elif len(shape) == 1:
            tensors[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            spread = 0.5 if "embed" in name else shape[-1] ** -0.5
            tensors[name] = (spread * rng.standard_normal(shape)).astype(np.float32)
    return tensors


def tiny_model(config: TransformerConfig = TINY, seed: int = 0, dtype: str = "float32"):
    """A `Transformer` with `random_tensors`, without a file and without compiling any initialiser."""
    from models.transformer.placement import build_model

    tensors = random_tensors(config, seed)
    shapes = {name: value.shape for name, value in tensors.items()}
    checkpoint = Checkpoint(Path("memory"), "huggingface", config, byte_tokenizer(), shapes, tensors.__getitem__, ())
    return build_model(checkpoint, dtype)


def family(config: TransformerConfig) -> str:
    """The Hugging Face `model_type` that a configuration can be of."""
    if config.query_key_norm:
        return "qwen3"
    if config.query_key_value_bias and not config.output_bias:
        return "qwen2"
    return "mistral" if config.window else "llama"


def config_json(config: TransformerConfig) -> dict:
    """The fields of a Hugging Face `config.json` for a configuration, rotary scaling left out."""
    kind = family(config)
    own = {
        "llama": {"attention_bias": True} if config.output_bias else {},
        "qwen2": {},
        "qwen3": {},
        "mistral": {"sliding_window": config.window},
    }
    return {
        **own[kind],
        "model_type": kind,
        "hidden_act": "silu",
        "num_hidden_layers": config.layers,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_width,
        "intermediate_size": config.hidden_width,
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.norm_epsilon,
        "tie_word_embeddings": config.tied_head,
    }


def byte_tokenizer() -> Tokenizer:
    """Byte-level BPE over TOKENS with three merges and one special token."""
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(TOKENS)}, merges=MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    return tokenizer


def write_folder(
    folder: Path, config: TransformerConfig = TINY, tensors: dict[str, np.ndarray] | None = None, shards: int = 1
) -> Path:
    """Writes `config.json`, `tokenizer.json` and the weights, in one file or in shards with an index."""
    tensors = random_tensors(config) if tensors is None else tensors
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config_json(config)))
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in sorted(tensors)[shard::shards]}
        save_file(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def gguf_tensors(config: TransformerConfig, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Hugging Face tensors under their GGUF names, query and key rows in the order that the architecture stores."""
    renamed = dict(
        zip(stored_shapes(config, "huggingface"), stored_shapes(config, "gguf"), strict=True)
    )  # both tables list the same parameters in the same order; tests of the names stand in test_checkpoint.py
    paired = family(config) in ("llama", "mistral")
    result = {}
    for name, value in tensors.items():
        if paired and ("q_proj" in name or "k_proj" in name):
            heads = value.shape[0] // config.head_width
            value = value.reshape(heads, 2, config.head_width // 2, -1).swapaxes(1, 2).reshape(value.shape)
        result[renamed[name]] = value
    return result


def write_gguf(
    path: Path,
    config: TransformerConfig = TINY,
    tensors: dict[str, np.ndarray] | None = None,
    encoding: str = "F32",
    pre: str = "gpt-2",
    fields: dict[str, str | int] | None = None,
) -> Path:
    """Writes a GGUF file whose matrices have the given encoding; vectors, and rows of half a block, are F32."""
    import gguf

    tensors = random_tensors(config) if tensors is None else tensors
    kind = family(config)
    writer = gguf.GGUFWriter(path, "llama" if kind == "mistral" else kind)
    if config.window:
        writer.add_sliding_window(config.window)
    if config.rotary_divisors:
        writer.add_tensor("rope_freqs.weight", np.array(config.rotary_divisors, np.float32))
    writer.add_block_count(config.layers)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.width)
    writer.add_feed_forward_length(config.hidden_width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.key_value_heads)
    writer.add_key_length(config.head_width)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    for name, value in (fields or {}).items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(name, value)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3 if token == END_OF_TEXT else 1 for token in TOKENS])
    writer.add_token_merges([" ".join(pair) for pair in MERGES])
    quantised = gguf.GGMLQuantizationType[encoding]
    for name, value in gguf_tensors(config, tensors).items():
        if value.ndim == 1 or encoding == "F32" or value.shape[-1] % gguf.GGML_QUANT_SIZES[quantised][0]:
            writer.add_tensor(name, np.ascontiguousarray(value))
        else:
            writer.add_tensor(name, gguf.quants.quantize(value, quantised), raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def alphabet_tokenizer(size: int) -> Tokenizer:
    """A tokenizer with `size` tokens of one character each, for models whose vocabulary stands for nothing."""
    tokenizer = Tokenizer(models.BPE(vocab={chr(0x4E00 + number): number for number in range(size)}, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
