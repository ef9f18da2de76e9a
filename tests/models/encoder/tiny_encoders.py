"""Tiny random encoders as Hugging Face folders, the same in every environment: NumPy, safetensors and tokenizers only.

Names and shapes of tensors are written out here, independently of `models.encoder`, because `make_golden.py` lets the
transformers library read these folders.
"""

import json
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = ["the", "light", "lens", "is", "not", "bright", "dark", "a"]
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefghijklmnopqrstuvwxyz0123456789.,!?"]
TOKENS += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
TEXTS = ("The light is bright.", "A dark lens!", "Not a light, the 7 lenses", "is")

BERT = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "vocab_size": len(TOKENS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
    "label2id": {"negative": 0, "neutral": 1, "positive": 2},
}
ROBERTA = {
    **BERT,
    "model_type": "roberta",
    "architectures": ["RobertaForSequenceClassification"],
    "hidden_act": "gelu_new",
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 66,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}
VIT = {
    "model_type": "vit",
    "architectures": ["ViTForImageClassification"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 12,
    "patch_size": 4,
    "num_channels": 3,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "qkv_bias": True,
    "id2label": {"0": "bar", "1": "dot"},
    "label2id": {"bar": 0, "dot": 1},
}
PREPROCESSOR = {"do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2]}


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def bert_shapes(config: dict = BERT) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a BERT or RoBERTa with a classifier."""
    kind, width, hidden = config["model_type"], config["hidden_size"], config["intermediate_size"]
    tables = {"word": "vocab_size", "position": "max_position_embeddings", "token_type": "type_vocab_size"}
    shapes = {f"{kind}.embeddings.{name}_embeddings.weight": (config[rows], width) for name, rows in tables.items()}
    shapes |= _norm(f"{kind}.embeddings.LayerNorm", width)
    for layer in range(config["num_hidden_layers"]):
        name = f"{kind}.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{name}.attention.self.{part}", width, width)
        shapes |= _linear(f"{name}.attention.output.dense", width, width)
        shapes |= _norm(f"{name}.attention.output.LayerNorm", width)
        shapes |= _linear(f"{name}.intermediate.dense", width, hidden)
        shapes |= _linear(f"{name}.output.dense", hidden, width)
        shapes |= _norm(f"{name}.output.LayerNorm", width)
    first, last = ("bert.pooler.dense", "classifier") if kind == "bert" else ("classifier.dense", "classifier.out_proj")
    return shapes | _linear(first, width, width) | _linear(last, width, len(config["id2label"]))


def vit_shapes(config: dict = VIT) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a ViT with a classifier."""
    width, hidden, patch = config["hidden_size"], config["intermediate_size"], config["patch_size"]
    patches = (config["image_size"] // patch) ** 2
    shapes: dict[str, tuple[int, ...]] = {
        "vit.embeddings.cls_token": (1, 1, width),
        "vit.embeddings.position_embeddings": (1, patches + 1, width),
        "vit.embeddings.patch_embeddings.projection.weight": (width, config["num_channels"], patch, patch),
        "vit.embeddings.patch_embeddings.projection.bias": (width,),
    }
    for layer in range(config["num_hidden_layers"]):
        name = f"vit.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{name}.attention.attention.{part}", width, width)
        shapes |= _linear(f"{name}.attention.output.dense", width, width)
        shapes |= _linear(f"{name}.intermediate.dense", width, hidden)
        shapes |= _linear(f"{name}.output.dense", hidden, width)
        shapes |= _norm(f"{name}.layernorm_before", width) | _norm(f"{name}.layernorm_after", width)
    return shapes | _norm("vit.layernorm", width) | _linear("classifier", width, len(config["id2label"]))


def random_tensors(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    """Weights by name, float32; each tensor has a generator of its own, seeded by its name, so that order is free."""
    tensors = {}
    for name, shape in shapes.items():
        draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
        if name.endswith("bias"):
            value = 0.2 * draw.standard_normal(shape)
        elif len(shape) == 1:
            value = draw.uniform(0.5, 1.5, shape)
        elif "embeddings." in name and "projection" not in name:
            value = 0.5 * draw.standard_normal(shape)
        else:
            # A few units wide, so that attention and classes differ between inputs.
            value = 1.5 * np.prod(shape[1:]) ** -0.5 * draw.standard_normal(shape)
        tensors[name] = value.astype(np.float32)
    return tensors


def word_tokenizer() -> Tokenizer:
    """WordPiece over TOKENS as BERT has it: lower case, pieces of words, a token in front and one behind."""
    numbers = {token: number for number, token in enumerate(TOKENS)}
    tokenizer = Tokenizer(models.WordPiece(vocab=numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])]
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def write_encoder(folder: Path, config: dict = BERT, tensors: dict[str, np.ndarray] | None = None) -> Path:
    """Writes a folder with a BERT or a RoBERTa; the tokenizer is WordPiece for both."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    word_tokenizer().save(str(folder / "tokenizer.json"))
    save_file(random_tensors(bert_shapes(config)) if tensors is None else tensors, folder / "model.safetensors")
    return folder


def write_vision(folder: Path, config: dict = VIT, tensors: dict[str, np.ndarray] | None = None) -> Path:
    """Writes a folder with a ViT and how it wants its images."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    save_file(random_tensors(vit_shapes(config)) if tensors is None else tensors, folder / "model.safetensors")
    return folder


def random_images(count: int = 2, config: dict = VIT, seed: int = 0) -> np.ndarray:
    """Images (count, height, width, channels) in [0, 1], float32."""
    shape = (count, config["image_size"], config["image_size"], config["num_channels"])
    return np.random.default_rng([seed, 1]).random(shape, np.float32)
