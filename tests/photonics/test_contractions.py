"""Counting contractions: single products, what is a weight, control flow, names."""

import functools

import jax
import jax.numpy as jnp
import pytest

from photonics.contractions import count_contractions
from photonics.work import Contraction


def _shape(*dims: int, dtype=jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(dims, dtype)


def _only(work) -> Contraction:
    (contraction,) = work
    return contraction


def _sizes(contraction: Contraction) -> tuple[int, ...]:
    return contraction.batch, contraction.m, contraction.k, contraction.n, contraction.count


# Single products


def test_plain_product_is_found_with_its_sizes():
    found = _only(count_contractions(lambda x, w: x @ w, _shape(2, 3, 5), _shape(5, 7), weights=1))
    assert _sizes(found) == (1, 6, 5, 7, 1)
    assert (found.name, found.weights, found.stacked) == ("", True, ())


@pytest.mark.parametrize(
    "product",
    [
        lambda x, w: x @ w.T,
        lambda x, w: (w @ x.T).T,
        lambda x, w: jnp.einsum("bk,nk->bn", x, w),
        lambda x, w: jnp.einsum("nk,bk->nb", w, x),
        lambda x, w: jax.vmap(lambda row: w @ row)(x),
        lambda x, w: jax.lax.dot_general(w, x, (((1,), (1,)), ((), ()))),
    ],
)
def test_orientation_follows_the_weight(product):
    found = _only(count_contractions(product, _shape(3, 5), _shape(7, 5), weights=1))
    assert _sizes(found) == (1, 3, 5, 7, 1)
    assert found.weights
    assert found.name == ""  # einsum's own scope is none of the user's


def test_several_contracting_dimensions_are_one_length():
    def product(x, w):
        return jnp.einsum("bthd,hdm->btm", x, w)

    found = _only(count_contractions(product, _shape(2, 3, 4, 5), _shape(4, 5, 7), weights=1))
    assert _sizes(found) == (1, 6, 20, 7, 1)


def test_product_of_activations_is_digital():
    work = count_contractions(lambda q, k: q @ jnp.swapaxes(k, 1, 2), _shape(4, 6, 8), _shape(4, 9, 8))
    assert _sizes(_only(work)) == (4, 6, 8, 9, 1)
    assert (work.weight_macs, work.digital_macs) == (0, 4 * 6 * 8 * 9)
    assert work.notes == ()


def test_experts_are_matrices_of_their_own():
    work = count_contractions(
        lambda x, w: jnp.einsum("ebk,ekn->ebn", x, w), _shape(4, 2, 3), _shape(4, 3, 5), weights=1
    )
    assert _only(work).matrices == 4
    assert _sizes(_only(work)) == (4, 2, 3, 5, 1)


def test_convolution_is_a_product_of_patches():
    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID")

    found = _only(count_contractions(convolve, _shape(2, 3, 8, 8), _shape(16, 3, 3, 3), weights=1))
    assert _sizes(found) == (1, 2 * 6 * 6, 27, 16, 1)
    assert found.weights


def test_ragged_experts():
    args = _shape(10, 5), _shape(4, 5, 7), _shape(4, dtype=jnp.int32)
    work = count_contractions(jax.lax.ragged_dot, *args, weights=1)
    assert work.weight_macs == work.macs == 10 * 5 * 7
    assert sum(found.matrices for found in work) == 4


# What is a weight


def test_a_weight_survives_transposes_dequantisation_and_slices():
    def dequantised(x, codes, scales, zero):
        w = (codes.astype(jnp.float32) - zero.astype(jnp.float32)) * scales[:, None]
        w = jnp.pad(w.reshape(4, 2, 6).transpose(2, 0, 1).reshape(6, 8), ((0, 2), (0, 0)))
        w = jax.jit(lambda v: jnp.where(jnp.arange(8)[:, None] < 7, v, 0.0))(w)
        return x @ jax.lax.dynamic_slice(w, (jnp.int32(1), 0), (6, 8))

    args = _shape(3, 6), _shape(8, 6, dtype=jnp.int8), _shape(8), _shape(dtype=jnp.int8)
    assert _only(count_contractions(dequantised, *args, weights=(1, 2, 3))).weights
    # Drop one of the three and the matrix depends on data.
    for kept in ((1, 2), (1, 3), (2, 3)):
        assert not _only(count_contractions(dequantised, *args, weights=kept)).weights


def test_rows_picked_by_data_are_data():
    def lookup(tokens, table):
        return table[tokens] @ table.T

    found = _only(count_contractions(lookup, _shape(5, dtype=jnp.int32), _shape(11, 3), weights=1))
    assert found.weights  # the head; were the rows a weight too, the product would be folded
    assert _sizes(found) == (1, 5, 3, 11, 1)


def test_two_weights_fold_and_say_so():
    work = count_contractions(lambda x, a, b: x @ (a @ b), _shape(3, 4), _shape(4, 5), _shape(5, 6), weights=(1, 2))
    assert [found.weights for found in work] == [False, True]
    assert work.digital_macs == 4 * 5 * 6
    assert any("two weights" in note for note in work.notes)


def test_a_captured_matrix_is_digital_and_says_so():
    captured = jnp.ones((4, 5))
    work = count_contractions(lambda x: x @ captured, _shape(3, 4))
    assert not _only(work).weights
    assert any("constant" in note for note in work.notes)


def test_constant_vectors_shown_to_a_weight_are_a_weight_product():
    assert _only(count_contractions(lambda w: jnp.ones((2, 3)) @ w, _shape(3, 4), weights=0)).weights


def test_mutable_references_count_as_data():
    def through_reference(x, w):
        reference = jax.new_ref(w)
        return x @ reference[...]

    assert not _only(count_contractions(through_reference, _shape(2, 3), _shape(3, 4), weights=1)).weights


@pytest.mark.parametrize("positions", [2, -1, (0, 5)])
def test_positions_without_an_argument_are_refused(positions):
    with pytest.raises(ValueError, match="names no argument: there are 2"):
        count_contractions(jnp.matmul, _shape(2, 3), _shape(3, 4), weights=positions)


# Loops and branches


def test_a_scan_over_weights_is_one_record_of_a_stack():
    def stack(x, ws):
        with jax.named_scope("layers"):
            return jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), h.sum()), x, ws)

    found = _only(count_contractions(stack, _shape(3, 4), _shape(5, 4, 4), weights=1))
    assert _sizes(found) == (1, 3, 4, 4, 5)
    assert (found.stacked, found.index_after, found.matrices) == ((5,), (1,), 5)


