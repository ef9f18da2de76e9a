"""What some work costs on an engine: energy by part, time, passes, conversions, and how busy the panels are.

The numbers are those of the stages that also set the accuracy. Dynamic energy is counted per conversion, symbol and
byte; everything that is on all the time (light, receivers, panels, control) is power times time.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Literal

from jax.core import Tracer

from photonics.adc_front import check_front
from photonics.stage import Scalar
from photonics.work import Contraction, Work

if TYPE_CHECKING:
    from photonics.engine import Engine

Deployment = int | Literal["resident"]


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of some work in one deployment, at the wall.

    Attributes:
        energy_j: energy by part [J]; "power_supply" is the loss of the supply, "digital_products" the products that
            no panel computes. The parts sum to the whole.
        time_s: time until the work is done, optical passes and panel loads only [s].
        passes: symbols shown, summed over engines.
        conversions: analog-to-digital conversions.
        panel_loads: panels written for this work; 0 where all are resident.
        engines: engines that take part.
        utilisation: share of the engines' time in which vectors are shown.
        macs: logical multiply-accumulates of the work, optical and digital.
        optical_macs: those computed with light.
        launched_energy_j: optical energy that left the sources [J].
    """

    energy_j: dict[str, Scalar]
    time_s: Scalar
    passes: int
    conversions: int
    panel_loads: int
    engines: int
    utilisation: Scalar
    macs: int
    optical_macs: int
    launched_energy_j: Scalar

    @property
    def total_energy_j(self) -> Scalar:
        """All parts together [J]."""
        return sum(self.energy_j.values())

    @property
    def power_w(self) -> Scalar:
        """Average power at the wall [W]; 0 for work that takes no optical time."""
        return self.total_energy_j / self.time_s if self.passes else 0.0

    @property
    def energy_j_per_mac(self) -> Scalar:
        """Energy of one logical multiply-accumulate, everything included [J]; 0 for no work."""
        # As a float: counts of a large model exceed the integers of JAX.
        return self.total_energy_j / float(self.macs) if self.macs else 0.0

    @property
    def tops_per_w(self) -> Scalar:
        """Logical operations (2 per MAC, one pass) per joule, in 1e12; 0 for no work."""
        return 2.0 * float(self.macs) / self.total_energy_j / 1e12 if self.macs else 0.0


@dataclasses.dataclass(frozen=True)
class _Tally:
    """How often things happen, for one kind of weight matrix: everything of `cost` that is only counting."""

    tiles: int = 0
    busy_passes: int = 0
    longest_passes: int = 0
    drives: int = 0
    conversions: int = 0
    inputs: int = 0
    outputs: int = 0
    partial_sums: int = 0
    digital_ops: int = 0
    weights: int = 0
    macs: int = 0

    def __add__(self, other: "_Tally") -> "_Tally":
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name) for field in dataclasses.fields(self)
        }
        return _Tally(**{**sums, "longest_passes": max(self.longest_passes, other.longest_passes)})


