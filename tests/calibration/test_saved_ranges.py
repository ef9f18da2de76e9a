import json

import numpy as np
import pytest
from flax import nnx

from calibration.learned_ranges import calibrated
from calibration.saved_ranges import install_ranges, ranges_text
from photonics.layers import opticalize
from photonics.layers.opticalize import optical_seams
from tests.calibration.light import TOKENS, engine, lit
from tests.models.transformer.tiny_folder import TINY, tiny_model


def test_ranges_come_back_bit_for_bit():
    model, _ = lit()
    text = ranges_text(model)
    other, _ = lit()
    for seam in optical_seams(other):
        full, unit = seam.dot().ranges[0].get_value()
        seam.dot().ranges[0].set_value((2.0 * full, 3.0 * unit))
    assert not np.array_equal(model(TOKENS), other(TOKENS))
    install_ranges(other, text)
    for name, held in calibrated(optical_seams(model)).items():
        for one, two in zip(held[0], calibrated(optical_seams(other))[name][0], strict=True):
            np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(model(TOKENS), other(TOKENS))


def test_a_model_without_ranges_has_none_to_save():
    model = tiny_model(TINY)
    opticalize(model, engine(), rngs=nnx.Rngs(noise=0))
    with pytest.raises(ValueError, match="no converter ranges yet"):
        ranges_text(model)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda held: "no json", "cannot be read"),
        (lambda held: json.dumps([1]), "cannot be read"),
        (lambda held: json.dumps(held | {"layers/mlp/down": {"adc": [[2], "AAAA"]}}), "cannot be read"),
        (lambda held: json.dumps({"layers/mlp/down": held["layers/mlp/down"]}), "do not belong together"),
        (lambda held: json.dumps(held | {"head": held["layers/mlp/down"]}), "the ranges of head have the shapes"),
    ],
)
def test_other_texts_are_refused(change, expected):
    model, _ = lit()
    held = json.loads(ranges_text(model))
    with pytest.raises(ValueError, match=expected):
        install_ranges(model, change(held))
