"""Figures are written whole, in two kinds, and the same each time."""

import matplotlib
import pytest
from matplotlib.figure import Figure

from experiments.figures import STYLE, save_figure


def _drawn(folder):
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.0, 1.0))
        figure.subplots().plot([0, 1], [1, 0], label="light")
        return save_figure(figure, folder, "ramp")


def test_a_figure_is_written_twice_and_repeats(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    files = _drawn(first)
    assert [file.name for file in files] == ["ramp.png", "ramp.svg"] == sorted(file.name for file in first.iterdir())
    assert files[0].read_bytes().startswith(b"\x89PNG") and b"<svg" in files[1].read_bytes()
    for file, again in zip(files, _drawn(second), strict=True):
        assert file.read_bytes() == again.read_bytes()


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OSError):
        _drawn(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_one_kind_is_written_if_one_is_asked_for(tmp_path):
    (file,) = save_figure(Figure(figsize=(1.0, 1.0)), tmp_path, "empty.one", ["svg"])
    assert file == tmp_path / "empty.one.svg" and list(tmp_path.iterdir()) == [file]
