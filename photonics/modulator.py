"""The modulator that sets the light of each source: finite extinction, insertion loss, drive energy."""

from photonics.stage import Scalar, Signal, stage


@stage
class Modulator:
    """One intensity modulator per source, linear after compensation.

        m(u) = e + (1 - e) u,   e = 1 / extinction ratio,   u in [0, 1]

    The floor e cancels between the two passes of a signed vector; the shot noise of its light does not.
    Left out: residual nonlinearity, bandwidth (settling), chirp.

    Agrawal, Fiber-Optic Communication Systems, 4th ed., section 4.6.4 (extinction ratio).

    Attributes:
        extinction_ratio: light at full drive over light at zero drive; infinite means no floor.
        transmission: light out over light in at full drive (insertion loss).
        symbol_energy_j: electrical drive energy per symbol, without the DAC [J].
    """

    extinction_ratio: Scalar
    transmission: Scalar
    symbol_energy_j: Scalar

    def floor(self) -> Scalar:
        """Light left at zero drive, relative to full drive."""
        return 1.0 / self.extinction_ratio

    def transmit(self, drive: Signal) -> Signal:
        """Relative light m(u) for a drive u in [0, 1], any shape."""
        return self.floor() + (1.0 - self.floor()) * drive
