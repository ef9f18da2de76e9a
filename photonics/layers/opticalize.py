"""Putting light under a model and steering it: which layers, which engine, which noise, which panels."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from photonics.cost import check_dynamic
from photonics.draws import stream
from photonics.engine import Engine
from photonics.layers.data_products import OpticalDataDot, find_data_products
from photonics.layers.optical_dot import OpticalDot, OpticalEinsum, Panel, value_of
from photonics.layers.seams import Seam, find_seams, place, unreachable
from photonics.loaded_panel import LoadedPanel, packed
from photonics.rules import Rule, as_arrays, assign, check_rules, engine_for


@dataclasses.dataclass(frozen=True)
class Report:
    """What `opticalize` did.

    Attributes:
        replaced: names of the layers now computed with light.
        digital: names of the layers that a rule, or the lack of one, left digital.
        unreachable: modules with weight matrices that have no seam, with their type.
    """

    replaced: tuple[str, ...]
    digital: tuple[str, ...]
    unreachable: tuple[str, ...]


def opticalize(
    model: nnx.Module,
    engine: Engine,
    *,
    rules: Sequence[Rule] | None = None,
    dynamic: Sequence[Rule] = (),
    rngs: nnx.Rngs,
) -> Report:
    """Compute the weight products of a flax nnx model with light, in place.

    `rules` are (pattern, engine or None) pairs; the first pattern found (`re.search`) in a layer's name decides, None
    keeps the layer digital, and layers that no rule names stay digital. Without rules every layer gets `engine`.
    Layers of a scanned stack are named under their own index, as `layers/17/mlp/down`, and may differ in values
    (laser power) or in structure. `dynamic` are such rules for products of data with data (`layers/17/attention/scores`
    and `.../mix`), which stay digital unless one names them; their engine must be fast enough to take an operand that
    changes at every call (`photonics.cost.check_dynamic`). Noise starts from `rngs.noise()`; see `reseed`. Raises
    ValueError for a rule that matches nothing, and for a model that has optical products already.
    """
    rules = [(r".*", engine)] if rules is None else list(rules)
    if optical_seams(model):
        raise ValueError("the model has optical products already: opticalize a fresh copy (nnx.clone before)")
    seams, data = find_seams(model), find_data_products(model) if dynamic else []
    check_rules(rules, [name for seam in seams for name in seam.names])
    check_rules(dynamic, [name for seam in data for name in seam.names])
    for _, chosen in dynamic:
        if chosen is not None:
            check_dynamic(chosen)
    root = rngs.noise()
    replaced: list[str] = []
    digital: list[str] = []
    for seam in seams:
        _install(seam, rules, root, OpticalDot, replaced, digital)
    for seam in data:
        _install(seam, dynamic, root, OpticalDataDot, replaced, [])
    return Report(tuple(replaced), tuple(digital), tuple(unreachable(model, seams)))


def _install(
    seam: Seam, rules: Sequence[Rule], root: Array, kind: type[OpticalDot], replaced: list[str], digital: list[str]
) -> None:
    """Put the product that the rules choose into one seam, and its names into one of the two lists."""
    engines = [engine_for(name, rules) for name in seam.names]
    for name, chosen in zip(seam.names, engines, strict=True):
        (digital if chosen is None else replaced).append(name)
    if all(chosen is None for chosen in engines):
        return
    places = _places(seam)
    keys = jax.vmap(lambda number: jax.random.fold_in(root, number))(places)
    stacked = seam.layers is not None
    own = (places, keys) if stacked else (places[0], keys[0])
    seam.install(kind(assign(engines, stacked), *own, stacked), OpticalEinsum)


def optical_seams(model: nnx.Module) -> list[Seam]:
    """The seams of a model that hold an optical product, those of data with data last."""
    return [seam for seam in (*find_seams(model), *find_data_products(model)) if seam.dot() is not None]


def reseed(model: nnx.Module, keys: Array) -> None:
    """Give every optical layer fresh keys, in place, and set its call counter to zero.

    `keys` are typed PRNG keys of shape (batch,), one per sequence of the next batch, or () for one key per call. Each
    layer folds in its own name, so no two layers share a draw and a draw depends on key, layer, call, tile, token and
    output only.
    """
    for seam in optical_seams(model):
        dot, places = seam.dot(), _places(seam)
        per_layer = jax.vmap(lambda number: stream(keys, number))(places)
        dot.keys.set_value(per_layer[0] if seam.layers is None else per_layer)
        dot.count.set_value(jnp.zeros(dot.instance[...].shape, jnp.uint32))


def refabricate(model: nnx.Module, key: Array) -> None:
    """Give every optical layer another fabricated engine, in place: all fixed errors are drawn again from `key`.

    Loaded panels are dropped, because they hold the errors of the engines before; ranges stay. A Monte Carlo over
    machines calls this with one key per machine; nothing compiles again.
    """
    unload_panels(model)
    for seam in optical_seams(model):
        dot, places = seam.dot(), _places(seam)
        numbers = jax.vmap(lambda number: jax.random.bits(stream(key, number), dtype=jnp.uint32))(places)
        dot.instance.set_value(numbers[0] if seam.layers is None else numbers)


def set_engine(model: nnx.Module, engine: Engine) -> None:
    """Give every optical layer the values of `engine`, in place and without compiling again.

    Raises ValueError where the structure (bits, shapes, switches) of a layer's engine differs. Loaded panels stay:
    load them again after a change that the panel itself shows (residuals, responses, extinction, crosstalk, age).
    """
    values = as_arrays(engine)
    for seam in optical_seams(model):
        for hardware in seam.dot().hardware:
            held = hardware.get_value()
            if jax.tree.structure(held) != jax.tree.structure(values):
                raise ValueError(
                    f"{seam.names[0]} was made for another structure (bits, shapes or switches) than engine "
                    f"{engine.name!r}: opticalize again"
                )
            hardware.set_value(jax.tree.map(lambda new, old: jnp.broadcast_to(new, old.shape), values, held))


def load_panels(model: nnx.Module) -> None:
    """Encode all weights onto their panels now, in place, so that calls do not; for inference.

    Kernels are not read any more until `unload_panels`, so training would not see them.
    """
    for seam in optical_seams(model):
        dot, weights = seam.dot(), None if isinstance(seam.dot(), OpticalDataDot) else seam.weights()
        if weights is None:
            continue
        for index, hardware in enumerate(dot.hardware):
            operands = (hardware.get_value(), weights, dot.instance[...], value_of(dot.ranges[index]))
            panel = _load(*operands) if seam.layers is None else _load_stack(operands)
            dot.panels[index] = nnx.data(Panel(panel))


def unload_panels(model: nnx.Module) -> None:
    """Read kernels at every call again, in place."""
    for seam in optical_seams(model):
        dot = seam.dot()
        dot.panels = nnx.List([nnx.data(None) for _ in dot.panels])


@jax.jit
def _load(engine: Engine, w: Array, instance: Array, ranges: tuple[Array, Array] | None) -> LoadedPanel:
    return engine.load_panel(w, instance=instance, ranges=ranges)


@jax.jit
def _load_stack(operands: tuple[Engine, Array, Array, tuple[Array, Array] | None]) -> LoadedPanel:
    return jax.lax.map(lambda one: packed(_load(*one)), operands)


def _places(seam: Seam) -> Array:
    return jnp.asarray([place(name) for name in seam.names], jnp.uint32)
