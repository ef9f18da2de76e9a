"""The digital back end of an engine: scales, rotation, sums of tiles, and products that stay digital."""

from photonics.stage import Scalar, stage


@stage
class DigitalBackEnd:
    """Arithmetic beside the optics, charged per operation; its time is hidden behind the optical passes.

    Per input value of a product: one comparison and one multiplication for its scale, and with rotation
    log2(block) additions (fast Walsh-Hadamard). Per conversion: one multiplication by the scale; per further
    fan-in tile one addition. Products that stay digital (attention, excluded layers) cost `mac_energy_j` a MAC.
    Left out: norms, softmax and other elementwise work of the model, which every machine has to do.

    Attributes:
        op_energy_j: one 16- or 32-bit addition, comparison or multiplication with its registers [J].
        mac_energy_j: one multiply-accumulate of a digital product, everything included [J].
    """

    op_energy_j: Scalar
    mac_energy_j: Scalar
