"""The files of MNIST: read whole, told from other data of the same form, and never replaced by it."""

import gzip
import json

import pytest

from experiments.errors import RequestError
from experiments.validate_mnist_files import check_mnist, parsed, read_part
from tests.experiments.idx_files import idx, write_folder
from tests.experiments.validation import command

# How often the digits of MNIST occur, in its training and test set.
TRAIN = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)


def labels(counts):
    return b"".join(bytes([digit]) * count for digit, count in enumerate(counts))


def test_an_idx_file_is_read_whole():
    assert parsed(idx((2, 3), b"abcdef")) == ((2, 3), b"abcdef")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x0d\1" + bytes(8), "no IDX file"),
        (b"\0\0\x08\3\0\0", "ends within its header"),
        (idx((2, 3), b"abcde"), "5 bytes of data, and its header says (2, 3)"),
        (idx((2, 3), b"abcdefg"), "7 bytes of data"),
    ],
)
def test_damaged_files_are_refused(content, expected):
    with pytest.raises(ValueError) as refusal:
        parsed(content)
    assert expected in str(refusal.value)


def test_packed_files_and_both_spellings_are_found(tmp_path):
    images, own = [bytes([n] * 4) for n in range(3)], bytes([0, 1, 2])
    folder = write_folder(tmp_path / "a", {"train": (images, own)}, 2, packed=True)
    assert read_part(folder, "train") == (((3, 2, 2), b"".join(images)), ((3,), own))
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert read_part(folder, "train")[1].content == own


# Named, because an archive holds the time at which it was made.
@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"\0\0")[:-3], b"\x1f\x8b no", gzip.compress(b"x")],
    ids=["cut short", "no archive", "too little"],
)
def test_damaged_archives_are_refused(tmp_path, content):
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(RequestError, match=r"train-images-idx3-ubyte\.gz (is damaged|cannot be read)"):
        read_part(tmp_path, "train")


def real_shapes(monkeypatch, train, test):
    """Shapes as MNIST has them, without its 47 million pixels."""
    from experiments import validate_mnist_files as files

    def part(folder, name):
        own = labels(train if name == "train" else test)
        return files.Idx((len(own), 28, 28), b""), files.Idx((len(own),), own)

    monkeypatch.setattr(files, "read_part", part)


def test_mnist_is_known_by_its_labels(tmp_path, monkeypatch):
    real_shapes(monkeypatch, TRAIN, TEST)
    assert len(check_mnist(tmp_path)) == 64


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ((6000,) * 10, (1000,) * 10, "is not MNIST: its train labels occur"),
        (TRAIN, (1000,) * 10, "is not MNIST: its t10k labels occur"),
        ((100,) * 10, (10,) * 10, "MNIST has (60000, 28, 28)"),
    ],
)
def test_no_other_data_stands_in_for_mnist(tmp_path, monkeypatch, train, test, expected):
    real_shapes(monkeypatch, train, test)
    with pytest.raises(RequestError) as refusal:
        check_mnist(tmp_path)
    assert expected in str(refusal.value)


def test_the_command_refuses_what_is_not_mnist(tmp_path):
    image = bytes(28 * 28)
    small = [image] * 10, bytes(range(10))
    folder = write_folder(tmp_path / "digits", {"train": small, "t10k": small}, 28, packed=True)
    status, out, err = command("--mnist", str(folder), "--only", "mnist")
    assert status == 2 and out == "" and err.count("\n") == 1 and "MNIST has" in err


def test_without_mnist_its_cases_are_skipped_and_neither_pass_nor_fail(tmp_path):
    status, out, err = command("--only", "^O2-", "--out", str(tmp_path / "run"))
    assert status == 0 and "0 of 2 cases pass, 0 fail, 2 skipped" in out and "--mnist PATH" in err
    cases = json.loads((tmp_path / "run" / "result.json").read_text())["cases"]
    assert [case["pass"] for case in cases] == [None, None]
    assert all("needs MNIST" in case["reason"] and case["simulated"] is None for case in cases)
    assert not (tmp_path / "run" / "validate.png").exists()
