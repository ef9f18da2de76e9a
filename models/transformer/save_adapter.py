"""Low-rank adapters (LoRA) kept apart from the model, in the layout of the PEFT library.

    DIR/adapter_model.safetensors   lora_A (rank, in) and lora_B (out, rank) of each adapted product
    DIR/adapter_config.json         rank, alpha, targets; written last

Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from models.transformer.checkpoint import Place, places
from models.transformer.config import TransformerConfig
from models.transformer.fields import Fields
from models.transformer.huggingface import read_json
from models.transformer.safetensors_file import write_safetensors
from models.transformer.save_huggingface import write_together

Adapters = Mapping[str, Mapping[str, Any]]

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_PREFIX = "base_model.model."
_FACTORS = {"a": ".lora_A.weight", "b": ".lora_B.weight"}


def save_adapter(
    folder: Path,
    adapters: Adapters,
    config: TransformerConfig,
    *,
    alpha: float,
    base: str = "",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes {layer name: {"a": (in, rank), "b": (rank, out)}}, which add to the kernel W (in, out) of that product

        W + alpha / rank * a @ b

    Names are those of the modules: `layers/mlp/down` for all layers, with a leading layer axis in both factors,
    `layers/17/mlp/down` for one of them, `head` for the output head (a tied one too: the embedding stays as it is).
    The rank is that of the factors and must be the same everywhere. `base` names the model that is adapted, a folder or
    a name, for readers that look for it; `metadata` are texts for the header. Files are float32 and appear together or
    not at all. ValueError for names or shapes that do not fit the configuration, several ranks, no adapters, an alpha
    that is not a finite number, or values that are not finite. Left out: biases, dropout, scaling by 1 / sqrt(rank).
    """
    found: dict[str, tuple[Place, np.ndarray]] = {}
    for name, factors in adapters.items():
        if set(factors) != set(_FACTORS):
            raise ValueError(f"the adapter of {name} must have the factors a and b, not {', '.join(sorted(factors))}")
        for place, layer, pick in _resolved(name, config):
            module = _module(place, layer)
            for factor, ending in _FACTORS.items():
                key = _PREFIX + module + ending
                if key in found:
                    raise ValueError(f"{name} adapts a product that another name adapts as well: {module}")
                found[key] = (place, np.asarray(pick(factors[factor])).T)
    rank = _rank({key: value.shape for key, (_, value) in found.items()})
    for key, (place, value) in found.items():
        _check_shape(key, value.shape, place, config, rank)
    stated = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": _finite(alpha),
        "lora_dropout": 0.0,
        "target_modules": _targets(list(found), config),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "use_rslora": False,
    }
    tensors = {key: ("float32", value.shape) for key, (_, value) in found.items()}
    contents: dict[str, Callable[[Path], object]] = {
        _WEIGHTS: lambda path: write_safetensors(path, tensors, lambda key: found[key][1], metadata or {}),
        _CONFIG: functools.partial(Path.write_bytes, data=(json.dumps(stated, indent=2) + "\n").encode()),
    }
    write_together(folder, contents, (_WEIGHTS, _CONFIG))