def cost(engine: "Engine", work: Work, panels: Deployment = "resident", digital: Sequence[str] = ()) -> Cost:
    """Cost of `work` (from `photonics.count_contractions`) on copies of an engine.

    `panels="resident"`: every tile of every weight matrix has an engine and panel of its own, written once before;
    work streams through all of them, time = longest use of one engine / utilisation, and all stay on that long.
    `panels=N`: N engines share all tiles evenly and write each panel once for the work:

        time = sum over tiles of (vectors passes / f + t_reload) / N

    Nothing is written where N panels hold all tiles. `digital` are patterns (`re.search`, layer indices included) of
    weight products that stay digital; products of data with data always do. Left out: time of digital work, links
    between engines. Raises ValueError for a pattern that is no regular expression or matches nothing, a deployment
    that is neither, and a converter that nobody has built (`photonics.adc_front`).
    """
    _check(engine, panels)
    optical, stays_digital = _divide(work, digital)
    tally = sum((_count(engine, contraction) for contraction in optical), _Tally())
    at, memory = engine.operating_point, engine.memory
    reloaded = panels != "resident" and tally.tiles > int(panels)
    engines = min(int(panels), tally.tiles) if panels != "resident" else tally.tiles
    busy_s = float(tally.busy_passes) / at.symbol_rate_hz
    loads = tally.tiles if reloaded else 0
    if panels == "resident":
        time_s = float(tally.longest_passes) / at.symbol_rate_hz / engine.system.utilisation
    else:
        time_s = (busy_s + loads * engine.panel.reload_time_s) / max(engines, 1)

    pixel_bits = engine.encoding.pixel_bits(engine.panel.bits)
    load_j = engine.panel.write_energy_j(engine.pixels(), pixel_bits, memory)
    weight_byte = tally.weights * engine.panel.bits / 8 if reloaded else 0.0
    energy_j = {part: _times(engines, power_w * time_s) for part, power_w in standing_power_w(engine).items()}
    energy_j["panel"] = energy_j["panel"] + _times(loads, load_j)
    drive_bits = engine.encoding.drive_bits(engine.dac.bits)
    energy_j["dac"] = _times(tally.drives, engine.dac.conversion_energy_j(drive_bits))
    energy_j["modulator"] = _times(tally.drives, engine.modulator.symbol_energy_j)
    energy_j["adc"] = _times(tally.conversions, engine.adc.conversion_energy_j(_conversion_rate_hz(engine)))
    energy_j["digital"] = _times(tally.digital_ops, engine.digital.op_energy_j)
    near_j_per_byte, far_j_per_byte = memory.near_energy_j_per_byte, memory.far_energy_j_per_byte
    energy_j["memory"] = (
        _times(tally.inputs * engine.dac.bits / 8, near_j_per_byte)
        + _times(tally.outputs, memory.output_byte * near_j_per_byte)
        + _times(2 * tally.partial_sums, memory.partial_byte * near_j_per_byte)
        + _times(weight_byte, far_j_per_byte)
    )
    energy_j["digital_products"] = _times(stays_digital.macs, engine.digital.mac_energy_j)
    loss = 1.0 / engine.system.power_supply_efficiency - 1.0
    energy_j["power_supply"] = _number(sum(energy_j.values()) * loss)
    return Cost(
        energy_j=energy_j,
        time_s=_number(time_s),
        passes=tally.busy_passes,
        conversions=tally.conversions,
        panel_loads=loads,
        engines=engines,
        utilisation=_number(busy_s / (engines * time_s)) if tally.busy_passes else 0.0,
        macs=work.macs,
        optical_macs=tally.macs,
        launched_energy_j=_times(engines, engine.source.launched_power_w(at, _number(engine.mean_light()[0])) * time_s),
    )


def standing_power_w(engine: "Engine") -> dict[str, Scalar]:
    """Power by part of one engine whether or not it shows vectors, before the loss of the power supply [W].

    Directly modulated sources and the photodiodes are charged for the light of typical operands (`photonics.operands`).
    """
    at, encoding = engine.operating_point, engine.encoding
    light, transmission = (_number(value) for value in engine.mean_light())
    lit_w = engine.source.count * at.laser_power_w
    received_w = lit_w * engine.light_efficiency() * light * transmission
    diodes = encoding.rails * engine.panel.outputs
    return {
        "laser": engine.source.power_w(at, light),
        "photodetector": engine.photodetector.power_w(received_w, engine.source.photon_energy_j(), diodes),
        "receiver": engine.panel.outputs * engine.receiver.power_w(at, engine.diodes_f()),
        "panel": engine.panel.hold_power_w(engine.pixels(), encoding.pixel_bits(engine.panel.bits), engine.memory),
        "control": engine.system.control_power_w,
        "host": engine.system.host_power_w,
    }


