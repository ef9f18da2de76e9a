import typing

from experiments.measures import COSINE, KL_OF_TOKENS, MEASURES, TaskName, token_name


def test_every_task_has_a_measure():
    assert set(MEASURES) == set(typing.get_args(TaskName))
    for measure in MEASURES.values():
        assert list(measure.compared) == sorted(measure.compared)
        assert set(measure.targets) <= set(measure.compared)


def test_values_in_words():
    assert KL_OF_TOKENS.words(0.02) == "0.02 nats"
    assert COSINE.words(0.001) == "0.001"


def test_what_a_token_is_called():
    assert token_name({"text": {"source": "x"}}) == "token"
    assert token_name({"data": {"source": "x"}}) == "token"
    assert token_name({"data": {"token": "patch"}}) == "patch"
