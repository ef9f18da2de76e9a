"""Learned allocation of light: a laser power for every layer, under a budget of energy per token that is always met.

    E = E_0 + sum_l e_l p_l                     energy per token [J] of laser powers p_l [W]
    p_l = (B - E_0) softmax(theta)_l / e_l      spends the budget B [J] for every theta

e_l and E_0 are not written down here: they are differences of what the engine's own cost function gives
(`photonics.cost`), so that a change there is one here. theta is trained by gradient, which the counts of electrons let
through (`photonics.gradients`). theta = ln e_l + constant gives every layer the same power.

No source gives more than its limit P. Layers that would get more get P, and what they leave goes to the others in their
own proportions, until none is above:

    e_l p_l = min(e_l P, t exp(theta_l)),       t such that the sum is B - E_0

This is the water-filling of parallel channels (Cover and Thomas, Elements of Information Theory, 2nd ed., section 9.4)
with a lid in place of a floor. A layer at its lid gets no gradient of its own. Shares of noise between the layers of
an analogue machine are set per layer in Garg et al., Dynamic Precision Analog Computing for Neural Networks, 2021
(arXiv 2102.06365), by repeated passes; here it is light.

The deployment is `resident`: each layer has engines of its own, whose lasers can differ. They are on while the layer's
vectors are shown, over `system.utilisation`; for a call that shows equally many vectors to every layer this is the
energy that `Engine.cost` gives to the whole. Left out: waiting of layers that see fewer vectors than others (the head
of a prefill that asks for the last token only); panels that are reloaded, where one laser serves many layers in turn;
repetitions of a pass, which are whole numbers and part of the structure; products of data with data in light.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from photonics.engine import Engine
from photonics.layers import LayerRecord
from photonics.layers.data_products import find_data_products
from photonics.layers.seams import Seam, find_seams
from photonics.rules import Rule
from photonics.work import Contraction, Work

PerLayer = dict[str, Array]
"""One number per optical layer: (layers,) of a stack or (), by the path of the seam, as "layers/mlp/down"."""

# Costs are sums of float64 and float32 parts; a straight line through two of them hits a third one this closely.
_STRAIGHT = 1e-5


@dataclasses.dataclass(frozen=True)
class LightCosts:
    """What light costs in each layer of a model.

    Attributes:
        names: names of the layers of each seam, by its path.
        energy_j_per_w: e, energy per token of one watt of every source of a layer's engines; (layers,) or (), and 0 for
            layers that are digital [J/W].
        dark_energy_j: energy per token of a layer's engines without light: thresholds, receivers, converters, panels;
            same shapes [J].
        digital_energy_j: energy per token of everything that no panel computes [J].
        power_max_w: P, what one source can give [W].
    """

    names: dict[str, tuple[str, ...]]
    energy_j_per_w: dict[str, np.ndarray]
    dark_energy_j: dict[str, np.ndarray]
    digital_energy_j: float
    power_max_w: float

    @property
    def fixed_energy_j(self) -> float:
        """E_0: energy per token with all lasers at no power above threshold [J]."""
        return self.digital_energy_j + math.fsum(float(np.sum(dark)) for dark in self.dark_energy_j.values())

    @property
    def largest_energy_j(self) -> float:
        """Energy per token with every source at its limit [J]."""
        return self.energy_j(dict.fromkeys(self.names, self.power_max_w))

    def energy_j(self, powers: Mapping[str, Any]) -> float:
        """Energy per token of laser powers [W] by the path of a seam, numbers or one per layer [J]."""
        parts = [float(np.sum(each * np.asarray(powers[path]))) for path, each in self.energy_j_per_w.items()]
        return self.fixed_energy_j + math.fsum(parts)


def light_costs(model: nnx.Module, engine: Engine, work: Work, tokens: int) -> LightCosts:
    """What light costs in each layer of an opticalized model, per token of `work` that is `tokens` tokens.

    `work` is that of a call of the model (`photonics.count_contractions`); its weight products have the names of the
    layers. `engine` is the machine of all optical layers, its own laser power does not matter. Raises ValueError for
    a model without optical products, or with optical products of data; for a layer that the work does not know; and
    for an engine whose cost is no straight line in its laser power, or does not depend on it.
    """
    if any(seam.dot() is not None for seam in find_data_products(model)):
        raise ValueError("light is allocated between layers with weights: keep products of data with data digital")
    seams = [seam for seam in find_seams(model) if seam.dot() is not None]
    if not seams:
        raise ValueError("the model has no optical products: opticalize it first")
    price, records = _prices(engine), _by_name(work)
    known: dict[str, tuple[float, float]] = {}
    for seam in seams:
        for name in _lit(seam):
            if name not in records:
                raise ValueError(f"the work has no product of layer {name}: count a call of this model")
            known[name] = price(records[name])
    digital = work.expand().select(lambda one: not one.weights or one.name not in known)

    def column(seam: Seam, index: int) -> np.ndarray:
        values = [known[name][index] / tokens if name in known else 0.0 for name in seam.names]
        return np.asarray(values if seam.layers is not None else values[0], np.float64)

    return LightCosts(
        names={seam.stack_name: seam.names for seam in seams},
        energy_j_per_w={seam.stack_name: column(seam, 0) for seam in seams},
        dark_energy_j={seam.stack_name: column(seam, 1) for seam in seams},
        digital_energy_j=_digital_energy_j(engine, digital) / tokens,
        power_max_w=float(engine.power_max_w),
    )


def uniform(costs: LightCosts) -> PerLayer:
    """theta that gives every layer the same power, whatever the budget: ln(e_l / sum e); 0 for digital layers."""
    total = math.fsum(float(np.sum(each)) for each in costs.energy_j_per_w.values())
    return {
        path: jnp.asarray(np.log(np.where(each > 0.0, each, total) / total), jnp.float32)
        for path, each in costs.energy_j_per_w.items()
    }


def powers_w(theta: PerLayer, costs: LightCosts, energy_per_token_j: float) -> PerLayer:
    """Laser power of every layer [W], same shapes as theta, that together spend the budget; 0 for digital layers.

    Differentiable with respect to theta, and no compilation reads its values; costs and budget are constants. Raises
    ValueError where the budget is not above E_0, is above what the sources can spend, or theta has other layers.
    """
    if {path: jnp.shape(value) for path, value in theta.items()} != {
        path: each.shape for path, each in costs.energy_j_per_w.items()
    }:
        raise ValueError(f"theta has to have one number for each layer of {', '.join(costs.energy_j_per_w)}")
    light_j = _light_budget_j(costs, energy_per_token_j)
    each = np.concatenate([np.ravel(one) for one in costs.energy_j_per_w.values()])
    flat = jnp.concatenate([jnp.ravel(theta[path]) for path in costs.energy_j_per_w])
    lit = np.flatnonzero(each > 0.0)
    # In shares of the budget: joules per token are too small for the squares that derivatives take.
    lids = jnp.asarray(each[lit] * costs.power_max_w / light_j, jnp.float32)
    watts = jnp.asarray(light_j / each[lit], jnp.float32)
    powers = jnp.zeros(each.shape, jnp.float32).at[lit].set(_shares(flat[lit], lids) * watts)
    ends = np.cumsum([one.size for one in costs.energy_j_per_w.values()])[:-1]
    pieces = zip(costs.energy_j_per_w.items(), jnp.split(powers, ends), strict=True)
    return {path: piece.reshape(one.shape) for (path, one), piece in pieces}


def scaled(powers: PerLayer, factor: float | Array) -> PerLayer:
    """All laser powers times a factor, as for another operating point of the whole machine."""
    return {path: factor * power for path, power in powers.items()}


def install(model: nnx.Module, powers: PerLayer) -> None:
    """Give every optical layer its laser power [W], in place and without compiling again; inside jit as well.

    Loaded panels and ranges stay: neither depends on the laser power. Raises ValueError for a path that is no optical
    seam, and for an optical seam without powers.
    """
    seams = {seam.stack_name: seam for seam in find_seams(model) if seam.dot() is not None}
    if seams.keys() != powers.keys():
        odd = ", ".join(sorted(seams.keys() ^ powers.keys()))
        raise ValueError(f"optical layers and laser powers do not belong together: {odd}")
    for path, seam in seams.items():
        dot = seam.dot()
        for hardware in dot.hardware:
            held: Any = hardware.get_value()
            power = jnp.broadcast_to(powers[path], held.operating_point.laser_power_w.shape)
            if dot.digital:
                # A layer that is digital keeps the power of a machine that nobody asks.
                power = jnp.where(dot.choice[...] == 0, held.operating_point.laser_power_w, power)
            hardware.set_value(held.at(laser_power_w=power))


def layer_rules(costs: LightCosts, powers: PerLayer, engine: Engine) -> list[Rule]:
    """Rules for `opticalize` that give every layer `engine` at its own laser power; the other layers are digital."""
    return [(f"^{re.escape(row.name)}$", engine.at(laser_power_w=row.laser_power_w)) for row in report(costs, powers)]


@dataclasses.dataclass(frozen=True)
class LayerLight:
    """The light of one layer.

    Attributes:
        name: as "layers/17/mlp/down".
        laser_power_w: optical power of each source of its engines [W].
        energy_per_token_j: energy of its engines per token, everything included [J].
        light_energy_per_token_j: the share of it that the light is, e_l p_l [J].
        electrons_per_mac: photoelectrons per multiply-accumulate; None where nothing was measured.
    """

    name: str
    laser_power_w: float
    energy_per_token_j: float
    light_energy_per_token_j: float
    electrons_per_mac: float | None


def report(costs: LightCosts, powers: PerLayer, measured: Sequence[LayerRecord] = ()) -> list[LayerLight]:
    """One row per optical layer, in the order of the seams; `measured` is what `photonics.layers.measure` gave.

    With `costs.digital_energy_j` the energies of the rows sum to the energy per token of the whole.
    """
    electrons = {record.name: record.electrons_per_mac for record in measured}
    rows = []
    for path, names in costs.names.items():
        columns = (costs.energy_j_per_w[path], costs.dark_energy_j[path], np.asarray(powers[path], np.float64))
        for name, each, dark, power_w in zip(names, *map(np.atleast_1d, columns), strict=True):
            if each > 0.0:
                light_j = float(each * power_w)
                rows.append(LayerLight(name, float(power_w), float(dark) + light_j, light_j, electrons.get(name)))
    return rows


def _shares(theta: Array, lids: Array) -> Array:
    """Shares (n,) of a budget of 1: min(lid, t exp(theta)), t such that they sum to 1.

    Sorted by lid / exp(theta), the first so many layers are full; after k full ones t is what is left over the rest,
    and right as soon as it does not fill the next one.
    """
    level, lids_log = jax.lax.stop_gradient(theta), jnp.log(lids)
    order = jnp.argsort(lids_log - level)
    left = 1.0 - jnp.concatenate([jnp.zeros(1), jnp.cumsum(lids[order])[:-1]])
    rest = jax.lax.cumlogsumexp(level[order], reverse=True)
    fits = (left > 0.0) & (jnp.log(jnp.maximum(left, 1e-30)) - rest <= (lids_log - level)[order])
    # Where the budget fills all lids but for rounding, the last layer takes what is left.
    first = jnp.where(jnp.any(fits), jnp.argmax(fits), theta.size - 1)
    full = jnp.zeros(theta.shape, bool).at[order].set(jnp.arange(theta.size) < first)
    remaining = 1.0 - jnp.sum(jnp.where(full, lids, 0.0))
    return jnp.where(full, lids, remaining * jax.nn.softmax(jnp.where(full, -jnp.inf, theta)))


def _light_budget_j(costs: LightCosts, energy_per_token_j: float) -> float:
    """B - E_0 [J], after checking that it is above 0 and that the sources can spend it."""
    fixed_j, largest_j = costs.fixed_energy_j, costs.largest_energy_j
    if not energy_per_token_j > fixed_j:
        raise ValueError(
            f"a budget of {energy_per_token_j:.6g} J per token leaves nothing for light: "
            f"everything else takes {fixed_j:.6g} J"
        )
    if energy_per_token_j > largest_j:
        raise ValueError(
            f"a budget of {energy_per_token_j:.6g} J per token cannot be spent: with every source at its "
            f"{costs.power_max_w:g} W a token takes {largest_j:.6g} J"
        )
    return energy_per_token_j - fixed_j


def _prices(engine: Engine) -> Any:
    """A function from the work of one layer to (energy per watt of laser power [J/W], energy without light [J])."""
    limit_w = float(engine.power_max_w)
    machines = [engine.at(laser_power_w=share * limit_w) for share in (0.25, 0.5, 1.0)]

    @functools.cache
    def of(records: tuple[Contraction, ...]) -> tuple[float, float]:
        low, middle, high = (float(machine.cost(Work(records)).total_energy_j) for machine in machines)
        slope = (high - low) / 0.75
        if abs(low + slope / 4.0 - middle) > _STRAIGHT * high:
            raise ValueError(f"the cost of {engine.name or 'this engine'} is no straight line in its laser power")
        if not slope > _STRAIGHT * high:
            raise ValueError(f"the cost of {engine.name or 'this engine'} does not grow with its laser power")
        return slope / limit_w, low - slope / 4.0

    # Layers of one shape cost the same: priced once.
    return lambda records: of(tuple(dataclasses.replace(one, name="") for one in records))


def _by_name(work: Work) -> dict[str, list[Contraction]]:
    """The weight products of some work, by the name of their layer."""
    found: dict[str, list[Contraction]] = {}
    for one in work.expand():
        if one.weights:
            found.setdefault(one.name, []).append(one)
    return found


def _digital_energy_j(engine: Engine, work: Work) -> float:
    """Energy of products that no panel computes [J]."""
    names = sorted({one.name for one in work if one.weights})
    return float(engine.cost(work, digital=[f"^{re.escape(name)}$" for name in names]).total_energy_j)


def _lit(seam: Seam) -> list[str]:
    """Names of the layers of a seam that light computes."""
    dot = seam.dot()
    if not dot.digital:
        return list(seam.names)
    choice = np.atleast_1d(np.asarray(dot.choice[...]))
    return [name for name, chosen in zip(seam.names, choice, strict=True) if chosen > 0]
