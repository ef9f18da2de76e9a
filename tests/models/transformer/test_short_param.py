"""Parameters held in bfloat16: what is read is what was written, rounded."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from models.transformer.short_param import Bfloat16Param

finite = st.floats(width=32, allow_nan=False, min_value=-(2.0**120), max_value=2.0**120, allow_subnormal=False)


@given(values=st.lists(finite, min_size=1, max_size=8))
def test_reading_and_writing_round_to_nearest(values):
    written = np.array(values, dtype=np.float32)
    param = Bfloat16Param(jnp.zeros(len(values), jnp.uint16))
    param.set_value(jnp.array(written))
    expected = written.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(param.get_value(), expected.astype(np.float32))
    np.testing.assert_array_equal(param.get_raw_value(), expected.view(np.uint16))


def test_parts():
    param = Bfloat16Param(jnp.zeros((2, 3), jnp.uint16))
    param[1] = jnp.array([1.0, -2.5, 1 / 3])
    assert param[...].dtype == jnp.float32
    np.testing.assert_allclose(param[1], [1, -2.5, 1 / 3], rtol=2**-8)
    np.testing.assert_array_equal(param[0], 0)
    param[...] *= 2
    np.testing.assert_allclose(param[1], [2, -5, 2 / 3], rtol=2**-8)


def test_layers_take_it_and_training_is_refused():
    layer = nnx.Linear(3, 2, use_bias=False, rngs=nnx.Rngs(0))
    exact = layer.kernel[...]
    layer.kernel = Bfloat16Param(jnp.zeros((3, 2), jnp.uint16))
    layer.kernel[...] = exact
    x = jnp.array([[1.0, 2.0, 3.0]])
    rounded = exact.astype(jnp.bfloat16).astype(jnp.float32)
    np.testing.assert_allclose(nnx.jit(lambda m, x: m(x))(layer, x), x @ rounded, rtol=1e-6)
    abstract = nnx.eval_shape(lambda: nnx.clone(layer))
    assert abstract.kernel.get_value() == jax.ShapeDtypeStruct((3, 2), jnp.float32)
    with pytest.raises(TypeError, match="uint16"):
        nnx.grad(lambda m: jnp.sum(m(x)))(layer)
