"""Light that passes the polarising beam splitter the wrong way and reaches a detector past the panel."""

from photonics.stage import Scalar, Signal, stage, static


def leaked(signal: Signal, direct: Signal, share: Signal) -> Signal:
    """Signals (..., n) of one rail with a share (n,) of the light `direct` (..., n) of the source opposite.

        y_n <- y_n + l_n x_n

    `direct` is the light of source n, after fan-in and the gain of output n. microsoft/aoc, `AOCCell.pbs_crosstalk`:
    to first order the leak comes from the source, not from the light that the panel has modulated.
    """
    return signal + direct * share


@stage
class RailLeakage:
    """Share of a source's light that reaches the detector opposite to it without passing the panel.

        l_n = share + spread n_n,      n normal, one for each detector and rail

    What both rails receive alike cancels in their difference; the spread stays. There is one detector opposite each
    source, so it is a diagonal added to the matrix.

    Attributes:
        share: mean leak.
        spread: its deviation from detector to detector and rail to rail (standard deviation).
        present: whether there is any.
    """

    share: Scalar
    spread: Scalar
    present: bool = static()
