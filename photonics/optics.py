"""The passive optics between source and detector: light lost, and light that lands on a neighbour."""

from jax import Array

from photonics.neighbours import inverse_of_neighbours, neighbours
from photonics.stage import Scalar, stage, static


@stage
class Optics:
    """Fan-out of every source onto all columns, and fan-in of every column onto its detector.

        light at a detector = sum over its column / columns            (a lens copies, it does not create light)
        crosstalk  C = (1 - 2 c) I + c (neighbour left + neighbour right), applied to mean light of each rail

    A column at the edge of the panel loses the share c that falls outside. The calibrated machine pre-distorts
    its weights with the inverse of the C it knows, C(c - r): what is left is the residual r per neighbour, and
    the transmission range that the pre-distortion spends. Where rails are told apart by polarisation, a share of
    each rail's light goes to the other one: T+ <- (1 - l) T+ + l T-; calibration divides the lost swing out, so a
    calibrated machine states l = 0. Left out: crosstalk beyond the next column and between rows; crosstalk between
    receivers is electrical (`photonics.readout`).

    Attributes:
        transmission: share of the launched light that reaches the panel and detectors at full transmission,
            without modulator and panel.
        crosstalk_per_neighbour: share c of a column's light that falls on each neighbouring detector.
        crosstalk_residual: error r in the machine's knowledge of c.
        rail_leakage: share of a rail's light that falls on the other rail's detector, uncompensated.
        numerical_aperture: sine of the largest angle at which light reaches a photodiode.
        crosstalk: whether there is any crosstalk or leakage.
    """

    transmission: Scalar
    crosstalk_per_neighbour: Scalar
    crosstalk_residual: Scalar
    rail_leakage: Scalar
    numerical_aperture: Scalar
    crosstalk: bool = static()

    def mix(self, light: Array) -> Array:
        """Light per detector (..., outputs) from light per column, one panel's outputs on the last axis."""
        if not self.crosstalk:
            return light
        # A product with the whole matrix, because a stencil would make the compiler compute `light` three times over.
        share, width = self.crosstalk_per_neighbour, light.shape[-1]
        return light @ neighbours(1.0 - 2.0 * share, share, width).astype(light.dtype)

    def predistort(self, weights: Array) -> Array:
        """Weights (..., outputs) whose mixture by the known part of the crosstalk is `weights`; may exceed +-1."""
        if not self.crosstalk:
            return weights
        known = self.crosstalk_per_neighbour - self.crosstalk_residual
        return weights @ inverse_of_neighbours(1.0 - 2.0 * known, known, weights.shape[-1]).astype(weights.dtype)

    def leak(self, rails: tuple[Array, ...]) -> tuple[Array, ...]:
        """Light of each rail after leakage between the two; a single rail has nowhere to leak."""
        if not self.crosstalk or len(rails) == 1:
            return rails
        plus, minus = rails
        exchanged = self.rail_leakage * (minus - plus)
        return plus + exchanged, minus - exchanged
