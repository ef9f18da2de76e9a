"""Optical engines as a machine: engines, memories, links, host and power supply, doing a workload at an accuracy.

    delivered operations per joule = 2 MACs of the workload / energy at the wall
    peak operations per joule      = 2 inputs outputs per symbol / energy of a symbol, nothing ever waiting

The first is what a user gets: reloads of the panel, padding of tiles, passes of the encoding, waits for memory and
links, and products that stay digital are all in it. The second is the number of data sheets: one pass, every input and
output used. They are different things and are never mixed.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from models.hardware.required_light import RequiredLight
from models.hardware.roadmap_file import SYSTEM
from photonics.free_space import FreeSpaceEngine
from photonics.stage import Scalar, stage, static
from photonics.tally import Tally
from photonics.work import Contraction, Work

Idle = Literal["lit", "dark"]
LIGHT_PARTS = ("laser", "photodetector")
# So many vectors that one panel load does not count.
_PEAK_VECTORS = 1_000_000


class Figures(NamedTuple):
    """What the machine does with its workload; scalars.

    Attributes:
        ops_per_j: delivered operations (2 per MAC, whatever computes it) per joule at the wall.
        peak_ops_per_j: operations per joule of engines that never wait, a symbol counted as a whole product.
        energy_per_op_j: energy of a delivered operation by part; the parts sum to 1 / ops_per_j [J].
        engine_power_w: power at the wall over engines, while they do the workload [W].
        peak_engine_power_w: power at the wall of one engine that never waits [W].
        symbol_rate_hz: symbols per second while vectors are shown [Hz].
        laser_power_w: optical power of one source [W].
        rate_limited: 1 where the sources are too weak for the rate that was asked for, else 0.
        busy_share: share of the engines' time in which vectors are shown.
        link_share: share in which they wait for vectors to come and go.
        accumulator_share: share in which they wait for partial sums that the memory near them does not hold.
        load_share: share in which panels are written, or weights waited for.
        load_time_s: time to write one panel, or to fetch its weights if that takes longer [s].
        absorbed_power_w: light that one panel takes up while it is lit, for typical operands [W].
        power_usage_effectiveness: power of the building over that of its machines.
    """

    ops_per_j: Scalar
    peak_ops_per_j: Scalar
    energy_per_op_j: Mapping[str, Scalar]
    engine_power_w: Scalar
    peak_engine_power_w: Scalar
    symbol_rate_hz: Scalar
    laser_power_w: Scalar
    rate_limited: Scalar
    busy_share: Scalar
    link_share: Scalar
    accumulator_share: Scalar
    load_share: Scalar
    load_time_s: Scalar
    absorbed_power_w: Scalar
    power_usage_effectiveness: Scalar


class _Time(NamedTuple):
    """Where the time of all engines together goes [s]."""

    shown: Scalar
    linked: Scalar
    summed: Scalar
    loaded: Scalar
    idle: Scalar

    @property
    def total(self) -> Scalar:
        return self.shown + self.linked + self.summed + self.loaded + self.idle


class _Moved(NamedTuple):
    """Bytes that come to the engines, that leave them, and that cross a link; a partial sum does all in one."""

    into: Scalar
    out_of: Scalar
    crossings: Scalar


@stage
class OpticalSystem:
    """Engines of one kind that share a power budget and read a workload's prompts together.

    Weights come from a memory beside each engine, which holds more of them than its panel: `panels` of the work are
    written one after the other, each for all vectors of the batch. Where the budget feeds an engine for every panel of
    the model they stay loaded instead. Between fan-in tiles, outputs are summed beside the engine: vectors x outputs
    accumulators. What the near memory does not hold of them is read and written where the weights come from, at the
    energy and the bandwidth of that memory. Inputs of a tile come over a link, since other engines hold the columns
    beside it, and finished outputs leave over one; the engine waits for what is slowest.

    Left out: the time of digital products (their energy per operation buys whatever finishes beside the optics), moves
    of keys and values, norms and softmax, the capacity of the far memory, latency of links, engines that fail; weights
    and partial sums that ask for the same memory at once.

    Attributes:
        engine: the engine, with all that a scenario fixes (bits, encoding, sizes).
        light: what the accuracy requires.
        work: one batch of the workload.
        wall_power_w: power at the wall of the whole machine [W].
        idle: whether sources stay "lit" while panels are written, or are "dark"; settling of dark lasers is left out.
        held: parameters of `SYSTEM` that a scenario fixes, by path.
    """

    engine: FreeSpaceEngine
    light: RequiredLight
    work: Work = static()
    wall_power_w: Scalar
    idle: Idle = static(default="lit")
    held: Mapping[str, Scalar] = dataclasses.field(default_factory=dict)

    @property
    def inputs_per_tile(self) -> float:
        """Inputs that one tile sums, over all weight products of the work, weighted by MACs."""
        return mean_inputs_per_tile(self.work, self.engine.inputs)

    @property
    def filled_share(self) -> float:
        """Share of the shown products that are in the work: tiles at the edges of a matrix are not full."""
        tally = self._tally()
        shown = tally.busy_passes / self.engine.passes * self.engine.inputs * self.engine.outputs
        return tally.macs / shown if shown else 0.0

    def link_bytes(self) -> tuple[Scalar, Scalar]:
        """Bytes that one batch moves to all engines, and from them, where panels are reloaded."""
        moved = self._link_bytes(self.engine, self._tally(), resident=False)
        return moved.into, moved.out_of

    def shown_s(self, symbol_rate_hz: float) -> float:
        """Time in which all engines together show vectors, for one batch [s]."""
        return self._tally().busy_passes / symbol_rate_hz

    def lit_engine(self, values: Mapping[str, Scalar]) -> FreeSpaceEngine:
        """The engine with `values` by dotted path (those of `SYSTEM` apart), lit as the accuracy requires."""
        own = {path: value for path, value in values.items() if path not in SYSTEM}
        return self.light.lit(self.engine.replace(**own), self.inputs_per_tile)

    def figures(self, values: Mapping[str, Scalar]) -> Figures:
        """Everything that the machine does with the workload where its parameters have `values`.

        `values` are scalars by dotted path of a leaf of the engine, and all of `SYSTEM` that is not held. Pure JAX: for
        `vmap`, `jit` and `grad`. KeyError without a parameter of the system, TypeError for a path that the engine does
        not have.
        """
        around = {path: {**values, **self.held}[path] for path in SYSTEM}
        engine, tally = self.lit_engine(values), self._tally()
        asked_hz = values.get("operating_point.symbol_rate_hz", self.engine.operating_point.symbol_rate_hz)
        spent, power_w, time = self._deployed(engine, tally, around)
        ops = 2.0 * float(self.work.macs)
        peak_j, peak_symbols = self._peak(engine, around)
        return Figures(
            ops_per_j=ops / sum(spent.values()),
            peak_ops_per_j=2.0 * engine.inputs * engine.outputs * peak_symbols / peak_j,
            energy_per_op_j={part: energy_j / ops for part, energy_j in spent.items()},
            engine_power_w=power_w,
            peak_engine_power_w=peak_j / peak_symbols * engine.operating_point.symbol_rate_hz,
            symbol_rate_hz=engine.operating_point.symbol_rate_hz,
            laser_power_w=engine.operating_point.laser_power_w,
            rate_limited=jnp.where(engine.operating_point.symbol_rate_hz < asked_hz * (1.0 - 1e-6), 1.0, 0.0),
            busy_share=time.shown / time.total,
            link_share=time.linked / time.total,
            accumulator_share=time.summed / time.total,
            load_share=time.loaded / time.total,
            load_time_s=self._load_time_s(engine, around),
            absorbed_power_w=engine.absorbed_power_w(),
            power_usage_effectiveness=around["facility.power_usage_effectiveness"],
        )

    def log_ops_per_j(self, values: Mapping[str, Scalar]) -> Array:
        """Natural logarithm of the delivered operations per joule."""
        return jnp.log(self.figures(values).ops_per_j)

    def _tally(self) -> Tally:
        return sum((self.engine.count(one) for one in _weight_products(self.work)), Tally())

    def _deployed(
        self, engine: FreeSpaceEngine, tally: Tally, around: Mapping[str, Scalar]
    ) -> tuple[Mapping[str, Scalar], Scalar, _Time]:
        """Energy by part, power per engine and time; panels stay loaded if the budget feeds all of them."""
        reloaded_s = self._time(engine, around, resident=False)
        resident_s = self._time(engine, around, resident=True)
        far_byte = sum(self._far_bytes(engine, around))
        reloaded = self._energy(engine, tally, around, reloaded_s, resident=False, far_byte=far_byte)
        resident = self._energy(engine, tally, around, resident_s, resident=True)
        resident_w = sum(resident.values()) / resident_s.total
        held = self.wall_power_w >= tally.tiles * resident_w
        spent = {part: jnp.where(held, resident[part], reloaded[part]) for part in reloaded}
        power_w = jnp.where(held, resident_w, sum(reloaded.values()) / reloaded_s.total)
        time = _Time(*(jnp.where(held, *pair) for pair in zip(resident_s, reloaded_s, strict=True)))
        return spent, power_w, time

    def _time(self, engine: FreeSpaceEngine, around: Mapping[str, Scalar], *, resident: bool) -> _Time:
        """Time of all engines together for one batch; the resident ones are a pipeline, whose slowest tile decides."""
        tallies = [engine.count(one) for one in _weight_products(self.work)]
        shown = [float(one.busy_passes) / engine.operating_point.symbol_rate_hz for one in tallies]
        moved = [self._link_bytes(engine, one, resident=resident) for one in tallies]
        waits = [
            jnp.maximum(jnp.maximum(one.into, one.out_of) / around["links.bytes_per_s"] - seconds, 0.0)
            for one, seconds in zip(moved, shown, strict=True)
        ]
        total = _Time(shown=sum(shown), linked=sum(waits), summed=0.0, loaded=0.0, idle=0.0)
        tiles = float(sum(one.tiles for one in tallies))
        if not resident:
            far = self._far_bytes(engine, around)
            busy = [seconds + wait for seconds, wait in zip(shown, waits, strict=True)]
            longer = [
                jnp.maximum(byte / around["weights.bytes_per_s"] - one, 0.0)
                for byte, one in zip(far, busy, strict=True)
            ]
            return total._replace(summed=sum(longer), loaded=tiles * self._load_time_s(engine, around))
        slowest = jnp.zeros(())
        for one, seconds, wait in zip(tallies, shown, waits, strict=True):
            slowest = jnp.maximum(slowest, (seconds + wait) / max(one.tiles, 1))
        return total._replace(idle=tiles * slowest / engine.system.utilisation - total.total)

    def _far_bytes(self, engine: FreeSpaceEngine, around: Mapping[str, Scalar]) -> list[Scalar]:
        """Bytes of partial sums that are read from the far memory, or written to it, by product of reloaded panels."""
        found = []
        for one in _weight_products(self.work):
            held_byte = accumulator_byte(engine, one)
            beyond = jnp.maximum(1.0 - around["accumulators.near_byte"] / jnp.maximum(held_byte, 1.0), 0.0)
            found.append(2.0 * float(engine.count(one).partial_sums) * engine.memory.partial_byte * beyond)
        return found

    def _load_time_s(self, engine: FreeSpaceEngine, around: Mapping[str, Scalar]) -> Scalar:
        # Digits of the weights stand on panels of their own, each of which takes its part of the code.
        tile_byte = engine.inputs * engine.outputs * engine.weight_byte() / engine.encoding.panels
        return jnp.maximum(engine.reload_time_s, tile_byte / around["weights.bytes_per_s"])

    def _link_bytes(self, engine: FreeSpaceEngine, tally: Tally, *, resident: bool) -> _Moved:
        """What crosses links; resident tiles of one sum are on different engines, reloaded ones follow each other."""
        partial = float(tally.partial_sums * resident) * engine.memory.partial_byte
        inputs, outputs = tally.inputs * engine.dac.bits / 8, float(tally.outputs) * engine.memory.output_byte
        return _Moved(into=inputs + partial, out_of=outputs + partial, crossings=inputs + outputs + partial)

    def _energy(
        self,
        engine: FreeSpaceEngine,
        tally: Tally,
        around: Mapping[str, Scalar],
        time: _Time,
        *,
        resident: bool,
        far_byte: Scalar = 0.0,
    ) -> dict[str, Scalar]:
        """Energy at the wall by part for one batch [J]; `far_byte` of the partial sums are not near."""
        dark_s = time.loaded if self.idle == "dark" else 0.0
        energy = {
            part: power_w * (time.total - (dark_s if part in LIGHT_PARTS else 0.0))
            for part, power_w in engine.standing_power_w().items()
        }
        events = engine.event_energy_j(tally)
        memory = engine.memory
        further_j_per_byte = memory.far_energy_j_per_byte - memory.near_energy_j_per_byte
        events["activation_memory"] = events.pop("memory") + far_byte * further_j_per_byte
        energy |= events
        reloaded = Tally() if resident else tally
        energy["panel"] = energy["panel"] + float(reloaded.tiles) * engine.load_energy_j()
        energy["weight_memory"] = float(reloaded.weights) * engine.weight_byte() * memory.far_energy_j_per_byte
        crossings = self._link_bytes(engine, tally, resident=resident).crossings
        energy["links"] = crossings * around["links.energy_j_per_byte"]
        energy["digital_products"] = float(self.work.digital_macs) * engine.digital.mac_energy_j
        energy["power_supply"] = sum(energy.values()) * (1.0 / engine.system.power_supply_efficiency - 1.0)
        return energy

    def _peak(self, engine: FreeSpaceEngine, around: Mapping[str, Scalar]) -> tuple[Scalar, float]:
        """Energy at the wall of one full panel shown vectors without a pause, and how many symbols that are."""
        full = Contraction("", batch=1, m=_PEAK_VECTORS, k=engine.inputs, n=engine.outputs, weights=True)
        tally = engine.count(full)
        time = _Time(tally.busy_passes / engine.operating_point.symbol_rate_hz, 0.0, 0.0, 0.0, 0.0)
        energy = self._energy(engine, tally, around, time, resident=True)
        supplied = sum(one for part, one in energy.items() if part not in ("digital_products", "power_supply"))
        return supplied / engine.system.power_supply_efficiency, float(tally.busy_passes)


def accumulator_byte(engine: FreeSpaceEngine, product: Contraction) -> Scalar:
    """Partial sums that one engine holds between two fan-in tiles of a product [byte]; 0 where one tile sums all."""
    if not engine.count(product).partial_sums:
        return 0.0
    return float(product.vectors_per_matrix * min(product.n, engine.outputs)) * engine.memory.partial_byte


def mean_inputs_per_tile(work: Work, inputs: int) -> float:
    """Mean over weight products, weighted by MACs, of k / ceil(k / inputs); 0 without any."""
    products = _weight_products(work)
    macs = sum(one.macs for one in products)
    return sum(one.macs * one.k / -(-one.k // inputs) for one in products) / macs if macs else 0.0


def _weight_products(work: Work) -> list[Contraction]:
    return [one for one in work if one.weights and one.macs]
