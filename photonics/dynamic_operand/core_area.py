"""Area of the chip by part, from the area of each component and the layout of the cores."""

import math

from photonics.dynamic_operand.core_power import local_buffers, operand_buffers
from photonics.dynamic_operand.tensor_core import TensorCore
from photonics.stage import Scalar, stage

_ROUTERS = 2


@stage
class CoreArea:
    """Component areas of the published table.

        laser, comb     one each for every tile (weights) and for every core of a tile (activations)
        photonic core   units with their spacing, and the trees of splitters: n (ceil(log2 n + 1)) for n rows or columns
        the rest        area of one times the number of them

    Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533). Routers are counted where modulators are, as in
    its power table; its area table counts those of the broadcast activations once for every tile. Left out, as there:
    routing between cores, pads.

    Attributes:
        laser_m2: one laser [m^2].
        comb_m2: one microcomb [m^2].
        modulator_m2: one modulator [m^2].
        router_m2: one wavelength router [m^2].
        unit_m2: one dot-product unit with two photodiodes and its spacing [m^2].
        splitter_m2: one splitter [m^2].
        dac_m2: one digital-to-analog converter [m^2].
        adc_m2: one analog-to-digital converter [m^2].
        amplifier_m2: one amplifier [m^2].
        adder_m2: one adder [m^2].
        global_buffer_m2: share of one tile in the global buffer [m^2].
        local_buffer_m2: one local buffer [m^2].
        operand_buffer_m2: one buffer of operands [m^2].
    """

    laser_m2: Scalar
    comb_m2: Scalar
    modulator_m2: Scalar
    router_m2: Scalar
    unit_m2: Scalar
    splitter_m2: Scalar
    dac_m2: Scalar
    adc_m2: Scalar
    amplifier_m2: Scalar
    adder_m2: Scalar
    global_buffer_m2: Scalar
    local_buffer_m2: Scalar
    operand_buffer_m2: Scalar

    def areas_m2(self, core: TensorCore) -> dict[str, float]:
        """Area by part [m^2]; concrete values only."""
        lasers = core.tiles + core.cores_per_tile
        splitters = core.cores * (1 + _tree(core.rows) + _tree(core.columns))
        areas: dict[str, Scalar] = {
            "laser": lasers * self.laser_m2,
            "comb": lasers * self.comb_m2,
            "dac": core.modulators * self.dac_m2,
            "modulator": core.modulators * (self.modulator_m2 + _ROUTERS * self.router_m2),
            "photonic core": core.units * self.unit_m2 + splitters * self.splitter_m2,
            "receiver": core.converters * self.amplifier_m2,
            "adc": core.converters * self.adc_m2,
            "digital": core.converters * self.adder_m2,
            "memory": core.tiles * self.global_buffer_m2
            + local_buffers(core) * self.local_buffer_m2
            + operand_buffers(core) * self.operand_buffer_m2,
        }
        return {part: float(area_m2) for part, area_m2 in areas.items()}


def _tree(branches: int) -> int:
    """Places of splitters that the published layout reserves for trees over all rows, or all columns."""
    return branches * math.ceil(math.log2(branches) + 1)
