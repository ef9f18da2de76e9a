"""Texts and images that an encoder answers about, as arrays, and which of them set the converter ranges."""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from experiments.errors import RequestError
from experiments.images import read_image

if TYPE_CHECKING:
    from models.vision.config import VisionConfig

CALIBRATION_SAMPLES = 8
"""At most so many samples set the converter ranges, and at most a quarter of those that there are."""

# In one call: bounds memory at about that of eight windows of 128 tokens.
_BATCH_TOKENS, _BATCH_SAMPLES = 1024, 64


class Samples(Protocol):
    """What is measured, and what sets the ranges.

    Attributes:
        labels: index of the right class of each sample; None where nothing is right or wrong.
        tokens: of each sample, the vectors that go through the layers.
    """

    labels: tuple[int, ...] | None

    @property
    def tokens(self) -> tuple[int, ...]:
        """Vectors that go through the layers, by sample."""
        ...

    @property
    def batch(self) -> int:
        """Samples in one call."""
        ...

    def inputs(self, indices: Sequence[int]) -> tuple[np.ndarray, ...]:
        """Arguments of the model for some samples, all of one shape whichever they are."""
        ...

    def alone(self, index: int) -> tuple[np.ndarray, ...]:
        """Arguments of the model for one sample without padding."""
        ...

    def calibration_inputs(self) -> tuple[np.ndarray, ...]:
        """Arguments of the model for the samples that set the ranges."""
        ...


@dataclasses.dataclass(frozen=True)
class Passages:
    """Texts as token ids, special tokens included (see `Samples`)."""

    rows: tuple[tuple[int, ...], ...]
    calibration: tuple[tuple[int, ...], ...]
    labels: tuple[int, ...] | None = None

    @property
    def tokens(self) -> tuple[int, ...]:
        """Length of each text."""
        return tuple(map(len, self.rows))

    @property
    def batch(self) -> int:
        """Samples in one call."""
        return _batch(max(self.tokens))

    def inputs(self, indices: Sequence[int]) -> tuple[np.ndarray, ...]:
        """Tokens (batch, longest of all) and lengths (batch,)."""
        return padded([self.rows[index] for index in indices], max(self.tokens))

    def alone(self, index: int) -> tuple[np.ndarray, ...]:
        """Tokens (1, time) and length (1,)."""
        return padded([self.rows[index]], len(self.rows[index]))

    def calibration_inputs(self) -> tuple[np.ndarray, ...]:
        """Tokens (samples, longest) and lengths (samples,)."""
        return padded(self.calibration, max(map(len, self.calibration)))


@dataclasses.dataclass(frozen=True)
class Images:
    """Images in files, read when they are needed (see `Samples`)."""

    paths: tuple[Path, ...]
    calibration: tuple[Path, ...]
    config: "VisionConfig"
    labels: tuple[int, ...] | None = None

    @property
    def tokens(self) -> tuple[int, ...]:
        """Patches of each image, and the class token."""
        return (self.config.tokens,) * len(self.paths)

    @property
    def batch(self) -> int:
        """Samples in one call."""
        return _batch(self.config.tokens)

    def inputs(self, indices: Sequence[int]) -> tuple[np.ndarray, ...]:
        """Images (batch, height, width, channels), normalised as the model wants them."""
        return (np.stack([self._read(self.paths[index]) for index in indices]),)

    def alone(self, index: int) -> tuple[np.ndarray, ...]:
        """Images (1, height, width, channels)."""
        return self.inputs([index])

    def calibration_inputs(self) -> tuple[np.ndarray, ...]:
        """Images (samples, height, width, channels)."""
        return (np.stack([self._read(path) for path in self.calibration]),)

    def _read(self, path: Path) -> np.ndarray:
        pixels = read_image(path, self.config.image_size, self.config.channels)
        mean, deviation = (np.array(v, np.float32) for v in (self.config.channel_mean, self.config.channel_deviation))
        return (pixels - mean) / deviation


def padded(rows: Sequence[Sequence[int]], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of tokens as (rows, width), and their lengths (rows,).

    A row is filled up with itself from its start. What stands behind its end reaches no result, but all positions go
    through the layers, and in a calibration they should look like text.
    """
    tokens = np.array([np.resize(row, width) for row in rows], np.int32)
    return tokens, np.array([len(row) for row in rows], np.int32)


def chosen(count: int, wanted: int | None, source: str) -> tuple[list[int], list[int]]:
    """Indices of the samples to measure and of those to calibrate on, each evenly spaced, so that all classes occur.

    RequestError where there are fewer than asked for, or fewer than two.
    """
    calibration = min(CALIBRATION_SAMPLES, max(1, count // 4))
    there = count - calibration
    if there < 1 or (wanted or 1) > there:
        asked = "at least one" if wanted is None else str(wanted)
        raise RequestError(
            f"{source} holds {count} samples, and {asked} to measure and {calibration} to set the converter ranges are "
            "needed"
        )
    for_ranges = [(2 * index + 1) * count // (2 * calibration) for index in range(calibration)]
    others = sorted(set(range(count)) - set(for_ranges))
    wanted = there if wanted is None else wanted
    return [others[(2 * index + 1) * there // (2 * wanted)] for index in range(wanted)], for_ranges


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 (hexadecimal) of parts of any length, told apart by their lengths."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.hexdigest()


def _batch(tokens: int) -> int:
    return max(1, min(_BATCH_SAMPLES, _BATCH_TOKENS // tokens))
