"""Gains and offsets of the outputs, and the range they leave."""

import jax.numpy as jnp
import numpy as np
import pytest

from photonics.analog_optical_computer.output_stage import amplified, corrected


def test_gain_and_correction_of_each_output():
    signal, gain = np.ones((1, 2)), np.array([1.0, 2.0])
    np.testing.assert_array_equal(amplified(signal, gain), [[1.0, 2.0]])
    # (1 + 2 (0.1 + 10 * 0.01)) * 0.5 and * 1.
    after = corrected(signal, 10.0, np.full(2, 0.1), np.full(2, 0.01), np.array([0.5, 1.0]), 2.0)
    np.testing.assert_allclose(after, [[0.7, 1.4]])


def test_drawn_gains_and_offsets_have_their_spreads(small, drawn):
    engine = small({"panel.outputs": 4096})
    machine = drawn(engine, (1, 1, 4096), 7)
    within = 5 / np.sqrt(2 * 4096)
    assert np.std(machine.offset_v) == pytest.approx(0.0184, rel=within)
    assert np.std(machine.loop_gain) == pytest.approx(0.0338, rel=within)
    plus, minus = np.ravel(machine.plus.gain), np.ravel(machine.minus.gain)
    assert np.std(plus / 1.038 - minus / 1.053) == pytest.approx(0.0174, rel=within)
    assert np.corrcoef(plus, minus)[0, 1] == pytest.approx(0.487, abs=0.06)


def test_an_offset_is_a_share_of_the_range(bare, drawn):
    engine = bare({"output.offset_v": 0.0329, "saturation.full_scale_v": 3.29})
    tile = engine.load_panel(jnp.ones((12, 8))).of_tile(0)
    np.testing.assert_allclose(
        tile["offset"] / tile["full_scale"], np.ravel(drawn(engine, (1, 12, 8), 0).offset_v) / 3.29, rtol=1e-5
    )
