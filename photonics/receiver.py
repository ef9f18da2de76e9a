"""The receivers that turn photoelectrons into a voltage: their noise, and the current that noise is bought with."""

import math
from typing import Any, Literal

import jax.numpy as jnp

from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import BOLTZMANN_J_PER_K, ELEMENTARY_CHARGE_C

# Noise bandwidth over symbol rate of integrate-and-dump: a rectangular window of length 1/f has B = f/2.
INTEGRATE_AND_DUMP = 0.5


@stage
class TransimpedanceReceiver:
    """A transimpedance amplifier, followed by integrate-and-dump over the symbol or sampled at its end.

        i_n^2 = 4 k T F / R_f + (2 pi C e_n)^2 B^2 / 3      e_n^2 = 4 k T gamma / g_m                  [A^2/Hz]
        electrons^2 per pass = i_n^2 (B/f) / (q^2 f),       C = input capacitance + two photodiodes
        current = overhead (g_m + 2 pi C_L GBW) V_ov / 2,   GBW = 2 pi R_f C B^2
        largest signal = V_swing / (R_f q f)                                                          [electrons]

    `filter`: "integrate" has B = f / 2 and no memory; "one-pole" of bandwidth b is sampled at the end of the symbol,
    B = (pi/2) b, and the previous symbol leaks exp(-2 pi b / f) into the present one.

    The supply current follows from the same g_m and R_f that set the noise: g_m = 2 I / V_ov of the input
    transistor, and an amplifier whose gain-bandwidth holds the band B across R_f and C. The balanced pair
    subtracts the rails before the amplifier, so one amplifier serves one output.

    Saeckinger, Analysis and Design of Transimpedance Amplifiers for Optical Receivers (2018), chapters 5 and 6:
    noise of a shunt-feedback stage and the transimpedance limit. Left out: flicker noise; noise that two successive
    symbols of a one-pole filter share, and the skirt of that filter (B^2 / 3 is the mean over a sharp band).

    Attributes:
        feedback_resistance_ohm: R_f.
        noise_factor: F, by how much the part exceeds the noise of R_f alone.
        input_capacitance_f: wiring, protection and input transistor; the photodiodes come on top.
        transconductance_siemens: g_m of the input transistor.
        channel_noise_factor: gamma of its channel noise.
        overdrive_v: V_ov, which turns transconductance into current.
        load_capacitance_f: C_L at the node that sets the gain-bandwidth.
        supply_v: supply voltage.
        overhead: supply current over that of the signal path (bias, buffers).
        output_swing_v: largest output voltage, either way.
        filter: "integrate" or "one-pole".
        bandwidth_hz: b of the one-pole filter.
    """

    feedback_resistance_ohm: Scalar
    noise_factor: Scalar
    input_capacitance_f: Scalar
    transconductance_siemens: Scalar
    channel_noise_factor: Scalar
    overdrive_v: Scalar
    load_capacitance_f: Scalar
    supply_v: Scalar
    overhead: Scalar
    output_swing_v: Scalar
    filter: Literal["integrate", "one-pole"] = static()
    bandwidth_hz: Scalar

    def noise_bandwidth_hz(self, at: OperatingPoint) -> Scalar:
        """B = beta f [Hz], beta = 1/2 for integrate-and-dump."""
        if self.filter == "one-pole":
            return math.pi / 2 * self.bandwidth_hz
        return INTEGRATE_AND_DUMP * at.symbol_rate_hz

    @property
    def settles(self) -> bool:
        """Whether the previous symbol leaks into the present one."""
        return self.filter == "one-pole"

    def leak(self, at: OperatingPoint) -> Scalar:
        """Share of the previous symbol in the present one."""
        return jnp.exp(-2.0 * math.pi * self.bandwidth_hz / at.symbol_rate_hz) if self.settles else 0.0

    def limit_electrons(self, at: OperatingPoint) -> Scalar:
        """Largest difference of the rails in one pass [electrons]."""
        return self.output_swing_v / self.feedback_resistance_ohm / ELEMENTARY_CHARGE_C / at.symbol_rate_hz

    def noise_current_density_a2_per_hz(self, at: OperatingPoint, diodes_f: Scalar) -> Scalar:
        """Input-referred noise i_n^2 averaged over the band [A^2/Hz]; about 1e-23, so keep it out of products."""
        per_charge = self._noise_charges2_per_s(at, diodes_f) * ELEMENTARY_CHARGE_C
        return per_charge * ELEMENTARY_CHARGE_C

    def _noise_charges2_per_s(self, at: OperatingPoint, diodes_f: Scalar) -> Scalar:
        """i_n^2 over the squared elementary charge [1/s]."""
        # Charges, not coulombs, from the first factor on: XLA gathers constants whatever their order, and those of the
        # channel in coulombs (1e-41) are no numbers for float32.
        per_charge = 4 * (BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C) * at.temperature_k
        resistor = per_charge / ELEMENTARY_CHARGE_C * self.noise_factor / self.feedback_resistance_ohm
        capacitance_f = self.input_capacitance_f + diodes_f
        susceptance_siemens = 2 * math.pi * capacitance_f * self.noise_bandwidth_hz(at)
        channel = per_charge * self.channel_noise_factor / self.transconductance_siemens / 3
        return resistor + channel * susceptance_siemens * (susceptance_siemens / ELEMENTARY_CHARGE_C)

    def readout_variance(self, at: OperatingPoint, diodes_f: Scalar) -> Scalar:
        """Noise of one output in one pass [electrons^2]; `diodes_f` is the capacitance of its photodiodes."""
        density = self._noise_charges2_per_s(at, diodes_f)
        return density * (self.noise_bandwidth_hz(at) / at.symbol_rate_hz) / at.symbol_rate_hz

    def power_w(self, at: OperatingPoint, diodes_f: Scalar) -> Scalar:
        """Supply power of one receiver [W]; `diodes_f` is the capacitance of its photodiodes."""
        band_hz = self.noise_bandwidth_hz(at)
        capacitance_f = self.input_capacitance_f + diodes_f
        gain_bandwidth_hz = 2 * math.pi * self.feedback_resistance_ohm * capacitance_f * band_hz**2
        second_stage_siemens = 2 * math.pi * self.load_capacitance_f * gain_bandwidth_hz
        current_a = (self.transconductance_siemens + second_stage_siemens) * self.overdrive_v / 2
        return self.supply_v * self.overhead * current_a


