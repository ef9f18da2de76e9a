"""The layout of the tensor cores: what is there how often, and which parts serve several cores at once."""

import math

from photonics.stage import stage, static


@stage
class TensorCore:
    """Crossbars of dot-product units; every symbol each core multiplies rows x wavelengths by wavelengths x columns.

        products per symbol       rows columns wavelengths cores_per_tile tiles
        weight modulators         rows wavelengths cores_per_tile tiles          each core has its own
        activation modulators     columns wavelengths cores_per_tile             broadcast to the cores of all tiles
        units                     rows columns cores_per_tile tiles              two photodiodes each
        converters                rows columns tiles                             amplifier, ADC and adder

    Wavelengths carry the terms of one dot product. The cores of one tile hold further terms of the same dot products:
    their photocurrents are added ahead of one amplifier and one converter. Tiles hold further outputs, columns further
    vectors. The charge of several symbols may be gathered before a conversion, which lengthens the dot product.

    Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533). Left out: other assignments of products to cores
    (the paper's energy model spreads a small product over all of them, here what does not fill a core is idle).

    Attributes:
        rows: outputs of one core.
        columns: vectors that one core multiplies at once.
        wavelengths: terms of a dot product in one core.
        cores_per_tile: cores whose photocurrents are added.
        tiles: groups of cores that share the activations.
        accumulated_symbols: symbols whose charge one conversion gathers.
    """

    rows: int = static()
    columns: int = static()
    wavelengths: int = static()
    cores_per_tile: int = static()
    tiles: int = static()
    accumulated_symbols: int = static()

    @property
    def cores(self) -> int:
        """All cores."""
        return self.tiles * self.cores_per_tile

    @property
    def terms(self) -> int:
        """Terms of a dot product that one symbol sums."""
        return self.wavelengths * self.cores_per_tile

    @property
    def fan_in(self) -> int:
        """Terms of a dot product that one conversion sums."""
        return self.terms * self.accumulated_symbols

    @property
    def outputs(self) -> int:
        """Outputs of the matrix that all tiles compute at once."""
        return self.rows * self.tiles

    @property
    def weight_modulators(self) -> int:
        """Modulators, and converters ahead of them, that show weights."""
        return self.rows * self.wavelengths * self.cores

    @property
    def activation_modulators(self) -> int:
        """Modulators, and converters ahead of them, that show activations to the cores of all tiles."""
        return self.columns * self.wavelengths * self.cores_per_tile

    @property
    def modulators(self) -> int:
        """Modulators of both operands."""
        return self.weight_modulators + self.activation_modulators

    @property
    def units(self) -> int:
        """Dot-product units, each with two photodiodes."""
        return self.rows * self.columns * self.cores

    @property
    def converters(self) -> int:
        """Amplifiers, and converters behind them."""
        return self.rows * self.columns * self.tiles

    @property
    def fan_out(self) -> int:
        """Units of one core that share its light."""
        return self.rows * self.columns

    @property
    def splitter_levels(self) -> int:
        """Levels of the tree of splitters from a modulator to the units of its row or column."""
        return math.ceil(math.log2(max(self.rows, self.columns)))

    def symbols(self, rows: int) -> int:
        """Symbols that a dot product of `rows` terms takes."""
        return math.ceil(rows / self.terms)
