"""Origins of values, and which inputs of a call are weights, data or constants."""

import functools
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from photonics.weight_dependence import CONSTANT, DATA, WEIGHT, Origin, join, trace_call


def _shape(*dims: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(dims, jnp.float32)


class _Normed(nnx.Module):
    """A layer with weights, running statistics and a random stream."""

    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 6, use_bias=False, rngs=rngs)
        self.mean = nnx.BatchStat(jnp.zeros(6))
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, *, train: bool = False):
        y = self.linear(x)
        if train:
            self.mean[...] = 0.9 * self.mean[...] + 0.1 * y.mean(0)
        return self.dropout(y - self.mean[...], deterministic=not train)

    def project(self, x):
        return self.linear(x)


def _shapes_by_origin(origins, jaxpr) -> dict[Origin, list[tuple[int, ...]]]:
    shapes: dict[Origin, list[tuple[int, ...]]] = {}
    for origin, aval in zip(origins, jaxpr.in_avals, strict=True):
        shapes.setdefault(origin, []).append(aval.shape)
    return shapes


def test_join_of_origins():
    loop = (3, 1)
    assert join([]) == CONSTANT
    assert (WEIGHT | CONSTANT).is_weight
    assert not (WEIGHT | DATA).is_weight
    assert not CONSTANT.is_weight
    sliced = WEIGHT.inside(loop)
    assert sliced.is_weight and sliced.loops == {loop}
    assert sliced.after(loop) == WEIGHT
    assert (sliced | DATA).loops == frozenset()


def test_arrays_are_data_weights_by_position_and_numbers_stay_python():
    def fn(x, table, scale, *, flag):
        assert isinstance(scale, float) and flag is True
        return x @ table["w"] * scale

    jaxpr, origins = trace_call(fn, (_shape(2, 4), {"w": np.zeros((4, 3), np.float32)}, 2.0), {"flag": True}, {1})
    assert _shapes_by_origin(origins, jaxpr) == {DATA: [(2, 4)], WEIGHT: [(4, 3)]}


@pytest.mark.parametrize("abstract", [False, True])
def test_params_of_a_module_are_weights_and_its_state_is_data(abstract):
    def make():
        return _Normed(nnx.Rngs(0))

    model = nnx.eval_shape(make) if abstract else make()
    jaxpr, origins = trace_call(model, (_shape(2, 4),), {"train": True})
    shapes = _shapes_by_origin(origins, jaxpr)
    assert shapes[WEIGHT] == [(4, 6)]
    assert sorted(shapes[DATA]) == [(), (), (2, 4), (6,)]  # key and count of the stream, x, mean


@pytest.mark.parametrize(
    "call",
    [
        lambda model: (model, ()),
        lambda model: (model.project, ()),
        lambda model: (functools.partial(model, train=False), ()),
        lambda model: (lambda m, x: m(x), (model,)),
        lambda model: (lambda holder, x: holder["model"](x), ({"model": model},)),
        lambda model: (functools.partial(lambda m, x: m(x), model), ()),
    ],
)
def test_modules_come_in_any_place(call):
    fn, args = call(_Normed(nnx.Rngs(0)))
    jaxpr, origins = trace_call(fn, (*args, _shape(2, 4)), {})
    assert _shapes_by_origin(origins, jaxpr)[WEIGHT] == [(4, 6)]


def test_states_keep_the_kinds_of_their_variables():
    graph, state = nnx.split(_Normed(nnx.Rngs(0)))
    jaxpr, origins = trace_call(lambda graph, state, x: nnx.merge(graph, state)(x), (graph, state, _shape(2, 4)), {})
    assert _shapes_by_origin(origins, jaxpr)[WEIGHT] == [(4, 6)]


def test_a_position_makes_all_variables_of_a_module_weights():
    model = _Normed(nnx.Rngs(0))
    jaxpr, origins = trace_call(lambda m, x: m(x), (model, _shape(2, 4)), {}, {0})
    assert _shapes_by_origin(origins, jaxpr)[DATA] == [(2, 4)]


def test_the_model_itself_is_untouched():
    model = _Normed(nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)))
    trace_call(model, (_shape(2, 4),), {"train": True})
    after = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)))
    jax.tree.map(np.testing.assert_array_equal, before, after)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="not list"):
        trace_call([1], (), {})  # pyright: ignore[reportArgumentType]


def test_flax_is_not_imported_for_plain_functions():
    program = (
        "import sys, jax, jax.numpy as jnp; from photonics.contractions import count_contractions as count;"
        "s = jax.ShapeDtypeStruct((2, 2), jnp.float32); assert count(jnp.matmul, s, s, weights=1).weight_macs == 8;"
        "assert not any(name.startswith('flax') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, cwd=Path(__file__).parents[2])
