"""The array of homodyne units: which stream meets which, how light is shared, and how long a sum lasts."""

from photonics.stage import Scalar, stage, static


@stage
class HomodyneArray:
    """rows x columns homodyne units: each row is given a vector, each column the weights of an output.

        products per symbol   rows columns,                    summed over up to `integration` symbols
        light of one unit     P T s / (rows columns)           of the weights at full drive, on both photodiodes
                              P T (1 - s) / (rows columns)     of the activations
        transmitters          rows + columns

    Both operands are streamed, so nothing is loaded, and any product of two matrices can be computed, that of two
    activations included. A contraction shorter than `integration` takes only its own symbols; a longer one is cut into
    equal tiles that are summed digitally. All tokens are taken to meet the errors of one row of units. Left out:
    unequal splitting of the light beyond the residual gains.

    Hamerly, Bernstein, Sludds, Soljacic, Englund, Large-Scale Optical Neural Networks Based on Photoelectric
    Multiplication, PRX 9, 021032 (2019); on a chip: Zhou et al., arXiv 2604.18496 (2026).

    Attributes:
        rows: vectors shown side by side, each with a transmitter of its own.
        columns: outputs computed side by side, each with a transmitter of its own.
        integration: symbols that one capacitor sums at most, the fan-in of one readout.
        weight_share: share s of the light that goes to the arm of the weights.
        transmission: light on the photodiodes over light out of the modulators, fan-out not counted.
        units_per_adc: units that take turns on one converter.
        unit_area_m2: chip area of one unit, photodiodes included [m^2].
    """

    rows: int = static()
    columns: int = static()
    integration: int = static()
    weight_share: Scalar
    transmission: Scalar
    units_per_adc: int = static()
    unit_area_m2: Scalar

    @property
    def units(self) -> int:
        """Balanced pairs of photodiodes."""
        return self.rows * self.columns

    @property
    def transmitters(self) -> int:
        """Modulators, each with a DAC."""
        return self.rows + self.columns
