"""Small labelled data for tests: a CSV of texts, and images in a folder per class."""

from pathlib import Path

import matplotlib.image
import numpy as np

from tests.models.encoder import tiny_encoders as tiny

WORDS = (
    "the light is bright",
    "a dark lens",
    "not a light",
    "the lens is not dark",
    "is a lens a light?",
    "dark, dark!",
)


def write_texts(path: Path, count: int = 24) -> Path:
    """A CSV file with the columns text,label; one of them quoted, one label by its index."""
    lines = ["id,text,label"]
    for index in range(count):
        label = ("negative", "neutral", "positive", "2")[index % 4]
        lines.append(f'{index},"{WORDS[index % len(WORDS)]}, {index}",{label}')
    path.write_text("\n".join(lines) + "\n")
    return path


def write_images(folder: Path, count: int = 10, size: int = 12) -> Path:
    """Images in folders `bar` and `dot`: PNG with three channels, one of them NPY."""
    pixels = tiny.random_images(count, {**tiny.VIT, "image_size": size}, seed=3)
    for index, image in enumerate(pixels):
        place = folder / ("bar", "dot")[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        codes = np.round(255 * image).astype(np.uint8)
        if index == 4:
            np.save(place / f"{index}.npy", codes)
        else:
            matplotlib.image.imsave(place / f"{index}.png", codes)
    return folder
