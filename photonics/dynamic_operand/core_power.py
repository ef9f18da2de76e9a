"""Power of what neither makes nor detects light: modulators, wavelength routers, adders and buffers."""

from photonics.dynamic_operand.tensor_core import TensorCore
from photonics.stage import Scalar, stage

_ROUTERS = 2
# Each tile has one buffer ahead of its adders and one behind them.
_TILE_BUFFERS = 2


@stage
class CorePower:
    """Component powers of the published table; light, photodiodes, amplifiers and converters have stages of their own.

        modulator   energy per symbol, and two routers that are always on
        adder       energy per conversion
        buffers     global one for each tile; local one for each tile and one for the activations; one for the operands
                    of each core, one for the activations of each core of a tile, two more for each tile

    Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533). The energy of a modulator does not depend on the
    bits it shows. Left out, as there: power of the phase shifters (0 in its table), thermal tuning of the routers
    beyond their power, clocks.

    Attributes:
        modulator_energy_j: energy of one modulated symbol [J].
        router_power_w: one wavelength router [W].
        adder_energy_j: one addition of a partial sum, for each conversion [J].
        global_buffer_power_w: share of one tile in the global buffer [W].
        local_buffer_power_w: one local buffer [W].
        operand_buffer_power_w: one buffer of operands [W].
    """

    modulator_energy_j: Scalar
    router_power_w: Scalar
    adder_energy_j: Scalar
    global_buffer_power_w: Scalar
    local_buffer_power_w: Scalar
    operand_buffer_power_w: Scalar

    def routers_power_w(self, core: TensorCore) -> Scalar:
        """Wavelength routers of all modulators [W]."""
        return _ROUTERS * core.modulators * self.router_power_w

    def buffers_power_w(self, core: TensorCore) -> Scalar:
        """All buffers [W]."""
        shared = core.tiles * self.global_buffer_power_w + local_buffers(core) * self.local_buffer_power_w
        return shared + operand_buffers(core) * self.operand_buffer_power_w


def local_buffers(core: TensorCore) -> int:
    """Local buffers: one for each tile, one for the activations that all tiles see."""
    return core.tiles + 1


def operand_buffers(core: TensorCore) -> int:
    """Small buffers beside the cores: weights of each core, activations of each core of a tile, two for each tile."""
    return core.cores + core.cores_per_tile + _TILE_BUFFERS * core.tiles
