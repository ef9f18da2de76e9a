import matplotlib.image
import numpy as np
import pytest

from experiments.errors import RequestError
from experiments.images import read_image

CODES = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)


def test_png_and_npy_hold_the_same(tmp_path):
    matplotlib.image.imsave(tmp_path / "a.png", CODES)
    np.save(tmp_path / "a.npy", CODES)
    np.save(tmp_path / "b.npy", (CODES / 255).astype(np.float64))
    expected = CODES.astype(np.float32) / 255
    for name in ("a.png", "a.npy", "b.npy"):
        found = read_image(tmp_path / name, 6, 3)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_channel_serves_all(tmp_path, channels):
    np.save(tmp_path / "grey.npy", CODES[..., 0])
    np.save(tmp_path / "single.npy", CODES[..., :1])
    for name in ("grey.npy", "single.npy"):
        found = read_image(tmp_path / name, 6, channels)
        np.testing.assert_allclose(found, np.repeat(CODES[..., :1] / 255, channels, axis=-1), atol=1e-7)


def test_opacity_is_left_and_transparency_refused(tmp_path):
    opaque = np.concatenate([CODES, np.full((6, 6, 1), 255, np.uint8)], axis=-1)
    matplotlib.image.imsave(tmp_path / "a.png", opaque)
    assert read_image(tmp_path / "a.png", 6, 3).shape == (6, 6, 3)
    opaque[0, 0, 3] = 100
    matplotlib.image.imsave(tmp_path / "b.png", opaque)
    with pytest.raises(RequestError, match=r"b\.png is transparent in places"):
        read_image(tmp_path / "b.png", 6, 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (CODES[:5], "has the shape 5x6x3, and the model takes 6x6x3; resize it first"),
        (CODES.astype(np.int64), "holds int64; give bytes"),
        (CODES.astype(np.float32), "holds values outside of 0 to 1"),
        (np.full((6, 6, 3), np.nan), "holds values outside of 0 to 1"),
        (np.zeros((0, 6, 3)), "holds values outside of 0 to 1"),
        (np.zeros((2, 6, 6, 3)), "has the shape 2x6x6x3"),
        (np.array(["a"]), "holds <U1"),
    ],
)
def test_what_is_no_image_of_the_model_is_refused(tmp_path, content, expected):
    np.save(tmp_path / "a.npy", content)
    with pytest.raises(RequestError, match=expected):
        read_image(tmp_path / "a.npy", 6, 3)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    np.save(tmp_path / "pickled.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "text.png").write_text("no image")
    for name in ("pickled.npy", "text.png"):
        with pytest.raises(RequestError, match=f"{name} cannot be read"):
            read_image(tmp_path / name, 6, 3)
    with pytest.raises(RequestError, match=r"absent\.png is not there"):
        read_image(tmp_path / "absent.png", 6, 3)