@stage
class IntegratingReceiver:
    """A capacitor that integrates the photocurrent of one symbol and is reset after it.

        electrons^2 per pass = k T C / q^2            C = integrating capacitor + photodiodes
        largest signal       = C_int V_swing / q      (full well of the capacitor alone)
        power                = P_amp + C V^2 f

    Left out: charge injection.

    Hamerly et al., PRX 9, 021032 (2019) discuss the k T C limit; 0.3 mW integrator: Lightening-Transformer.

    Attributes:
        capacitance_f: the integrating capacitor [F]; the photodiodes come on top.
        reset_v: voltage of the reset [V].
        amplifier_power_w: the amplifier that reads the capacitor [W].
        output_swing_v: largest voltage on the capacitor, either way [V].
    """

    capacitance_f: Scalar
    reset_v: Scalar
    amplifier_power_w: Scalar
    output_swing_v: Scalar

    def noise_bandwidth_hz(self, at: OperatingPoint) -> Scalar:
        """B = beta f with beta = 1/2 [Hz]."""
        return INTEGRATE_AND_DUMP * at.symbol_rate_hz

    @property
    def settles(self) -> bool:
        """Whether the previous symbol leaks into the present one: the reset forgets it."""
        return False

    def leak(self, at: OperatingPoint) -> Scalar:
        """Share of the previous symbol in the present one."""
        del at
        return 0.0

    def limit_electrons(self, at: OperatingPoint) -> Scalar:
        """Largest difference of the rails in one pass [electrons]."""
        del at
        return self.capacitance_f / ELEMENTARY_CHARGE_C * self.output_swing_v

    def readout_variance(self, at: OperatingPoint, diodes_f: Scalar) -> Scalar:
        """Noise of one output in one pass [electrons^2]; `diodes_f` is the capacitance of its photodiodes."""
        # k/q first: k T C is about 1e-36 and would leave float32.
        per_farad = (BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C) * at.temperature_k / ELEMENTARY_CHARGE_C
        return per_farad * (self.capacitance_f + diodes_f)

    def power_w(self, at: OperatingPoint, diodes_f: Scalar) -> Scalar:
        """Supply power of one receiver [W]; `diodes_f` is the capacitance of its photodiodes."""
        stored_j = (self.capacitance_f + diodes_f) * self.reset_v**2
        return self.amplifier_power_w + stored_j * at.symbol_rate_hz


Receiver = TransimpedanceReceiver | IntegratingReceiver


def build_receiver(*, kind: str, **values: Any) -> Receiver:
    """The receiver that a file describes: `kind` "transimpedance" or "integrating", and its fields."""
    return IntegratingReceiver(**values) if kind == "integrating" else TransimpedanceReceiver(**values)
