"""Images from files, as arrays: PNG by matplotlib, NPY by NumPy. No resizing: a model's images have its size."""

from pathlib import Path

import numpy as np

from experiments.errors import RequestError


def read_image(path: Path, size: int, channels: int) -> np.ndarray:
    """An image (size, size, channels) with values in [0, 1], float32.

    A PNG may have one channel, which is repeated, and an opaque fourth one, which is left. An NPY file holds
    (size, size) or (size, size, channels), bytes 0 to 255 or floats 0 to 1. RequestError for a file that is missing,
    unreadable or of another size, and for values out of range.
    """
    try:
        pixels = _stored(path)
    except FileNotFoundError:
        raise RequestError(f"the image {path} is not there") from None
    # Decoders raise what they like for a damaged file: SyntaxError, struct.error, EOFError ...
    except Exception as error:
        raise RequestError(
            f"the image {path} cannot be read ({type(error).__name__}); give a PNG or NPY file"
        ) from error
    pixels = _with_channels(path, _in_unit_range(path, pixels), channels)
    if pixels.shape != (size, size, channels):
        raise RequestError(
            f"the image {path} has the shape {'x'.join(map(str, pixels.shape))}, and the model takes "
            f"{size}x{size}x{channels}; resize it first"
        )
    return pixels


def _stored(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        return np.load(path, allow_pickle=False)
    from matplotlib.image import imread

    with path.open("rb") as file:
        # The format is named, so that nothing else is guessed from the content.
        return np.asarray(imread(file, format="png"))


def _in_unit_range(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Values as floats 0 to 1."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float32) / 255
    if not np.issubdtype(pixels.dtype, np.floating):
        raise RequestError(f"the image {path} holds {pixels.dtype}; give bytes (uint8) or floats from 0 to 1")
    if pixels.size == 0 or not (np.min(pixels) >= 0 and np.max(pixels) <= 1):
        raise RequestError(f"the image {path} holds values outside of 0 to 1; scale it, or give bytes (uint8)")
    return pixels.astype(np.float32)


def _with_channels(path: Path, pixels: np.ndarray, channels: int) -> np.ndarray:
    """The same image with an axis of channels: a single one is repeated, opacity is left."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim == 3 and pixels.shape[-1] == channels + 1 and channels in (1, 3):
        if np.min(pixels[..., -1]) < 1:
            raise RequestError(f"the image {path} is transparent in places; give an opaque one")
        pixels = pixels[..., :-1]
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, channels, axis=-1)
    return pixels
