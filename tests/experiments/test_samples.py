import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import RequestError
from experiments.samples import Passages, chosen, digest, padded


@given(count=st.integers(2, 200), data=st.data())
def test_samples_are_chosen_evenly_and_never_twice(count, data):
    _, for_ranges = chosen(count, None, "x")
    there = count - len(for_ranges)
    wanted = data.draw(st.integers(1, there))
    measured, same = chosen(count, wanted, "x")
    assert same == for_ranges and 1 <= len(for_ranges) <= max(1, min(8, count // 4))
    assert len(set(measured)) == len(measured) == wanted
    assert not set(measured) & set(for_ranges)
    assert set(measured) | set(for_ranges) <= set(range(count))
    assert measured == sorted(measured)
    # Sorted by class or not, no part of the data is left out: gaps are those of an even spacing, give or take one
    # sample of each kind that stands between.
    gaps = np.diff([-1, *measured, count])
    assert np.max(gaps) <= 2 * np.ceil(there / wanted) + 2


def test_too_few_samples_are_refused():
    for count, wanted in ((0, None), (1, None), (2, 2), (40, 33)):
        with pytest.raises(RequestError, match=f"x holds {count} samples"):
            chosen(count, wanted, "x")


def test_rows_are_filled_up_with_themselves():
    tokens, lengths = padded([(2, 7, 3), (2, 5, 6, 8, 3)], 7)
    np.testing.assert_array_equal(tokens, [[2, 7, 3, 2, 7, 3, 2], [2, 5, 6, 8, 3, 2, 5]])
    np.testing.assert_array_equal(lengths, [3, 5])


def test_passages_have_one_shape_whichever_are_asked_for():
    passages = Passages(rows=((2, 3), (2, 9, 9, 3), (2, 9, 3)), calibration=((2, 3),))
    assert passages.tokens == (2, 4, 3)
    assert [array.shape for array in passages.inputs([0, 2])] == [(2, 4), (2,)]
    assert [array.shape for array in passages.alone(2)] == [(1, 3), (1,)]


@pytest.mark.parametrize(("length", "batch"), [(2, 64), (16, 64), (100, 10), (2000, 1)])
def test_a_batch_is_bounded_in_tokens_and_samples(length, batch):
    assert Passages(rows=((5,) * length,), calibration=((5,),)).batch == batch


def test_a_digest_tells_where_parts_end():
    assert digest([b"ab", b"c"]) != digest([b"a", b"bc"])
    assert digest([b"ab", b"c"]) == digest(iter([b"ab", b"c"]))
