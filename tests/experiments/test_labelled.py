import pytest

from experiments.errors import RequestError
from experiments.labelled import Labelled, read_images, read_texts


def test_a_table_may_have_other_columns_a_mark_in_front_and_lines_in_quotes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufefflabel,n,text\ngood,1,"two\nlines, one text"\n bad ,2,plain\n'.encode())
    given = read_texts(path, labels=True)
    assert given.values == ("two\nlines, one text", "plain")
    assert given.labels == ("good", "bad")
    assert given.places[1] == f"--data {path}, line 4,"
    assert read_texts(path, labels=False).labels is None


def test_paths_start_at_the_table(tmp_path):
    (tmp_path / "a.csv").write_text("path,label\nb/c.png,x\n/d.png,y\n")
    given = read_images(tmp_path / "a.csv", labels=True)
    assert given.values == (str(tmp_path / "b" / "c.png"), "/d.png")


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for name in ("b/2.png", "b/1.NPY", "a/3.png", "a/notes.txt", ".hidden/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    given = read_images(tmp_path, labels=True)
    assert [value.removeprefix(f"{tmp_path}/") for value in given.values] == ["a/3.png", "b/1.NPY", "b/2.png"]
    assert given.labels == ("a", "b", "b")


def test_labels_are_names_or_indices_and_names_come_first():
    given = Labelled("x", ("",) * 3, ("a", "b", "c"), ("1", "0", "cat"))
    assert given.numbers(("dog", "cat")) == [1, 0, 1]
    assert given.numbers(("1", "cat")) == [0, 0, 1]


def test_an_unknown_label_is_named_with_its_place_and_a_few_that_are_known():
    given = Labelled("x", ("",), ("line 2,",), ("fish",))
    with pytest.raises(RequestError, match=r"line 2, has the label 'fish', .*'class 9' and 990 more, or their indices"):
        given.numbers([f"class {number}" for number in range(1000)])
