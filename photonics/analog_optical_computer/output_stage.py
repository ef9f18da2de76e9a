"""Gains of the outputs, offsets of their converters, and the range that the gain of the machine leaves them."""

from photonics.stage import Scalar, Signal, stage


def amplified(signal: Signal, gain: Signal) -> Signal:
    """Signals (..., n) of one rail times the gain (n,) of its outputs; microsoft/aoc, `AOCCell.tia_efficiencies`."""
    return signal * gain


def corrected(
    signal: Signal, scale: Scalar, dc_offset: Signal, linear_offset: Signal, scaling: Signal, ratio: Scalar
) -> Signal:
    """Signals (..., n) [V] behind the loop of the machine: offsets of its converters and of its gain, then a gain.

        y_n <- (y_n + r (o_n + beta q_n)) s_n

    `ratio` r is volts per ADC unit, `scale` beta the gain of the machine. microsoft/aoc, `closed_loop_correction`.
    """
    return (signal + ratio * (dc_offset + scale * linear_offset)) * scaling


@stage
class OutputStage:
    """What differs from output to output behind the photodiodes, and how far the signal fills the converters.

        gain of a rail      h_r (1 + gain n +- rail n' / 2)        as `amplified`, taken as light: noise goes with it
        loop gain           1 + loop n                             behind the receivers
        offset              offset_v n                             on a full scale of `saturation.full_scale_v`
        half range          sigmas sqrt(K <x^2>) rms_k,n(v)        one gain for the whole panel, set from its weights

    n, n' normal, fixed by fabrication. The machine multiplies its whole matrix by one gain (beta), which is chosen for
    typical operands (`photonics.operands`); a calibration sample does not change it. Offsets in proportion to beta,
    which the machine has too, are left out: their mean cancels that of the others at its gain of 18.6.

    Attributes:
        plus_gain, minus_gain: mean gain h_r of each rail.
        gain_spread: relative deviation of an output, alike on both rails (standard deviation).
        rail_gain_spread: relative difference between the rails of an output (standard deviation).
        loop_gain_spread: relative deviation of the electronics behind the rails (standard deviation).
        offset_v: offset of a converter (standard deviation) [V].
        full_scale_sigmas: half range over the rms signal of typical operands.
    """

    plus_gain: Scalar
    minus_gain: Scalar
    gain_spread: Scalar
    rail_gain_spread: Scalar
    loop_gain_spread: Scalar
    offset_v: Scalar
    full_scale_sigmas: Scalar

    def gains(self) -> tuple[Scalar, Scalar]:
        """Mean gain of each rail."""
        return self.plus_gain, self.minus_gain
