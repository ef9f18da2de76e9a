import pytest

from experiments.generate_cost import phases, products_in_turn, work
from photonics import load_engine
from tests.models.transformer.tiny_folder import TINY, tiny_model

# Four products in turn per layer (query, key and value; output; gate and up; down), and the head.
IN_TURN = 4 * TINY.layers + 1


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def engine():
    return load_engine("free-space-1024")


def test_products_that_take_the_same_vector_are_shown_together():
    layer = [
        "attention/query",
        "attention/key",
        "attention/value",
        "attention/output",
        "mlp/gate",
        "mlp/up",
        "mlp/down",
    ]
    names = [f"layers/{index}/{name}" for index in range(3) for name in layer]
    assert products_in_turn([*names, "head"]) == 3 * 4 + 1
    assert products_in_turn(["layers/0/attention/key"]) == 1
    assert products_in_turn(["a", "b"]) == 2


def test_work_of_a_prompt_and_of_a_step(model):
    shared, inner = TINY.key_value_heads * TINY.head_width, TINY.heads * TINY.head_width
    layer = TINY.width * (2 * inner + 2 * shared + 3 * TINY.hidden_width)
    head = TINY.width * TINY.vocabulary
    prompt = work(model, TINY, batch=1, time=5, held=5)
    assert prompt.weight_macs == 5 * TINY.layers * layer + head  # logits of the last token only
    step = work(model, TINY, batch=3, time=1, held=7)
    assert step.weight_macs == 3 * (TINY.layers * layer + head)
    # Scores and mixture, every query head over all tokens held.
    assert step.digital_macs == 3 * TINY.layers * 2 * 7 * inner


def test_a_text_alone_waits_for_every_product(model, engine):
    found = phases(engine, model, TINY, [5], 10, ())
    passes, rate_hz = engine.encoding.passes, float(engine.operating_point.symbol_rate_hz)
    use = float(engine.system.utilisation)
    assert found.decode.products_in_turn == found.prefill.products_in_turn == IN_TURN
    step, prompt = found.decode.summary(), found.prefill.summary()
    assert step["time_s"] == pytest.approx(IN_TURN * passes / rate_hz / use)
    assert prompt["time_s"] == pytest.approx((5 + IN_TURN - 1) * passes / rate_hz / use)
    assert step["tokens_per_s"] == pytest.approx(1 / step["time_s"])
    assert prompt["tokens_per_s"] == pytest.approx(5 / prompt["time_s"])
    assert step["panel_busy_share"] == pytest.approx(use / IN_TURN)
    assert step["passes_per_engine"] == passes


def test_shared_is_the_cost_of_the_engine_as_it_is(model, engine):
    summary = phases(engine, model, TINY, [5], 10, ()).decode.summary()
    cost = engine.cost(work(model, TINY, batch=1, time=1, held=10), panels="resident")
    assert summary["energy_j_per_token_shared"] == pytest.approx(float(cost.total_energy_j))
    assert summary["tokens_per_s_shared"] == pytest.approx(1 / float(cost.time_s))
    assert sum(summary["energy_breakdown_j_per_token"].values()) == pytest.approx(summary["energy_j_per_token"])
    # What happens per pass costs the same, what is always on costs more.
    alone = summary["energy_breakdown_j_per_token"]
    assert alone["adc"] == pytest.approx(float(cost.energy_j["adc"]))
    assert alone["laser"] == pytest.approx(IN_TURN * float(cost.energy_j["laser"]))


def test_several_texts_share_the_waiting(model, engine):
    one = phases(engine, model, TINY, [5], 10, ())
    four = phases(engine, model, TINY, [5] * 4, 10, ())
    assert four.decode.tokens == 4
    alone, together = (texts.decode.summary() for texts in (one, four))
    assert together["time_s"] == pytest.approx(alone["time_s"] * (4 + IN_TURN - 1) / IN_TURN)
    # Almost all of it is what is always on, and four vectors are not much longer on their way than one.
    assert alone["energy_j_per_token"] / 4 < together["energy_j_per_token"] < alone["energy_j_per_token"] / 2
    # Prompts are read one after the other: the same energy and time for each.
    alike = ("energy_j_per_token", "tokens_per_s", "panel_busy_share")
    prompts = [texts.prefill.summary() for texts in (one, four)]
    assert [prompts[1][key] for key in alike] == pytest.approx([prompts[0][key] for key in alike])
    assert prompts[1]["time_s"] == pytest.approx(4 * prompts[0]["time_s"])


def test_the_middle_step_stands_for_all(model, engine):
    def step_j(held: int) -> float:
        return float(engine.cost(work(model, TINY, 1, 1, held)).total_energy_j)

    # The prompt of 6 tokens gives the first of 9 new ones; the steps then hold 7 to 14 tokens.
    mean_j = sum(step_j(held) for held in range(7, 15)) / 8
    found = phases(engine, model, TINY, [6], 9, ()).decode.summary()
    assert found["energy_j_per_token_shared"] == pytest.approx(mean_j, rel=1e-4)
    assert step_j(7) < mean_j * (1 - 1e-5)


def test_digital_layers_take_no_turn(model, engine):
    found = phases(engine, model, TINY, [5], 10, ("head", "layers/1/.*"))
    assert found.decode.products_in_turn == 4