def load_adapter(folder: Path, config: TransformerConfig) -> tuple[dict[str, dict[str, np.ndarray]], float]:
    """Adapters and alpha as `save_adapter` takes them; a product that all layers adapt has a leading layer axis.

    ValueError for files that are missing, damaged, of another method or of a model of another shape.
    """
    fields = _plain_lora(folder)
    modules = {_module(place, layer): (place, layer) for place, layer in _adaptable(config)}
    factors: dict[Place, dict[int, dict[str, np.ndarray]]] = {}
    try:
        stored = load_file(folder / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{folder / _WEIGHTS} cannot be read: {error}") from error
    for key, tensor in stored.items():
        factor = next((each for each, ending in _FACTORS.items() if key.endswith(ending)), None)
        module = key.removeprefix(_PREFIX).removesuffix(_FACTORS.get(factor or "", ""))
        if factor is None or module not in modules:
            raise ValueError(f"{folder / _WEIGHTS} holds {key!r}, which adapts nothing in this model")
        place, layer = modules[module]
        value = np.asarray(tensor, dtype=np.float32)
        _check_shape(key, value.shape, place, config, fields.integer("r"))
        factors.setdefault(place, {}).setdefault(layer, {})[factor] = np.ascontiguousarray(value.T)
    return _named(factors, config, folder), fields.number("lora_alpha")


def _resolved(name: str, config: TransformerConfig) -> list[tuple[Place, int, Callable[[Any], Any]]]:
    """The stored matrices that a name adapts, with what takes the factor of each from that of the name."""
    one = re.fullmatch(r"layers/(\d+)/(.+)", name)
    path = tuple((f"layers/{one[2]}" if one else name).split("/"))
    place = next((place for place, _ in _adaptable(config) if place.path[:-1] == path), None)
    if place is None or (one and int(one[1]) >= config.layers):
        known = sorted({"/".join(place.path[:-1]) for place, _ in _adaptable(config)})
        raise ValueError(f"{name} is no product of a model with {config.layers} layers; there are {', '.join(known)}")
    if one or not place.stacked:
        return [(place, int(one[1]) if one else 0, lambda value: value)]

    def slice_of(layer: int) -> Callable[[Any], Any]:
        def pick(value: Any) -> Any:
            if np.shape(value)[:1] != (config.layers,):
                raise ValueError(f"the factors of {name} must lead with {config.layers} layers, not {np.shape(value)}")
            return value[layer]

        return pick

    return [(place, layer, slice_of(layer)) for layer in range(config.layers)]


def _adaptable(config: TransformerConfig) -> list[tuple[Place, int]]:
    """Every stored matrix that a product multiplies with; a tied head counts, though nothing is stored for it."""
    untied = dataclasses.replace(config, tied_head=False)
    kernels = [place for place in places(untied) if place.transposed]
    return [(place, layer) for place in kernels for layer in range(config.layers if place.stacked else 1)]


def _module(place: Place, layer: int) -> str:
    return place.name("huggingface", layer).removesuffix(".weight")


def _rank(shapes: Mapping[str, tuple[int, ...]]) -> int:
    ranks = {shape[0] if key.endswith(_FACTORS["a"]) else shape[-1] for key, shape in shapes.items() if shape}
    if len(ranks) != 1 or 0 in ranks:
        raise ValueError(f"all adapters must have the same rank of at least 1; found {sorted(ranks) or 'none'}")
    return ranks.pop()


def _check_shape(key: str, shape: tuple[int, ...], place: Place, config: TransformerConfig, rank: int) -> None:
    outputs, inputs = place.shape(config)
    expected = (rank, inputs) if key.endswith(_FACTORS["a"]) else (outputs, rank)
    if shape != expected:
        raise ValueError(f"the factor {key} has the shape {shape} instead of {expected}")


def _finite(alpha: float) -> float:
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not np.isfinite(alpha):
        raise ValueError(f"alpha of the adapters must be a finite number, not {alpha!r}")
    return alpha


def _targets(keys: list[str], config: TransformerConfig) -> list[str]:
    """Last names of the modules where all layers are adapted, full names elsewhere, as PEFT matches them."""
    modules = {key.removeprefix(_PREFIX).rsplit(".lora_", 1)[0] for key in keys}
    names = set()
    for place, _ in _adaptable(config):
        own = {_module(place, layer) for layer in range(config.layers if place.stacked else 1)}
        whole = own <= modules
        names |= {module.rsplit(".", 1)[-1] if whole else module for module in own & modules}
    return sorted(names)


def _plain_lora(folder: Path) -> Fields:
    """The fields of an adapter_config.json that asks for nothing beyond W + alpha / rank * a @ b."""
    if not (folder / _CONFIG).is_file():
        raise ValueError(f"the adapter folder {folder} has no {_CONFIG}")
    values = read_json(folder / _CONFIG)
    for name, plain in (("peft_type", "LORA"), ("bias", "none"), ("use_rslora", False), ("use_dora", False)):
        if values.get(name, plain) != plain:
            raise ValueError(f"{name} in {folder / _CONFIG} is {values[name]!r}; only {plain!r} is supported")
    for name in ("rank_pattern", "alpha_pattern", "modules_to_save"):
        if values.get(name):
            raise ValueError(f"{name} in {folder / _CONFIG} is not empty, which is not supported")
    return Fields(values, str(folder / _CONFIG), "an adapter")


def _named(
    factors: Mapping[Place, Mapping[int, Mapping[str, np.ndarray]]], config: TransformerConfig, folder: Path
) -> dict[str, dict[str, np.ndarray]]:
    result = {}
    for place, layers in factors.items():
        for layer, pair in layers.items():
            if len(pair) != len(_FACTORS):
                raise ValueError(f"{folder / _WEIGHTS} holds one factor only of {_module(place, layer)}")
        path = "/".join(place.path[:-1])
        if not place.stacked:
            result[path] = dict(layers[0])
        elif len(layers) == config.layers:
            result[path] = {each: np.stack([layers[i][each] for i in range(config.layers)]) for each in _FACTORS}
        else:
            for layer in sorted(layers):
                result[path.replace("layers", f"layers/{layer}", 1)] = dict(layers[layer])
    return result
