"""Balanced photodiodes and their amplifier: photon counts, receiver noise, and the power that both draw."""

import numpy as np

from photonics.photons import dark_electrons, electrons_per_joule
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.units import BOLTZMANN_J_PER_K, ELEMENTARY_CHARGE_C

_DIODES = 2
# Noise bandwidth over symbol rate of integrate-and-dump: a rectangular window of length 1/f has B = f/2.
_BAND = 0.5


@stage
class Detection:
    """Two photodiodes per unit, whose difference one amplifier takes for all units that share it.

        electrons of one symbol     n = QE P / (h nu f) on each photodiode, + I_d / (q f),      var = n (Poisson)
        amplifier                   i_n^2 = (4 k T / R) (P_ref / P_amp),                        var = i_n^2 / (2 q^2 f)

    R is the resistance whose thermal noise equals that of the amplifier at its published power; noise falls as power
    rises, as white channel noise does with the transconductance that current buys (Saeckinger, Analysis and Design of
    Transimpedance Amplifiers for Optical Receivers, 2018, chapter 6). Both noises add up over the symbols that a
    conversion gathers. Left out: saturation, bandwidth of the amplifier, dark current of the units that a partly filled
    tile leaves idle.

    Attributes:
        quantum_efficiency: electrons per photon.
        dark_current_a: current of one photodiode without light [A].
        shot_noise: whether photons are counted at all; off only in the ideal limit.
        diode_power_w: power of one photodiode with its bias [W].
        amplifier_power_w: power of one amplifier [W].
        reference_power_w: amplifier power at which its noise is that of `noise_resistance_ohm` [W].
        noise_resistance_ohm: R; infinite without receiver noise [ohm].
    """

    quantum_efficiency: Scalar
    dark_current_a: Scalar
    shot_noise: bool = static()
    diode_power_w: Scalar
    amplifier_power_w: Scalar
    reference_power_w: Scalar
    noise_resistance_ohm: Scalar

    def electrons_per_joule(self, photon_energy_j: Scalar) -> Scalar:
        """Photoelectrons per joule of light on a photodiode."""
        return electrons_per_joule(self.quantum_efficiency, photon_energy_j)

    def dark_electrons(self, at: OperatingPoint, cores: int) -> Scalar:
        """Mean dark electrons of one symbol on all photodiodes of one amplifier, which `cores` units share."""
        return _DIODES * cores * dark_electrons(self.dark_current_a, at)

    def readout_variance(self, at: OperatingPoint) -> Scalar:
        """Amplifier noise of one symbol [electrons^2]."""
        thermal_a2_per_hz = 4 * BOLTZMANN_J_PER_K * at.temperature_k / self.noise_resistance_ohm
        density_a2_per_hz = thermal_a2_per_hz * (self.reference_power_w / self.amplifier_power_w)
        # One q at a time: its square would leave float32.
        return density_a2_per_hz / ELEMENTARY_CHARGE_C / ELEMENTARY_CHARGE_C / at.symbol_rate_hz * _BAND

    def variance(self, light: Signal, at: OperatingPoint, cores: int, symbols: int) -> Signal:
        """Variance of one conversion [electrons^2] for mean electrons `light` on all its photodiodes, any shape."""
        readout = symbols * self.readout_variance(at)
        return light + symbols * self.dark_electrons(at, cores) + readout if self.shot_noise else readout + 0.0 * light

    def counted(
        self,
        random: np.random.Generator,
        lights: tuple[np.ndarray, np.ndarray],
        at: OperatingPoint,
        cores: int,
        symbols: int,
    ) -> np.ndarray:
        """Difference of the electrons of one conversion (m, n), photon by photon; `lights` are mean electrons."""
        if self.shot_noise:
            dark = symbols * float(self.dark_electrons(at, cores)) / _DIODES
            # A float keeps counts beyond 2^63 out of the way of integers.
            plus, minus = (random.poisson(light + dark).astype(np.float64) for light in lights)
        else:
            plus, minus = lights
        readout = np.sqrt(symbols * float(self.readout_variance(at)))
        return plus - minus + readout * random.standard_normal(plus.shape)

    def diodes_power_w(self, units: int) -> Scalar:
        """Power of the photodiodes of so many units [W]."""
        return _DIODES * units * self.diode_power_w