def power_budget(engine: "Engine") -> dict[str, Scalar]:
    """Power at the wall by part of one engine that shows full vectors without a pause [W]."""
    vectors = 1_000_000
    matrix = Contraction(
        name="", batch=1, m=vectors, k=engine.source.count, n=engine.panel.outputs, count=1, weights=True
    )
    always_busy = engine.replace(**{"system.utilisation": 1.0})
    whole = cost(always_busy, Work((matrix,)))
    return {part: energy / whole.time_s for part, energy in whole.energy_j.items() if part != "digital_products"}


def _check(engine: "Engine", panels: Deployment) -> None:
    whole = isinstance(panels, Integral) and not isinstance(panels, bool)
    if panels != "resident" and not (whole and int(panels) >= 1):
        raise ValueError(f'panels must be "resident" or a positive number of panels, not {panels!r}')
    rate_hz, enob = _number(_conversion_rate_hz(engine)), _number(engine.adc.enob())
    if isinstance(rate_hz, float) and isinstance(enob, float):
        check_front(enob, rate_hz)


def _divide(work: Work, digital: Sequence[str]) -> tuple[Work, Work]:
    if isinstance(digital, str):
        raise TypeError(f"digital must be a sequence of patterns, not the string {digital!r}: write [{digital!r}]")
    expanded = work.expand() if digital else work
    for pattern in digital:
        try:
            matches = any(c.weights and re.search(pattern, c.name) for c in expanded)
        except re.error as error:
            raise ValueError(f"digital pattern {pattern!r} is not a regular expression: {error}") from None
        if not matches:
            raise ValueError(f"digital pattern {pattern!r} matches no weight product of this work")

    def with_light(contraction: Contraction) -> bool:
        return contraction.weights and not any(re.search(pattern, contraction.name) for pattern in digital)

    return expanded.select(with_light), expanded.select(lambda contraction: not with_light(contraction))


def _count(engine: "Engine", contraction: Contraction) -> _Tally:
    """Counts for all matrices of one record; every tile of a matrix sees all of its vectors."""
    encoding, k, n = engine.encoding, contraction.k, contraction.n
    if contraction.macs == 0:
        return _Tally()
    tiles_in, tiles_out = math.ceil(k / engine.source.count), math.ceil(n / engine.panel.outputs)
    # Digits of the weights stand on panels of their own, which all see the same drives.
    panels = encoding.panels * tiles_in * tiles_out
    matrices, vectors = contraction.matrices, contraction.vectors_per_matrix
    shown = matrices * vectors
    # Scale of each input (one comparison unless static, one multiplication), rotation; rescale and sums of outputs.
    per_input = 1 if encoding.activation_scale == "static" else 2
    input_ops = k * per_input + encoding.rotation_additions(k)
    # Each conversion is added to a sum with its weight; known pedestals are subtracted; the sum is rescaled.
    conversions = tiles_in * encoding.panels * encoding.conversions
    pedestal_ops = (engine.has_pedestal() + (encoding.weight_sign == "offset")) * conversions
    output_ops = n * (conversions * (1 + engine.readout.correction_ops()) + pedestal_ops + (conversions - 1) + 1)
    input_ops += k * (encoding.weight_sign == "offset")
    return _Tally(
        tiles=matrices * panels,
        busy_passes=shown * panels * encoding.passes,
        longest_passes=vectors * encoding.passes,
        drives=shown * k * tiles_out * encoding.panels * encoding.passes,
        conversions=shown * n * conversions,
        inputs=shown * k * tiles_out * encoding.panels,
        outputs=shown * n,
        partial_sums=shown * n * (tiles_in * encoding.panels - 1),
        digital_ops=shown * (input_ops + output_ops),
        weights=matrices * k * n,
        macs=contraction.macs,
    )


def _conversion_rate_hz(engine: "Engine") -> Scalar:
    return engine.operating_point.symbol_rate_hz / engine.encoding.passes_per_conversion


def _times(count: float, each: Scalar) -> Scalar:
    """count * each; counts of a large model exceed the integers of JAX, and do not exceed a float."""
    return float(count) * _number(each)


def _number(value: Scalar) -> Scalar:
    """A Python float where the value is known, so that parts sum in double precision; tracers pass."""
    return value if isinstance(value, Tracer) else float(value)