def test_a_scan_over_time_shows_more_vectors_to_one_matrix():
    def recurrent(xs, w):
        return jax.lax.scan(lambda h, x: (jnp.tanh(h @ w + x), None), jnp.zeros((2, 4)), xs)

    found = _only(count_contractions(recurrent, _shape(5, 2, 4), _shape(4, 4), weights=1))
    assert (found.count, found.stacked, found.matrices, found.vectors_per_matrix) == (5, (), 1, 10)


def test_a_counter_that_picks_layers_is_a_stack_too():
    def stack(x, ws):
        return jax.lax.fori_loop(0, 5, lambda i, h: h @ ws[i], x)

    assert _only(count_contractions(stack, _shape(3, 4), _shape(5, 4, 4), weights=1)).stacked == (5,)


def test_nested_scans_multiply():
    def nested(x, ws):
        def group(h, group_ws):
            with jax.named_scope("layers"):
                deeper = jax.lax.scan(lambda h, w: (h @ w, None), h, group_ws)[0]
            return deeper, h @ h.T

        with jax.named_scope("groups"):
            return jax.lax.scan(group, x, ws)[0]

    work = count_contractions(nested, _shape(3, 4), _shape(2, 5, 4, 4), weights=1)
    weight, digital = work
    assert (weight.count, weight.stacked, weight.matrices) == (10, (2, 5), 10)
    assert (digital.count, digital.stacked, digital.name) == (2, (2,), "groups")
    names = [part.name for part in work.expand()]
    assert names[:6] == [f"groups/0/layers/{i}" for i in range(5)] + ["groups/1/layers/0"]
    assert names[-2:] == ["groups/0", "groups/1"]


