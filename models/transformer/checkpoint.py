"""Names, shapes and order of the stored tensors of a Llama-type model, and the parameters they become.

A stored matrix has the axes (out, in); a linear layer's kernel has (in, out), and the kernels of all layers are one
array (layers, in, out). GGUF files keep the query and key rows of a head in the order of neighbouring rotary pairs;
here, as in Hugging Face files, element j pairs with element j + head_width / 2.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from tokenizers import Tokenizer

from models.transformer.config import TransformerConfig

Format = Literal["gguf", "huggingface"]
ParamPath = tuple[str, ...]

# Buffers that older checkpoints store and that follow from the configuration.
_IGNORED_ENDINGS = (".rotary_emb.inv_freq",)

_LISTED = 8
"""How many names of one kind an error lists before it only counts them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """One parameter of the model, and the tensor (one per layer, if `{}` is in its name) that it comes from."""

    path: ParamPath
    gguf: str
    huggingface: str
    shape: Callable[[TransformerConfig], tuple[int, ...]]
    """Shape of one stored tensor."""
    rotary_heads: Callable[[TransformerConfig], int] | None = None
    """Number of heads whose rows GGUF stores in pair order; None for other tensors."""

    def name(self, kind: Format, layer: int) -> str:
        """Name of the stored tensor, of one layer if it belongs to the layers."""
        return getattr(self, kind).format(layer)

    @property
    def stacked(self) -> bool:
        """Whether the parameter has a leading layer axis."""
        return self.path[0] == "layers"

    @property
    def transposed(self) -> bool:
        """Whether the parameter is a kernel (in, out) and the stored tensor is (out, in)."""
        return self.path[-1] == "kernel"


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A stored model whose files are whole: its shape, its tokenizer, and its tensors, read on demand."""

    path: Path
    """The folder or the file."""
    kind: Format
    config: TransformerConfig
    tokenizer: Tokenizer = dataclasses.field(repr=False)
    shapes: Mapping[str, tuple[int, ...]] = dataclasses.field(repr=False)
    read: Callable[[str], np.ndarray] = dataclasses.field(repr=False)
    """One tensor by name, as float32 in its stored shape."""
    weight_files: tuple[Path, ...]

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 (hexadecimal) of the bytes of the weight files, one after the other in the order of their names."""
        digest = hashlib.sha256()
        for file in sorted(self.weight_files):
            with file.open("rb") as stream:
                while chunk := stream.read(1 << 22):
                    digest.update(chunk)
        return digest.hexdigest()


def _matrix(path: str, gguf: str, huggingface: str, shape: Callable, rotary_heads: Callable | None = None) -> Place:
    return Place(
        path=("layers", *path.split("/"), "kernel"),
        gguf=f"blk.{{}}.{gguf}.weight",
        huggingface=f"model.layers.{{}}.{huggingface}.weight",
        shape=shape,
        rotary_heads=rotary_heads,
    )


def _norm(path: str, gguf: str, huggingface: str) -> Place:
    return Place(
        path=("layers", path, "scale"),
        gguf=f"blk.{{}}.{gguf}.weight",
        huggingface=f"model.layers.{{}}.{huggingface}.weight",
        shape=lambda c: (c.width,),
    )


_PLACES = (
    Place(
        path=("embed", "embedding"),
        gguf="token_embd.weight",
        huggingface="model.embed_tokens.weight",
        shape=lambda c: (c.vocabulary, c.width),
    ),
    _norm("attention_norm", "attn_norm", "input_layernorm"),
    _matrix(
        "attention/query",
        "attn_q",
        "self_attn.q_proj",
        lambda c: (c.heads * c.head_width, c.width),
        lambda c: c.heads,
    ),
    _matrix(
        "attention/key",
        "attn_k",
        "self_attn.k_proj",
        lambda c: (c.key_value_heads * c.head_width, c.width),
        lambda c: c.key_value_heads,
    ),
    _matrix("attention/value", "attn_v", "self_attn.v_proj", lambda c: (c.key_value_heads * c.head_width, c.width)),
    _matrix("attention/output", "attn_output", "self_attn.o_proj", lambda c: (c.width, c.heads * c.head_width)),
    _norm("mlp_norm", "ffn_norm", "post_attention_layernorm"),
    _matrix("mlp/gate", "ffn_gate", "mlp.gate_proj", lambda c: (c.hidden_width, c.width)),
    _matrix("mlp/up", "ffn_up", "mlp.up_proj", lambda c: (c.hidden_width, c.width)),
    _matrix("mlp/down", "ffn_down", "mlp.down_proj", lambda c: (c.width, c.hidden_width)),
    Place(
        path=("final_norm", "scale"),
        gguf="output_norm.weight",
        huggingface="model.norm.weight",
        shape=lambda c: (c.width,),
    ),
)

