"""Names, shapes and order of the stored tensors of a Llama-type model, and the parameters they become.

A stored matrix has the axes (out, in); a linear layer's kernel has (in, out), and the kernels of all layers are one
array (layers, in, out). GGUF files of the architecture `llama` keep the query and key rows of a head in the order of
neighbouring rotary pairs; here, as in all other files, element j pairs with element j + head_width / 2.
"""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tokenizers import Tokenizer

from models.transformer.config import TransformerConfig

Format = Literal["gguf", "huggingface"]
ParamPath = tuple[str, ...]

# Buffers that follow from the configuration, or are part of it.
_IGNORED_ENDINGS = (".rotary_emb.inv_freq", "rope_freqs.weight")

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
    """Number of heads whose rows may be stored in pair order; None for tensors that are not rotated."""
    present: Callable[[TransformerConfig], bool] = lambda c: True
    """Whether a model of this configuration has the parameter."""

    def name(self, kind: Format, layer: int) -> str:
        """Name of the stored tensor, of one layer if it belongs to the layers."""
        return getattr(self, kind).format(layer)

    @property
    def stacked(self) -> bool:
        """Whether the parameter has a leading layer axis."""
        return self.path[0] == "layers"

    @property
    def is_matrix(self) -> bool:
        """Whether the parameter is the weight of a product or the embedding, and no norm or bias."""
        return self.path[-1] in ("kernel", "embedding")

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
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """The metadata of the GGUF file, or the `config.json` of the folder."""
    rotary_pairs: bool = False
    """Whether query and key rows are stored in the order of neighbouring rotary pairs."""

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 (hexadecimal) of the bytes of the weight files, one after the other in the order of their names."""
        return sha256_of(self.weight_files)


def sha256_of(files: Iterable[Path]) -> str:
    """SHA-256 (hexadecimal) of the bytes of several files, one after the other in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(files):
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


def _bias(place: Place, present: Callable[[TransformerConfig], bool]) -> Place:
    """The bias of a matrix: one number per output."""
    return dataclasses.replace(
        place,
        path=(*place.path[:-1], "bias"),
        gguf=place.gguf.replace(".weight", ".bias"),
        huggingface=place.huggingface.replace(".weight", ".bias"),
        shape=lambda c: place.shape(c)[:1],
        present=present,
    )


def _norm(path: str, gguf: str, huggingface: str) -> Place:
    return Place(
        path=("layers", *path.split("/"), "scale"),
        gguf=f"blk.{{}}.{gguf}.weight",
        huggingface=f"model.layers.{{}}.{huggingface}.weight",
        shape=lambda c: (c.width,),
    )


def _head_norm(path: str, gguf: str, huggingface: str) -> Place:
    """The norm of each head's query or key; its scale is shared by all heads."""
    return dataclasses.replace(
        _norm(path, gguf, huggingface), shape=lambda c: (c.head_width,), present=lambda c: c.query_key_norm
    )


_EMBEDDING = Place(
    path=("embed", "embedding"),
    gguf="token_embd.weight",
    huggingface="model.embed_tokens.weight",
    shape=lambda c: (c.vocabulary, c.width),
)
_QUERY = _matrix(
    *("attention/query", "attn_q", "self_attn.q_proj"),
    lambda c: (c.heads * c.head_width, c.width),
    lambda c: c.heads,
)
_KEY = _matrix(
    *("attention/key", "attn_k", "self_attn.k_proj"),
    lambda c: (c.key_value_heads * c.head_width, c.width),
    lambda c: c.key_value_heads,
)
_VALUE = _matrix(
    *("attention/value", "attn_v", "self_attn.v_proj"), lambda c: (c.key_value_heads * c.head_width, c.width)
)
_OUTPUT = _matrix(*("attention/output", "attn_output", "self_attn.o_proj"), lambda c: (c.width, c.heads * c.head_width))
_PLACES = (
    _EMBEDDING,
    _norm("attention_norm", "attn_norm", "input_layernorm"),
    *(_QUERY, _KEY, _VALUE, _OUTPUT),
    *(_bias(place, lambda c: c.query_key_value_bias) for place in (_QUERY, _KEY, _VALUE)),
    _bias(_OUTPUT, lambda c: c.output_bias),
    _head_norm("attention/query_norm", "attn_q_norm", "self_attn.q_norm"),
    _head_norm("attention/key_norm", "attn_k_norm", "self_attn.k_norm"),
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
    Place(
        path=("head", "kernel"),
        gguf="output.weight",
        huggingface="lm_head.weight",
        shape=lambda c: (c.vocabulary, c.width),
        present=lambda c: not c.tied_head,
    ),
)

