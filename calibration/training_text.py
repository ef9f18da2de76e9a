"""Which tokens of a text a training run sees, at which step, and which it never sees.

Everything here follows from numbers alone: a run that is continued needs nothing but its step. No files, no JAX.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

SHARED_TOKENS = 13
"""Two texts that have so many tokens in a row in common share a passage; fewer are a turn of phrase.

Brown et al., Language Models are Few-Shot Learners, 2020, appendix C, use 13 words.
"""

# Odd, so that powers modulo 2^64 never vanish; Knuth, The Art of Computer Programming 2, 1997, section 3.3.4 (MMIX).
_MULTIPLIER = np.uint64(6364136223846793005)


class TooShort(ValueError):
    """A text with fewer tokens than are needed.

    Attributes:
        there: tokens, or windows, that there are.
        needed: tokens, or windows, that there must be.
    """

    def __init__(self, there: int, needed: int, what: str) -> None:
        super().__init__(f"there are {there} {what}, and {needed} are needed")
        self.there, self.needed = there, needed


@dataclasses.dataclass(frozen=True)
class Splits:
    """Positions of one document, in its order: what is held out, what is trained on, what sets converter ranges.

        | held out | gap | train ............ | gap | calibration |

    A part of no tokens needs no gap. Construction raises ValueError for parts that overlap, that are nearer to each
    other than the gap, or that reach beyond the document, so that no object with such parts exists.

    Attributes:
        tokens: length of the document.
        held_out: what training and calibration never see.
        train: what gradients come from.
        calibration: what sets converter ranges.
        gap: tokens between two parts that belong to none.
    """

    tokens: int
    held_out: range
    train: range
    calibration: range
    gap: int

    def __post_init__(self) -> None:
        parts = sorted((part for part in (self.held_out, self.train, self.calibration) if part), key=lambda p: p.start)
        if any(part.step != 1 or part.start < 0 or part.stop > self.tokens for part in parts):
            raise ValueError(f"the parts {parts} do not lie within {self.tokens} tokens")
        for one, other in itertools.pairwise(parts):
            if other.start - one.stop < self.gap:
                raise ValueError(f"the parts {one} and {other} have no gap of {self.gap} tokens between them")


def split_document(tokens: int, *, held_out: int, train: int, calibration: int, gap: int) -> Splits:
    """The first `held_out` tokens, the last `calibration` tokens, and for training all between but two gaps.

    The first and the last tokens are also what `exalight accuracy` measures and calibrates on in the same text.
    `train` is the least that training needs. TooShort where less remains; ValueError for numbers below 0.
    """
    for name, value in (("held_out", held_out), ("train", train), ("calibration", calibration), ("gap", gap)):
        if value < 0:
            raise ValueError(f"{name} must not be negative, and is {value}")
    start = held_out + gap if held_out else 0
    end = calibration + gap if calibration else 0
    if tokens < start + train + end:
        raise TooShort(tokens, start + train + end, "tokens")
    return Splits(tokens, range(held_out), range(start, tokens - end), range(tokens - calibration, tokens), gap)


def shared_passages(tokens: np.ndarray, others: np.ndarray, length: int = SHARED_TOKENS) -> np.ndarray:
    """Which of the tokens (tokens,) stand in a run of `length` that also occurs among `others`: bool (tokens,).

    Runs are compared by a hash of 64 bits: no shared run is missed, and one pair of different runs in 1.8e19 is taken
    for the same. A text shorter than a run shares none.
    """
    found = np.zeros(len(tokens), bool)
    if min(len(tokens), len(others)) < length:
        return found
    for start in np.flatnonzero(np.isin(_hashes(tokens, length), _hashes(others, length))):
        found[start : start + length] = True
    return found


def _hashes(tokens: np.ndarray, length: int) -> np.ndarray:
    """sum_j m^(j+1) t'_(i+j) modulo 2^64 of every run, t' a mixed token: uint64 (tokens - length + 1,)."""
    mixed = np.asarray(tokens).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(29)
    count = len(mixed) - length + 1
    total = np.zeros(count, np.uint64)
    for offset in range(length):
        total = total * _MULTIPLIER + mixed[offset : offset + count]
    return total


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingWindows:
    """Windows of a text in an order that is new in every epoch and known for every step without the steps before it.

    Window i stands at `starts[i]`. Epoch e shows the windows in the order of keys that Philox draws from (seed, e). A
    step takes the next batch times accumulation of them; what is left at the end of an epoch, less than a step needs,
    is dropped (in the next epoch other windows are). Within an epoch no window comes twice.

    Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011.

    Attributes:
        tokens: (tokens,) the text, int32.
        starts: (windows,) first position of each window.
        context: tokens of a window.
        batch: windows that are computed at once.
        seed: seed of the order, 0 to 2^64 - 1.
    """

    tokens: np.ndarray
    starts: np.ndarray
    context: int
    batch: int
    seed: int

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.starts)

    def steps_per_epoch(self, accumulation: int = 1) -> int:
        """Whole steps that the windows fill; TooShort where they do not fill one."""
        needed = self.batch * accumulation
        if needed < 1:
            raise ValueError(f"batch and accumulation must be 1 or more, and are {self.batch} and {accumulation}")
        if len(self) < needed:
            raise TooShort(len(self), needed, "windows")
        return len(self) // needed

    def order(self, epoch: int) -> np.ndarray:
        """The windows in the order in which an epoch shows them: a permutation (windows,)."""
        # The raw bits of Philox and a stable sort stay the same in every version of NumPy; `permutation` need not.
        keys = np.random.Philox(key=np.array([self.seed, epoch], np.uint64)).random_raw(len(self))
        return np.argsort(keys, kind="stable")

    def windows_at(self, step: int, accumulation: int = 1) -> np.ndarray:
        """Which windows a step takes, (accumulation, batch)."""
        if step < 0:
            raise ValueError(f"steps count from 0, and this one is {step}")
        epoch, place = divmod(step, self.steps_per_epoch(accumulation))
        size = self.batch * accumulation
        return self.order(epoch)[place * size : (place + 1) * size].reshape(accumulation, self.batch)

    def batch_at(self, step: int) -> np.ndarray:
        """Tokens of a step, (batch, context) int32; any step may be asked for at any time."""
        return self.micro_batches_at(step, 1)[0]

    def micro_batches_at(self, step: int, accumulation: int) -> np.ndarray:
        """Tokens of a step whose gradient is the mean over several batches: (accumulation, batch, context) int32.

        Together they are the batch that `accumulation` times the `batch` would give: accumulating changes memory, not
        what is learnt from.
        """
        starts = self.starts[self.windows_at(step, accumulation)]
        return self.tokens[starts[..., None] + np.arange(self.context)]


def training_windows(
    tokens: Sequence[int] | np.ndarray, *, context: int, batch: int, seed: int, avoid: np.ndarray | None = None
) -> TrainingWindows:
    """A text cut into consecutive windows of `context` tokens, an unfilled rest left out.

    A window that holds a token which `avoid` (tokens,) marks is left out as a whole. ValueError for a context or a
    batch that gives no window something to predict; a text that is too short is refused when a step is asked for.
    """
    if context < 2 or batch < 1:
        raise ValueError(f"context must be 2 or more and batch 1 or more, and they are {context} and {batch}")
    ids = np.asarray(tokens, np.int32)
    count = len(ids) // context
    starts = np.arange(count) * context
    if avoid is not None:
        starts = starts[~np.any(avoid[: count * context].reshape(count, context), axis=1)]
    return TrainingWindows(ids, starts, context, batch, seed)
