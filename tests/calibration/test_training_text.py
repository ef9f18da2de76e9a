"""Splits that cannot overlap, passages that two texts share, and an order that every step knows by itself."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from calibration.training_text import Splits, TooShort, shared_passages, split_document, training_windows

small = st.integers(0, 40)


def windows(count=23, context=4, batch=3, seed=0):
    return training_windows(np.arange(count * context + 1), context=context, batch=batch, seed=seed)


@given(tokens=st.integers(0, 200), held_out=small, train=small, calibration=small, gap=small)
def test_no_position_is_in_two_parts_and_gaps_lie_between(tokens, held_out, train, calibration, gap):
    needed = train + sum(part + gap for part in (held_out, calibration) if part)
    if tokens < needed:
        with pytest.raises(TooShort) as refusal:
            split_document(tokens, held_out=held_out, train=train, calibration=calibration, gap=gap)
        assert (refusal.value.there, refusal.value.needed) == (tokens, needed)
        return
    splits = split_document(tokens, held_out=held_out, train=train, calibration=calibration, gap=gap)
    parts = [np.array(part, int) for part in (splits.held_out, splits.train, splits.calibration)]
    assert [len(parts[0]), len(parts[2])] == [held_out, calibration] and len(parts[1]) >= train
    together = np.concatenate(parts)
    assert len(set(together.tolist())) == len(together)
    assert all(0 <= position < tokens for position in together)
    assert np.all(np.diff(together) > 0)
    filled = [part for part in parts if len(part)]
    for one, other in itertools.pairwise(filled):
        assert other[0] - one[-1] - 1 >= gap
    # Nothing is wasted: only the gaps belong to no part.
    if train:
        assert tokens - len(together) == gap * (bool(held_out) + bool(calibration))


@given(bounds=st.lists(st.integers(-3, 30), min_size=6, max_size=6), gap=st.integers(0, 4))
def test_parts_that_overlap_or_touch_do_not_exist(bounds, gap):
    parts = [range(bounds[i], bounds[i + 1]) for i in (0, 2, 4)]
    filled = [part for part in parts if part]
    within = all(part.start >= 0 and part.stop <= 25 for part in filled)
    margins = [set(range(part.start, part.stop + gap)) for part in filled]
    apart = sum(map(len, margins)) == len(set().union(*margins))
    if within and apart:
        Splits(25, *parts, gap)
    else:
        with pytest.raises(ValueError, match=r"gap of|do not lie"):
            Splits(25, *parts, gap)


@pytest.mark.parametrize(
    "parts", [((0, 10), (13, 20), (23, 25)), ((13, 20), (0, 10), (23, 25)), ((0, 0), (0, 22), (25, 25))]
)
def test_a_gap_is_enough_where_one_token_less_is_not(parts):
    held_out, train, calibration = (range(*part) for part in parts)
    splits = Splits(25, held_out, train, calibration, 3)
    assert [splits.held_out, splits.train, splits.calibration] == [held_out, train, calibration]
    if held_out:
        with pytest.raises(ValueError, match="have no gap of 4 tokens"):
            Splits(25, held_out, train, calibration, 4)
    with pytest.raises(ValueError, match="have no gap of 3 tokens"):
        Splits(25, range(10), range(12, 20), range(23, 25), 3)


def test_negative_sizes_are_refused():
    with pytest.raises(ValueError, match="held_out must not be negative, and is -1"):
        split_document(100, held_out=-1, train=1, calibration=1, gap=1)


@given(
    tokens=st.lists(st.integers(0, 2), max_size=40),
    others=st.lists(st.integers(0, 2), max_size=40),
    length=st.integers(1, 6),
)
def test_shared_passages_are_those_of_a_search_by_hand(tokens, others, length):
    runs = {tuple(others[i : i + length]) for i in range(len(others) - length + 1)}
    expected = np.zeros(len(tokens), bool)
    for i in range(len(tokens) - length + 1):
        if tuple(tokens[i : i + length]) in runs:
            expected[i : i + length] = True
    np.testing.assert_array_equal(shared_passages(np.array(tokens, int), np.array(others, int), length), expected)


def test_the_same_tokens_in_another_order_are_another_passage():
    passage = np.arange(50, 63)
    assert np.all(shared_passages(passage, passage))
    for other in (passage[::-1], np.roll(passage, 1), passage[[1, 0, *range(2, 13)]]):
        assert not np.any(shared_passages(other, passage))


def test_large_token_numbers_are_told_apart():
    rng = np.random.default_rng(0)
    tokens, others = (rng.integers(0, 200_000, 20_000).astype(np.int32) for _ in range(2))
    # 4e8 pairs of runs of two tokens: 20000^2 / 200000^2 of them agree by chance, in 0.01 expected.
    assert np.sum(shared_passages(tokens, others, 2)) == 0
    others[500:520] = tokens[7000:7020]
    assert np.flatnonzero(shared_passages(tokens, others)).tolist() == list(range(7000, 7020))


@given(
    count=st.integers(1, 40), batch=st.integers(1, 6), accumulation=st.integers(1, 4), seed=st.integers(0, 2**32 - 1)
)
def test_no_window_comes_twice_in_an_epoch(count, batch, accumulation, seed):
    data = windows(count, batch=batch, seed=seed)
    assume(count >= batch * accumulation)
    steps = data.steps_per_epoch(accumulation)
    for epoch in range(2):
        shown = np.concatenate([data.windows_at(epoch * steps + i, accumulation) for i in range(steps)], axis=None)
        assert len(set(shown.tolist())) == len(shown) == steps * batch * accumulation
        assert count - len(shown) < batch * accumulation
        assert sorted(data.order(epoch).tolist()) == list(range(count))


def test_windows_are_passages_of_the_text():
    data = training_windows(np.arange(100, 150), context=8, batch=6, seed=1)
    shown = data.batch_at(0)
    assert shown.shape == (6, 8) and shown.dtype == np.int32
    assert sorted(shown[:, 0].tolist()) == [100, 108, 116, 124, 132, 140]
    np.testing.assert_array_equal(shown - shown[:, :1], np.tile(np.arange(8), (6, 1)))


def test_any_step_is_known_by_itself():
    one, other = windows(), windows()
    steps = [5, 0, 17, 5, 3, 100_003]
    asked = {step: one.batch_at(step) for step in sorted(steps)}
    for step in steps:
        np.testing.assert_array_equal(other.batch_at(step), asked[step])


def test_the_order_stays_the_same_in_every_version():
    """The order of the raw bits of Philox-4x64-10 with the key (7, 3), by the rounds of the paper without NumPy."""
    assert windows(8, seed=7).order(3).tolist() == [2, 5, 7, 3, 0, 6, 4, 1]


def test_epochs_and_seeds_differ():
    orders = [windows(seed=seed).order(epoch).tolist() for seed in range(3) for epoch in range(20)]
    # 60 permutations of 23 agree nowhere by chance: 1770 pairs, 1 in 2.6e22 each.
    assert len(set(map(tuple, orders))) == 60
    # Every window is about as often first half as second: 60 draws of one half, 5 sigma.
    places = np.argsort(orders, axis=1)
    assert np.all(np.abs(np.mean(places < 11.5, axis=0) - 0.5) < 5 * 0.5 / np.sqrt(60) + 1 / 23)


def test_what_an_epoch_drops_the_next_one_shows():
    data = windows(count=7, batch=3)
    dropped = [set(range(7)) - set(data.order(epoch)[:6].tolist()) for epoch in range(40)]
    assert set().union(*dropped) == set(range(7))


@given(accumulation=st.integers(1, 5), step=st.integers(0, 50))
def test_accumulating_learns_from_the_batch_that_is_as_large(accumulation, step):
    micro = windows(batch=4).micro_batches_at(step, accumulation)
    assert micro.shape == (accumulation, 4, 4)
    np.testing.assert_array_equal(micro.reshape(-1, 4), windows(batch=4 * accumulation).batch_at(step))


def test_windows_that_hold_what_is_avoided_are_left_out():
    avoid = np.zeros(41, bool)
    avoid[[7, 21, 40]] = True
    data = training_windows(np.arange(41), context=4, batch=1, seed=0, avoid=avoid)
    assert data.starts.tolist() == [0, 8, 12, 16, 24, 28, 32, 36]
    shown = np.concatenate([data.batch_at(step) for step in range(data.steps_per_epoch())], axis=None)
    assert not np.any(avoid[shown])


def test_what_cannot_be_is_refused():
    with pytest.raises(TooShort, match="there are 23 windows, and 24 are needed"):
        windows(batch=8).micro_batches_at(0, 3)
    with pytest.raises(TooShort, match="there are 0 windows"):
        training_windows([1, 2, 3], context=4, batch=1, seed=0).batch_at(0)
    for step in (-1, -100):
        with pytest.raises(ValueError, match="steps count from 0"):
            windows().batch_at(step)
    with pytest.raises(ValueError, match="accumulation must be 1 or more"):
        windows().micro_batches_at(0, 0)
    for context, batch in ((1, 1), (4, 0)):
        with pytest.raises(ValueError, match="context must be 2 or more"):
            training_windows([1, 2, 3], context=context, batch=batch, seed=0)
