"""Shares of rated peaks that products, memories and links reach, and latencies between: one set for all machines."""

import dataclasses
import functools
import tomllib
from pathlib import Path

from models.hardware.sourced_number import Number, number

FILE = Path(__file__).with_suffix(".toml")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Efficiencies:
    """What a step gets of what a machine is rated for; ranges and sources in `efficiencies.toml`.

    Attributes:
        memory, link: shares of a bandwidth.
        product_16bit, product_8bit, product_4bit: shares of the dense peak in the format of the weights.
        attention: share of the 16-bit peak for products of data with data.
        kernel_s: latency of one kernel [s].
        kernels_per_layer: kernels in a layer.
        all_reduce_s: latency of one all-reduce [s].
        layer_s: least time of a layer, whatever it does; 0 unless fitted to a machine [s].
    """

    memory: float
    link: float
    product_16bit: float
    product_8bit: float
    product_4bit: float
    attention: float
    kernel_s: float
    kernels_per_layer: float
    all_reduce_s: float
    layer_s: float = 0.0

    def product(self, bits: int) -> float:
        """Share of the dense peak with weights of 16, 8 or 4 bits; ValueError for others."""
        shares = {16: self.product_16bit, 8: self.product_8bit, 4: self.product_4bit}
        if bits not in shares:
            raise ValueError(f"weights of {bits} bits are not modelled; there are 16, 8 and 4")
        return shares[bits]


PERFECT = Efficiencies(
    memory=1.0,
    link=1.0,
    product_16bit=1.0,
    product_8bit=1.0,
    product_4bit=1.0,
    attention=1.0,
    kernel_s=0.0,
    kernels_per_layer=0.0,
    all_reduce_s=0.0,
)
"""Every rated peak reached and no latency: the bound that no step of this machine can beat."""


@functools.cache
def stated() -> dict[str, Number]:
    """The numbers of the file by name, with ranges and sources."""
    document = tomllib.loads(FILE.read_text("utf-8"))
    return {key: number(table, group, key) for group, table in document.items() for key in table}


def typical() -> Efficiencies:
    """The values of the file."""
    return Efficiencies(**{name: one.value for name, one in stated().items()})
