"""Time of a step of a decoder on equal conventional machines that share every matrix (tensor parallel).

    operator   max(ops / (share peak), byte / (share bandwidth))            weights and cache divided by the machines
    layers     max(sum of operators, L least time) + L (kernels + 2 all-reduces)
    all-reduce latency + 2 (n - 1) / n byte / (share link)             ring; Patarasuk and Yuan, JPDC 69, 117 (2009)

Weights and cache stand in the nearest memory that holds them; a memory is never exceeded. Accepted tokens per step, as
speculative decoding has them, are no matter of time: the caller divides by them.

Left out: pipelines over machines, one step over several memories, overlap of communication and products, experts on
machines of their own, what scheduling adds.
"""

import dataclasses
from collections.abc import Mapping

from models.hardware.decoder_step import Operator, Step
from models.hardware.efficiencies import Efficiencies
from models.hardware.machine import AbsentValue, Machine, Tier

_FORMATS = {16: ("bf16",), 8: ("fp8", "int8"), 4: ("fp4",)}


class DoesNotFit(ValueError):
    """Weights and cache that no memory of the machines holds.

    Attributes:
        missing_byte: what is missing in the largest memory of all machines together [byte].
    """

    def __init__(self, machine: Machine, devices: int, needed: float, held: float) -> None:
        super().__init__(
            f"{devices} x {machine.key} hold {held:.4g} byte in one kind of memory, and weights and cache are "
            f"{needed:.4g} byte: {needed - held:.4g} byte are missing"
        )
        self.missing_byte = needed - held


@dataclasses.dataclass(frozen=True)
class StepTime:
    """How long a step takes, and why.

    Attributes:
        time_s: all of it [s].
        bound: what most of it is spent on: "compute", the name of a memory, "latency" or "link".
        tier: memory that holds weights and cache.
        breakdown_s: seconds by cause; they sum to `time_s`.
    """

    time_s: float
    bound: str
    tier: str
    breakdown_s: Mapping[str, float]


def placed(machine: Machine, devices: int, needed_byte: float) -> Tier:
    """The nearest memory that holds so many bytes, over all machines; DoesNotFit where none does."""
    if not machine.tiers:
        raise AbsentValue(machine.key, "memory.hbm.byte_per_s")
    for tier in machine.tiers:
        if devices * tier.byte >= needed_byte:
            return tier
    raise DoesNotFit(machine, devices, needed_byte, devices * max(tier.byte for tier in machine.tiers))


def peak_op_per_s(machine: Machine, bits: int) -> float:
    """Dense peak of the fastest published format with weights of so many bits; AbsentValue where none is published."""
    names = _FORMATS.get(bits)
    if names is None:
        raise ValueError(f"weights of {bits} bits are not modelled; there are {', '.join(map(str, _FORMATS))}")
    published = [machine.need(path) for name in names if (path := f"compute.{name}_op_per_s") in machine.numbers]
    return max(published) if published else machine.peak_op_per_s(names[0])


def step_time(
    step: Step,
    machine: Machine,
    efficiencies: Efficiencies,
    *,
    devices: int = 1,
) -> StepTime:
    """Time of one step on `devices` machines, which hold all that the step needs stored.

    ValueError for less than one device; DoesNotFit; AbsentValue for a peak, a memory or a link that is needed and not
    published. Products of data with data run at the 16-bit peak, whatever the weights are.
    """
    if devices < 1:
        raise ValueError(f"devices is {devices}; it should be at least 1")
    tier, layers = placed(machine, devices, step.stored_byte), step.decoder.layers
    # Norms and rows of the embedding are no products, and nothing is asked of the machine for them.
    peaks = {bits: peak_op_per_s(machine, bits) for bits in {one.bits for one in step.operators if one.macs}}
    spent = {"compute": 0.0, tier.name: 0.0, "latency": 0.0, "link": 0.0}
    for one in step.operators:
        share = efficiencies.attention if one.kind == "attention" else efficiencies.product(one.bits)
        shown_s = 2 * one.macs / devices / (peaks[one.bits] * share) if one.macs else 0.0
        moved_s = _moved_byte(one, devices) / (efficiencies.memory * tier.byte_per_s)
        spent["compute" if shown_s >= moved_s else tier.name] += one.count * max(shown_s, moved_s)
    idle_s = max(layers * efficiencies.layer_s - sum(spent.values()), 0.0)
    spent["latency"] = idle_s + layers * efficiencies.kernels_per_layer * efficiencies.kernel_s
    if devices > 1:
        reductions = 2 * layers
        vectors_byte = step.tokens * step.decoder.width * step.precision.activation_bits / 8
        wire_byte = 2 * (devices - 1) / devices * vectors_byte
        spent["latency"] += reductions * efficiencies.all_reduce_s
        spent["link"] = reductions * wire_byte / (efficiencies.link * machine.need("link.byte_per_s"))
    bound = max(spent, key=lambda cause: spent[cause])
    return StepTime(sum(spent.values()), bound, tier.name, spent)


def _moved_byte(one: Operator, devices: int) -> float:
    """Bytes that each machine moves; what is no product is done by all of them alike."""
    return one.byte if one.kind == "elementwise" else one.byte / devices