def test_carried_weights_keep_their_origin_until_data_reaches_them():
    def loop(x, w, *, mix):
        def body(carry, _):
            h, kept, turned, spoiled = carry
            out = h @ kept + h @ turned + h @ spoiled
            return (out, kept, turned.T, spoiled + h if mix else spoiled), None

        return jax.lax.scan(body, (x, w, w, w), None, length=4)[0][0]

    kept, turned, spoiled = count_contractions(
        functools.partial(loop, mix=False), _shape(4, 4), _shape(4, 4), weights=1
    )
    assert (kept.stacked, turned.stacked, spoiled.stacked) == ((), (4,), ())
    *weights, spoiled = count_contractions(functools.partial(loop, mix=True), _shape(4, 4), _shape(4, 4), weights=1)
    assert all(found.weights for found in weights)
    assert not spoiled.weights
    assert spoiled.count == 4


def test_a_weight_made_by_an_inner_loop_is_fixed_in_its_next_run():
    def loop(x, w):
        def outer(carry, _):
            h, fixed = carry

            def inner(carry, _):
                h, turned = carry
                return (h @ fixed, turned.T), turned

            (h, turned), every = jax.lax.scan(inner, (h, fixed), None, length=3)
            return (h, turned + every[1]), None

        return jax.lax.scan(outer, (x, w), None, length=2)[0][0]

    found = _only(count_contractions(loop, _shape(4, 4), _shape(4, 4), weights=1))
    assert (found.count, found.stacked, found.weights) == (6, (2,), True)


def test_weights_that_a_scan_returns_remain_weights():
    def prepared(x, ws):
        _, scaled = jax.lax.scan(lambda c, w: (c, 2.0 * w), 0.0, ws)
        return x @ scaled[0]

    found = _only(count_contractions(prepared, _shape(3, 4), _shape(5, 4, 4), weights=1))
    assert (found.weights, found.stacked) == (True, ())


def _decode(x, w):
    with jax.named_scope("decode"):
        return jax.lax.while_loop(lambda h: jnp.sum(h @ h.T) < 3.0, lambda h: h @ w, x)


@pytest.mark.parametrize("trip_counts", [{"decode": 7}, {"dec.*": 7}, [7]])
def test_while_loops_need_a_trip_count(trip_counts):
    test, body = count_contractions(_decode, _shape(3, 4), _shape(4, 4), weights=1, trip_counts=trip_counts)
    assert (test.count, test.weights) == (8, False)  # the condition is also tried at the end
    assert (body.count, body.weights, body.matrices) == (7, True, 1)


@pytest.mark.parametrize(
    ("trip_counts", "message"),
    [
        (None, r"while loop 'decode' .*trip_counts=\{'decode': steps\}"),
        ({"other": 7}, "while loop 'decode'"),
        ({"decode": 7, "other": 1}, r"\['other'\] belong to no loop"),
        ({"decode": 7, "dec.*": 8}, "several patterns"),
        ([7, 8], r"\[8\] belong to no loop"),
        ([-1], "0 or more"),
        ([True], "whole numbers"),
    ],
)
def test_wrong_trip_counts_are_refused(trip_counts, message):
    with pytest.raises(ValueError, match=message):
        count_contractions(_decode, _shape(3, 4), _shape(4, 4), trip_counts=trip_counts)


def test_a_loop_that_data_ends_spoils_only_what_it_changes():
    def loop(x, w):
        def body(carry):
            h, kept, doubled = carry
            return h @ kept, kept, 2.0 * doubled

        h, kept, doubled = jax.lax.while_loop(lambda carry: carry[0][0, 0] < 1.0, body, (x, w, w))
        return h @ kept + h @ doubled

    inside, kept, doubled = count_contractions(loop, _shape(3, 4), _shape(4, 4), weights=1, trip_counts=[3])
    assert inside.weights and inside.stacked == ()
    assert kept.weights
    assert not doubled.weights


def test_while_loops_in_a_scan_are_asked_for_once_and_in_order():
    def nested(x, ws):
        def body(h, w):
            return _decode(h, w), None

        h = jax.lax.scan(body, x, ws)[0]
        return jax.lax.while_loop(lambda h: h[0, 0] < 1, lambda h: h @ h, h)

    work = count_contractions(nested, _shape(4, 4), _shape(5, 4, 4), weights=1, trip_counts=[3, 2])
    assert [found.count for found in work] == [20, 15, 2]
    assert work.contractions[1].stacked == (5,)


