import math

import numpy as np
import pytest

from experiments.finetune_recovery import Saving, recovery, saving


def test_recovery_is_the_share_that_is_gone():
    told = recovery([0.5, 0.7], [0.2, 0.4])
    assert told["recovery"] == pytest.approx(1.0 - 0.6 / 1.2)
    # Left over: 0.2 - 0.25 and 0.4 - 0.35, about a mean of 0.
    assert told["standard_error"] == pytest.approx(math.sqrt(2 * 0.05**2 / 1) / math.sqrt(2) / 0.6)


def test_its_standard_error_is_the_spread_of_many_recoveries():
    # 400 experiments of n = 15 pairs; the spread of 400 draws is known to 1 / sqrt(800), 4 of which are 14 %.
    rng = np.random.default_rng(5)
    before = 0.4 + 0.03 * rng.standard_normal((400, 15))
    after = 0.5 * before + 0.02 * rng.standard_normal((400, 15))
    told = [recovery(one, other) for one, other in zip(before.tolist(), after.tolist(), strict=True)]
    spread = np.std([one["recovery"] for one in told], ddof=1)
    assert np.mean([one["standard_error"] for one in told]) == pytest.approx(spread, rel=4 / math.sqrt(800))


def test_nothing_lost_has_nothing_to_recover_and_one_pair_no_error():
    assert recovery([0.0, 0.0], [0.0, 0.1]) == {"recovery": None, "standard_error": None}
    assert recovery([0.5], [0.1])["standard_error"] is None


@pytest.mark.parametrize(("before", "after"), [([], []), ([0.1], [0.1, 0.2]), ([math.nan], [0.1])])
def test_what_is_no_pair_is_refused(before, after):
    with pytest.raises(ValueError, match=r"no pairs|no number"):
        recovery(before, after)


def test_a_power_law_gives_its_own_power_back():
    after = {power_w: 1e-3 / power_w for power_w in (0.01, 0.005, 0.0025)}
    found = saving(0.01, 0.3, after)
    assert found.laser_power_w == pytest.approx(1e-3 / 0.3)
    assert found.factor == pytest.approx(3.0) and not found.at_least


def test_beyond_what_was_measured_nothing_is_claimed():
    assert saving(0.01, 0.3, {0.01: 0.1, 0.005: 0.2}) == Saving(2.0, 0.005, at_least=True)
    assert saving(0.01, 0.3, {0.01: 0.4, 0.005: 0.2}) == Saving(None, None, at_least=False)


def test_a_curve_that_turns_back_gives_the_smaller_saving():
    found = saving(0.01, 0.3, {0.01: 0.2, 0.005: 0.4, 0.0025: 0.25})
    assert found.factor is not None and 1.0 < found.factor < 2.0
