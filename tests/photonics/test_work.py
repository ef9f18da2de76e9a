"""Records of work: their sums, their selection, and the names of layers in scanned stacks."""

import pytest

from photonics.work import Contraction, Work


def _stacked() -> Contraction:
    return Contraction(
        name="layers/mlp/down", batch=2, m=3, k=5, n=7, count=8, weights=True, stacked=(4,), index_after=(1,)
    )


def test_macs_are_the_product_of_all_sizes():
    contraction = _stacked()
    assert contraction.macs == 2 * 3 * 5 * 7 * 8
    assert contraction.matrices == 2 * 4
    assert contraction.vectors_per_matrix == 3 * 8 // 4
    assert contraction.matrices * contraction.vectors_per_matrix * contraction.k * contraction.n == contraction.macs


def test_sums_split_into_weight_and_digital_macs():
    digital = Contraction(name="scores", batch=1, m=2, k=2, n=2)
    work = Work((_stacked(),), ("a",)) + Work((digital,), ("a", "b"))
    assert work.macs == work.weight_macs + work.digital_macs
    assert (work.weight_macs, work.digital_macs) == (_stacked().macs, 8)
    assert work.notes == ("a", "b")
    assert len(work) == 2
    assert list(work) == [_stacked(), digital]


def test_expand_names_every_layer_and_keeps_the_work():
    work = Work((_stacked(),))
    expanded = work.expand()
    assert [part.name for part in expanded] == [f"layers/{i}/mlp/down" for i in range(4)]
    assert expanded.macs == work.macs
    assert all(part.stacked == () and part.count == 2 for part in expanded)
    assert expanded.expand() == expanded


def test_expand_of_nested_stacks_puts_every_index_in_its_place():
    nested = Contraction(
        name="groups/layers/mlp", batch=1, m=1, k=1, n=1, count=6, weights=True, stacked=(2, 3), index_after=(1, 2)
    )
    names = [part.name for part in nested.expand()]
    assert names == [f"groups/{group}/layers/{layer}/mlp" for group in range(2) for layer in range(3)]
    in_no_scope = Contraction(
        name="", batch=1, m=1, k=1, n=1, count=6, weights=True, stacked=(2, 3), index_after=(0, 0)
    )
    assert [part.name for part in in_no_scope.expand()] == ["0/0", "0/1", "0/2", "1/0", "1/1", "1/2"]


def test_select_takes_whole_names_or_a_condition():
    work = Work((_stacked(), Contraction(name="head", batch=1, m=1, k=1, n=1))).expand()
    assert [part.name for part in work.select(r"layers/1/.*")] == ["layers/1/mlp/down"]
    assert len(work.select(r"layers")) == 0
    assert [part.name for part in work.select(lambda part: not part.weights)] == ["head"]


def test_an_empty_stack_is_no_work():
    empty = Contraction(name="layers", batch=1, m=2, k=3, n=4, count=0, weights=True, stacked=(0,), index_after=(1,))
    assert (empty.macs, empty.matrices, empty.vectors_per_matrix, empty.expand()) == (0, 0, 0, ())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"m": -1}, "0 or more"),
        ({"stacked": (4,)}, "index_after"),
        ({"count": 3, "stacked": (2,), "index_after": (0,)}, "multiple"),
    ],
)
def test_impossible_records_are_refused(wrong, message):
    sizes = {"name": "", "batch": 1, "m": 1, "k": 1, "n": 1} | wrong
    with pytest.raises(ValueError, match=message):
        Contraction(**sizes)