def test_while_loops_without_products_need_nothing():
    def bisect(x, w):
        return (x @ w) * jax.lax.while_loop(lambda c: c < 1.0, lambda c: 2.0 * c, x[0, 0])

    assert len(count_contractions(bisect, _shape(3, 4), _shape(4, 4))) == 1


def test_cond_counts_its_costliest_branch_and_says_so():
    def branched(x, w):
        with jax.named_scope("router"):
            return jax.lax.switch(jnp.int32(x[0, 0]), [lambda h: h, lambda h: h @ w @ w, lambda h: h @ w], x)

    work = count_contractions(branched, _shape(3, 4), _shape(4, 4), weights=1)
    assert work.macs == work.weight_macs == 2 * 3 * 4 * 4
    (note,) = work.notes
    assert "'router'" in note and "costliest" in note
    assert count_contractions(lambda x: jax.lax.cond(x > 0, jnp.sin, jnp.cos, x), _shape()).notes == ()


def test_a_weight_chosen_by_data_is_none():
    def chosen(x, a, b):
        return x @ jax.lax.cond(x[0, 0] > 0, lambda: a, lambda: b)

    assert not _only(count_contractions(chosen, _shape(3, 4), _shape(4, 4), _shape(4, 4), weights=(1, 2))).weights


# Nested functions and names


def test_scopes_join_through_nested_functions():
    @jax.custom_vjp
    def custom(x, w):
        with jax.named_scope("custom"):
            return x @ w

    custom.defvjp(lambda x, w: (custom(x, w), w), lambda w, ct: (ct @ w.T, ct))

    @jax.custom_jvp
    def squash(x):
        return jnp.tanh(x @ jnp.swapaxes(x, 0, 1) @ x)

    squash.defjvps(lambda ct, out, x: ct)

    @jax.jit
    def inner(x, w):
        with jax.named_scope("inner"):
            return jax.checkpoint(custom)(squash(x), w)

    def outer(x, w):
        with jax.named_scope("a/b"):
            x = inner(x, w)
        with jax.named_scope("c"):
            return jax.vmap(lambda row: inner(row[None], w))(x)

    names = [found.name for found in count_contractions(outer, _shape(3, 4), _shape(4, 4), weights=1)]
    assert names == ["a/b/inner", "a/b/inner", "a/b/inner/custom", "c/inner", "c/inner", "c/inner/custom"]


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_counted(recompute):
    def loss(x, ws):
        def layer(h, w):
            with jax.named_scope("mlp"):
                return jnp.tanh(h @ w), None

        with jax.named_scope("layers"):
            return jnp.sum(jax.lax.scan(jax.checkpoint(layer) if recompute else layer, x, ws)[0] ** 2)

    work = count_contractions(jax.grad(loss, (0, 1)), _shape(3, 4), _shape(5, 4, 4), weights=1)
    # Forward and by the input are products with the weight, by the weight is one of data by data.
    assert work.weight_macs == (3 if recompute else 2) * 5 * 3 * 4 * 4
    assert work.digital_macs == 5 * 3 * 4 * 4
    assert {found.name for found in work} == {"layers/mlp"}
    assert {found.stacked for found in work} == {(5,)}
    assert work.expand().contractions[0].name == "layers/0/mlp"


def test_primitives_that_hide_products_are_refused():
    def solve(a, b):
        return jax.lax.custom_linear_solve(lambda v: a @ v, b, lambda matvec, b: matvec(b), symmetric=True)

    with jax.named_scope("outside"), pytest.raises(ValueError, match="custom_linear_solve"):
        count_contractions(solve, _shape(4, 4), _shape(4))


def test_shard_map_is_refused_only_if_it_holds_products():
    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("i")
    sharded = functools.partial(jax.shard_map, mesh=mesh, in_specs=spec, out_specs=spec)
    assert len(count_contractions(lambda x: sharded(jnp.sin)(x) @ x.T, _shape(2, 2))) == 1
    with pytest.raises(ValueError, match="shard_map"):
        count_contractions(sharded(lambda x: x @ x.T), _shape(2, 2))


def test_uncounted_work_is_named():
    work = count_contractions(lambda x: jnp.linalg.cholesky(x) @ x, _shape(4, 4))
    assert len(work) == 1
    assert any("cholesky" in note for note in work.notes)
