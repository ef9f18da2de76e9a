import math

import numpy as np
import pytest

from experiments.accuracy_encoders_results import ClassScores, EmbeddingScores


def test_embeddings_in_closed_form():
    cosine = np.linspace(0.9, 1.0, 101)
    scores = EmbeddingScores(cosine=cosine, cosine_distance=1 - cosine, relative_error=np.full(101, 0.25))
    assert scores.summary() == pytest.approx(
        {
            "cosine_mean": 0.95,
            "cosine_p5": 0.905,
            "cosine_distance": 0.05,
            # Variance of 101 numbers evenly spaced over 0.1.
            "cosine_standard_error": 0.001 * math.sqrt(101 * 102 / 12) / math.sqrt(101),
            "relative_error": 0.25,
        }
    )
    assert scores.baseline() == {"samples": 101}
    assert scores.by_part()[100] == {"sample": 100, "cosine": 1.0, "relative_error": 0.25}


def test_classes_in_closed_form():
    digital_right, right = np.array([True, True, False, False]), np.array([True, False, False, True])
    scores = ClassScores(
        nll_nats=np.array([0.1, 2.1, 3.0, 0.2]),
        kl_nats=np.array([0.1, 0.2, 0.3, 0.4]),
        agrees=np.array([True, False, True, False]),
        predicted=np.array([0, 1, 1, 0]),
        right=right,
        digital_nll_nats=np.array([0.0, 0.1, 2.0, 1.2]),
        digital_predicted=np.array([0, 0, 1, 1]),
        digital_right=digital_right,
    )
    summary = scores.summary()
    assert "perplexity" not in summary
    assert summary["accuracy"] == summary["digital_accuracy"] == 0.5
    assert summary["accuracy_change"] == 0.0
    # Changes 0, -1, 0, 1: variance 2 / 3, of the mean of four 1 / 6.
    assert summary["accuracy_standard_error"] == pytest.approx(math.sqrt(1 / 6))
    assert summary["loss_nats"] == pytest.approx(1.35)
    assert summary["loss_increase_nats"] == pytest.approx((0.1 + 2.0 + 1.0 - 1.0) / 4)
    assert summary["kl_nats"] == pytest.approx(0.25)
    assert summary["top1_agreement"] == 0.5
    assert scores.baseline() == pytest.approx({"accuracy": 0.5, "loss_nats": 0.825, "samples": 4})
    assert scores.by_part()[1] == {
        "sample": 1,
        "predicted": 1,
        "digital_predicted": 0,
        "right": False,
        "digital_right": True,
        "loss_nats": 2.1,
        "kl_nats": 0.2,
    }


def test_a_single_sample_has_no_error():
    one = np.array([0.5])
    assert math.isnan(EmbeddingScores(one, one, one).summary()["cosine_standard_error"])
