"""Decoders as a machine meets them: how many weights a step reads, and what a token leaves in the cache.

    grouped queries      2 g w numbers per token and layer           Ainslie et al., GQA, 2023 (arXiv 2305.13245)
    latent attention     r + rotary width, for all heads together    DeepSeek-AI, DeepSeek-V2, 2024 (arXiv 2405.04434)
    mixture of experts   E (1 - (1 - a / E)^b) distinct experts      b tokens, each with a of E experts

Cards of public models stand in `decoders.toml`; shapes alone, no weights. No JAX.
"""

import dataclasses
import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from models.hardware.sourced_number import check_keys, number, text
from photonics.catalogue import KINDS
from photonics.schema import nearest

FILE = Path(__file__).with_name("decoders.toml")
_Filled = TypeVar("_Filled")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupedQueryAttention:
    """Query heads in groups that share keys and values; as many groups as heads is attention as it first was.

    Attributes:
        heads, key_value_heads, head_width: h, g and w.
        window: tokens that a token sees in `windowed_layers` of the layers, itself included; 0 for all, everywhere.
        windowed_layers: layers with a window.
    """

    heads: int
    key_value_heads: int
    head_width: int
    window: int = 0
    windowed_layers: int = 0

    def weights(self, width: int) -> int:
        """Weights of one layer's four projections, d w (2 h + 2 g); biases left out."""
        return width * self.head_width * (2 * self.heads + 2 * self.key_value_heads)

    @property
    def output_inputs(self) -> int:
        """Inputs of the output projection, h w."""
        return self.heads * self.head_width

    @property
    def cached_numbers(self) -> int:
        """Numbers that one token leaves behind in one layer, 2 g w."""
        return 2 * self.key_value_heads * self.head_width

    def macs_per_pair(self, *, absorbed: bool = False) -> int:
        """Multiply-accumulates of scores and mix for one token and one token that it sees, 2 h w; nothing to absorb."""
        return 2 * self.heads * self.head_width


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention: keys and values of all heads are read from one short vector per token.

    Attributes:
        heads, head_width, value_width: heads, their width without rotary part, and the width of a value.
        query_rank, key_value_rank: lengths of the latent vectors of queries, and of keys and values, r.
        rotary_width: elements that carry the position, one vector for the keys of all heads.
    """

    heads: int
    query_rank: int
    key_value_rank: int
    head_width: int
    rotary_width: int
    value_width: int
    # No public model has both a latent cache and windows.
    window = windowed_layers = 0

    def weights(self, width: int) -> int:
        """Weights of one layer: queries down and up, keys and values down and up, output."""
        queries = self.query_rank * (width + self.heads * (self.head_width + self.rotary_width))
        down = width * (self.key_value_rank + self.rotary_width)
        up = self.key_value_rank * self.heads * (self.head_width + self.value_width)
        return queries + down + up + self.output_inputs * width

    @property
    def output_inputs(self) -> int:
        """Inputs of the output projection, heads times the width of a value."""
        return self.heads * self.value_width

    @property
    def cached_numbers(self) -> int:
        """Numbers that one token leaves behind in one layer, r + rotary width."""
        return self.key_value_rank + self.rotary_width

    def macs_per_pair(self, *, absorbed: bool = False) -> int:
        """Multiply-accumulates for a pair of tokens: keys and values unfolded (prefill), or in the latent space.

        unfolded     h (head + rotary + value)
        absorbed     h (2 r + rotary)              the up-projections of keys and values moved to queries and output
        """
        if absorbed:
            return self.heads * (2 * self.key_value_rank + self.rotary_width)
        return self.heads * (self.head_width + self.rotary_width + self.value_width)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experts:
    """Feed-forward blocks of which a router chooses a few for every token.

    Attributes:
        count, active: routed experts, E, and how many of them a token takes, a.
        width: length of the vector inside one.
        shared: experts that every token takes besides.
        dense_layers: first layers, which have one block instead.
    """

    count: int
    active: int
    width: int
    shared: int = 0
    dense_layers: int = 0

    def distinct(self, tokens: float) -> float:
        """Routed experts that at least one of so many tokens takes, expected where the router is even and independent.

            E (1 - (1 - a / E)^tokens)

        Real routers are uneven, which makes it an upper bound on the mean.
        """
        return self.count * (1.0 - (1.0 - self.active / self.count) ** tokens)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoder:
    """One model's shape. Feed-forward blocks are gated, three matrices each; norms, biases and rotary tables left out.

    Attributes:
        name, title, source, kind: where the sizes come from.
        layers, width, vocabulary: L, d and V.
        attention: of every layer.
        hidden_width: length of the vector inside a feed-forward block without experts; 0 where every layer has them.
        experts: of the layers behind `experts.dense_layers`, None for a dense model.
        tied_head: whether the output head is the transposed embedding.
        published_parameters, published_active_parameters: what the makers state, 0 for nothing.
    """

    name: str
    title: str
    source: str
    kind: str
    layers: int
    width: int
    vocabulary: int
    attention: GroupedQueryAttention | LatentAttention
    hidden_width: int = 0
    experts: Experts | None = None
    tied_head: bool = False
    published_parameters: float = 0.0
    published_active_parameters: float = 0.0

    @property
    def head_weights(self) -> int:
        """Weights of the output head, V d; read at every step, unlike the embedding, of which a token reads a row."""
        return self.vocabulary * self.width

    @property
    def parameters(self) -> int:
        """All weights: layers with every expert, embedding, and a head of its own where it has one."""
        tables = self.head_weights * (1 if self.tied_head else 2)
        everyone = self.experts.count if self.experts else 0
        return round(self._layer_weights(everyone)) + tables

    @property
    def active_parameters(self) -> int:
        """Weights that one token meets in products: layers with its own experts, and the head."""
        return round(self.weights_read(1))

    def weights_read(self, tokens: float) -> float:
        """Weights that one step of so many tokens reads once each: layers, head, and the experts that someone takes."""
        return self._layer_weights(self.experts.distinct(tokens) if self.experts else 0.0) + self.head_weights

    def cache_byte_per_token(self, bits: int = 16) -> float:
        """Keys and values of one token in all layers [byte]; windows do not make it less, they forget."""
        return self.layers * self.attention.cached_numbers * bits / 8

    def cache_byte(self, context: int, bits: int = 16) -> float:
        """Keys and values of one sequence of `context` tokens [byte]; a layer with a window keeps no more than that."""
        windowed = self.attention.windowed_layers
        tokens = (self.layers - windowed) * context + windowed * min(context, self.attention.window)
        return tokens * self.attention.cached_numbers * bits / 8

    @property
    def block_weights(self) -> int:
        """Weights of a feed-forward block without experts, three matrices of d x hidden width."""
        return 3 * self.width * self.hidden_width

    @property
    def expert_weights(self) -> int:
        """Weights of one expert, three matrices of d x its width; 0 for a dense model."""
        return 3 * self.width * self.experts.width if self.experts else 0

    def _layer_weights(self, routed: float) -> float:
        """Weights of all layers, with so many routed experts in each that has experts."""
        total = float(self.layers * self.attention.weights(self.width))
        if self.experts is None:
            return total + self.layers * self.block_weights
        mixed = self.layers - self.experts.dense_layers
        total += self.experts.dense_layers * self.block_weights
        total += mixed * self.expert_weights * (routed + self.experts.shared)
        return total + mixed * self.width * self.experts.count


@functools.cache
def decoders() -> Mapping[str, Decoder]:
    """The cards of `decoders.toml` by name, in its order."""
    document = tomllib.loads(FILE.read_text("utf-8"))
    return MappingProxyType({name: read_decoder(name, table) for name, table in document.items()})


def decoder(name: str) -> Decoder:
    """The card of that name; ValueError that says which there are."""
    if name not in decoders():
        near = nearest(name, decoders())
        raise ValueError(f"model {name!r} is not known; the nearest is {near!r} (there are {', '.join(decoders())})")
    return decoders()[name]


def read_decoder(name: str, table: Mapping[str, Any]) -> Decoder:
    """A card from a table of the file; ValueError that names the key for one that is unknown, missing or no size."""
    stated = ("parameters", "active_parameters")
    check_keys(name, table, ("title", "shape"), stated)
    shape = table["shape"]
    check_keys(f"{name}.shape", shape, ("source", "kind", "value"))
    if not isinstance(shape["value"], dict):
        raise ValueError(f"{name}.shape.value is {shape['value']!r}; it should be a table")
    sizes, where = dict(shape["value"]), f"{name}.shape.value"
    attention = sizes.get("attention", {})
    latent = isinstance(attention, dict) and "key_value_rank" in attention
    kind = LatentAttention if latent else GroupedQueryAttention
    sizes["attention"] = _filled(kind, f"{where}.attention", attention)
    if "experts" in sizes:
        sizes["experts"] = _filled(Experts, f"{where}.experts", sizes["experts"])
    words = {"name": name, "title": text(table, name, "title"), "kind": shape["kind"]}
    words |= {"source": text(shape, f"{name}.shape", "source")}
    counts = {f"published_{key}": number(table, name, key).value for key in stated if key in table}
    card = _filled(Decoder, where, {**words, **counts, **sizes})
    if card.kind not in KINDS:
        raise ValueError(f"{name}.shape.kind is {card.kind!r}; it should be one of {', '.join(KINDS)}")
    if not card.hidden_width and (card.experts is None or card.experts.dense_layers):
        raise ValueError(f"{where} lacks hidden_width, which its layers without experts need")
    return card


def _filled(kind: type[_Filled], where: str, table: Mapping[str, Any]) -> _Filled:
    if not isinstance(table, dict):
        raise ValueError(f"{where} is {table!r}; it should be a table")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # pyright: ignore[reportArgumentType]
    for key, value in table.items():
        if key not in fields:
            raise ValueError(f"unknown key {where}.{key}; the nearest is {nearest(key, fields)!r}")
        least = 1 if fields[key].default is dataclasses.MISSING else 0
        counts = fields[key].type is int
        if counts and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise ValueError(f"{where}.{key} is {value!r}; it should be a whole number from {least}")
        if fields[key].type is bool and not isinstance(value, bool):
            raise ValueError(f"{where}.{key} is {value!r}; it should be true or false")
    needed = [key for key, field in fields.items() if field.default is dataclasses.MISSING and key not in table]
    if needed:
        raise ValueError(f"{where} lacks {', '.join(needed)}")
    return kind(**table)