EMBEDDING_NAME: dict[Format, str] = {"gguf": _EMBEDDING.gguf, "huggingface": _EMBEDDING.huggingface}


def places(config: TransformerConfig) -> tuple[Place, ...]:
    """Every parameter of a model of this shape; a tied head has none of its own."""
    return tuple(place for place in _PLACES if place.present(config))


def stored_shapes(config: TransformerConfig, kind: Format) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that a file of this kind must hold for this configuration, and no others."""
    return {
        place.name(kind, layer): place.shape(config)
        for place in places(config)
        for layer in range(config.layers if place.stacked else 1)
    }


def check_tensors(checkpoint: Checkpoint) -> None:
    """One ValueError that lists every tensor that is missing, unexpected or of another shape, if there is any."""
    found = {name: shape for name, shape in checkpoint.shapes.items() if not name.endswith(_IGNORED_ENDINGS)}
    config = checkpoint.config
    check_fit(checkpoint.path, config.layers, found, lambda: stored_shapes(config, checkpoint.kind))


def check_fit(
    path: Path,
    layers: int,
    found: Mapping[str, tuple[int, ...]],
    expectation: Callable[[], Mapping[str, tuple[int, ...]]],
) -> None:
    """One ValueError that lists how the tensors found at `path` differ from the names and shapes expected, if they do.

    `expectation` is asked only where there are as many tensors as layers: a damaged number may be of any size.
    """
    if layers > len(found):
        raise ValueError(f"{path} states {layers} layers, but its files hold {len(found)} tensors in all")
    expected = expectation()
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
        raise ValueError(f"the tensors in {path} do not fit its configuration; {'; '.join(listed)}")


def _shortened(names: list[str]) -> str:
    rest = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest


def read_parameters(
    checkpoint: Checkpoint, matrix_dtype: np.typing.DTypeLike = np.float32
) -> Iterator[tuple[ParamPath, np.ndarray]]:
    """Each parameter's path and value in the model's own layout, one at a time to bound the memory.

    Matrices (the embedding too) are rounded to `matrix_dtype`, everything else is float32. The arrays lie on addresses
    that JAX takes over without a copy, and nobody else writes to them.
    """
    for place in places(checkpoint.config):
        stored = place.shape(checkpoint.config)
        shape = stored[::-1] if place.transposed else stored
        dtype = np.dtype(matrix_dtype if place.is_matrix else np.float32)
        if not place.stacked:
            value = _empty(shape, dtype)
            value[...] = _arranged(checkpoint, place, 0)
        else:
            value = _empty((checkpoint.config.layers, *shape), dtype)
            for layer in range(checkpoint.config.layers):
                value[layer] = _arranged(checkpoint, place, layer)
        yield place.path, value


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array that begins at a multiple of 64 bytes, which is what XLA demands of the arrays of a CPU."""
    size_byte = math.prod(shape) * dtype.itemsize
    raw = np.empty(size_byte + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size_byte].view(dtype).reshape(shape)


def _arranged(checkpoint: Checkpoint, place: Place, layer: int) -> np.ndarray:
    """One stored tensor in the model's order of rows and axes."""
    name = place.name(checkpoint.kind, layer)
    value = checkpoint.read(name)
    # Both ends are numbers only where all are: no array of truths as large as the tensor.
    if value.size and not (np.isfinite(value.min()) and np.isfinite(value.max())):
        raise ValueError(f"tensor {name!r} in {checkpoint.path} holds values that are not finite; download it again")
    if place.rotary_heads is not None and checkpoint.rotary_pairs:
        value = halves_from_pairs(value, place.rotary_heads(checkpoint.config))
    return value.T if place.transposed else value


def halves_from_pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows (heads * head_width, ...) from neighbouring rotary pairs to half-split order, within each head.

    Row 2 j + p of a head becomes row j + p * head_width / 2, for p = 0, 1.
    """
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, -1)
    return pairs.swapaxes(1, 2).reshape(rows.shape)
