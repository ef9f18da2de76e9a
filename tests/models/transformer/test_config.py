"""The shape of a model: derived numbers, rotary divisors, and what is refused."""

import dataclasses
import math

import numpy as np
import pytest

from models.transformer.config import (
    LLAMA_3_1_8B,
    LLAMA_3_1_70B,
    LLAMA_3_1_405B,
    linear_divisors,
    llama3_divisors,
)
from tests.models.transformer.tiny_folder import TINY

LLAMA_3_1 = {"factor": 8, "low_frequency_factor": 1, "high_frequency_factor": 4, "original_context": 8192}


@pytest.mark.parametrize(
    ("config", "published"),
    # What the tensors of the published files add up to.
    [(LLAMA_3_1_8B, 8_030_261_248), (LLAMA_3_1_70B, 70_553_706_496), (LLAMA_3_1_405B, 405_853_388_800)],
)
def test_llama_3_1_has_the_published_sizes(config, published):
    assert config.parameters == published


def test_llama_3_divisors_at_both_ends_and_between():
    divisors = llama3_divisors(128, 5e5, **LLAMA_3_1)
    wavelength = np.array([2 * math.pi * 5e5 ** (2 * j / 128) for j in range(64)])  # tokens per turn
    np.testing.assert_array_equal(np.array(divisors)[wavelength < 8192 / 4], 1)
    np.testing.assert_array_equal(np.array(divisors)[wavelength > 8192], 8)
    between = (wavelength >= 8192 / 4) & (wavelength <= 8192)
    assert between.sum() == 6
    # Frequencies are mixed, not wavelengths: half a share of 1 and of 1/8 is 9/16.
    share = (8192 / wavelength[between] - 1) / 3
    np.testing.assert_allclose(1 / np.array(divisors)[between], share + (1 - share) / 8)
    assert LLAMA_3_1_70B.rotary_divisors == divisors
    assert np.all(np.diff(divisors) >= 0)


def test_linear_divisors():
    assert linear_divisors(8, 2.5) == (2.5,) * 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rotary_divisors": (1.0,) * 3}, r"head_width / 2 = 4 numbers or none, not 3"),
        ({"rotary_divisors": (1.0, 0.0, 1.0, 1.0)}, "rotary_divisors must be positive and finite"),
        ({"window": 0}, "window must be a positive number of tokens or None, not 0"),
        ({"head_width": 7}, "head_width must be even, not 7"),
        ({"layers": 0}, "layers of a transformer must be a positive integer"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **fields)


@pytest.mark.parametrize("changes", [{"factor": 0}, {"low_frequency_factor": 4}, {"original_context": 0}])
def test_llama_3_scaling_is_checked(changes):
    with pytest.raises(ValueError, match="the llama3 rotary scaling needs factor > 0"):
        llama3_divisors(8, 1e4, **(LLAMA_3_1 | changes))