_UNTIED_HEAD = Place(
    path=("head", "kernel"),
    gguf="output.weight",
    huggingface="lm_head.weight",
    shape=lambda c: (c.vocabulary, c.width),
)

UNTIED_HEAD_NAME: dict[Format, str] = {"gguf": _UNTIED_HEAD.gguf, "huggingface": _UNTIED_HEAD.huggingface}
EMBEDDING_NAME: dict[Format, str] = {"gguf": _PLACES[0].gguf, "huggingface": _PLACES[0].huggingface}


def places(config: TransformerConfig) -> tuple[Place, ...]:
    """Every parameter of a model of this shape; a tied head has none of its own."""
    return _PLACES if config.tied_head else (*_PLACES, _UNTIED_HEAD)


def stored_shapes(config: TransformerConfig, kind: Format) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that a file of this kind must hold for this configuration, and no others."""
    return {
        place.name(kind, layer): place.shape(config)
        for place in places(config)
        for layer in range(config.layers if place.stacked else 1)
    }


def check_tensors(checkpoint: Checkpoint) -> None:
    """One ValueError that lists every tensor that is missing, unexpected or of another shape, if there is any."""
    expected = stored_shapes(checkpoint.config, checkpoint.kind)
    found = {name: shape for name, shape in checkpoint.shapes.items() if not name.endswith(_IGNORED_ENDINGS)}
    complaints = {
        "missing": [name for name in expected if name not in found],
        "not expected": [name for name in found if name not in expected],
        "wrong shape": [
            f"{name} {found[name]} instead of {shape}"
            for name, shape in expected.items()
            if name in found and found[name] != shape
        ],
    }
    listed = [f"{label}: {_shortened(names)}" for label, names in complaints.items() if names]
    if listed:
        raise ValueError(f"the tensors in {checkpoint.path} do not fit its configuration; {'; '.join(listed)}")


def _shortened(names: list[str]) -> str:
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest


def read_parameters(checkpoint: Checkpoint) -> Iterator[tuple[ParamPath, np.ndarray]]:
    """Each parameter's path and float32 value in the model's own layout, one at a time to bound the memory."""
    config = checkpoint.config
    for place in places(config):
        if not place.stacked:
            yield place.path, _arranged(checkpoint, place, 0)
            continue
        stored = place.shape(config)
        stack = np.empty((config.layers, *(stored[::-1] if place.transposed else stored)), dtype=np.float32)
        for layer in range(config.layers):
            stack[layer] = _arranged(checkpoint, place, layer)
        yield place.path, stack


def _arranged(checkpoint: Checkpoint, place: Place, layer: int) -> np.ndarray:
    """One stored tensor in the model's order of rows and axes."""
    value = checkpoint.read(place.name(checkpoint.kind, layer))
    if place.rotary_heads is not None and checkpoint.kind == "gguf":
        value = halves_from_pairs(value, place.rotary_heads(checkpoint.config))
    return value.T if place.transposed else value


def halves_from_pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows (heads * head_width, in) from neighbouring rotary pairs to half-split order, within each head.

    Row 2 j + p of a head becomes row j + p * head_width / 2, for p = 0, 1.
    """
    pairs = rows.reshape(heads, -1, 2, rows.shape[-1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)
