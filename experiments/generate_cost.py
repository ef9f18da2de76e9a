"""What the optical machine takes for a text: reading the prompts, then one step after the other."""

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from models.transformer.cache import empty_cache
from photonics import count_contractions

if TYPE_CHECKING:
    from models.transformer.config import TransformerConfig
    from photonics.cost import Cost
    from photonics.engine import Engine
    from photonics.work import Work

# Products of one layer that take the same vector are shown it at the same time.
_SHOWN_WITH = {"key": "query", "value": "query", "up": "gate"}


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase of generation on the machine, all panels resident.

    Attributes:
        tokens: tokens that it reads.
        alone: costs, one after the other, where nothing else runs: every product waits for the one before it.
        shared: the same where other texts fill the pauses, so that no panel waits.
        products_in_turn: optical products that wait for each other.
    """

    tokens: int
    alone: tuple["Cost", ...]
    shared: tuple["Cost", ...]
    products_in_turn: int

    def summary(self) -> dict[str, Any]:
        """Numbers for `result.json`: times in seconds, energies at the wall per token read."""
        first = self.alone[0]
        time_s, shared_s = (sum(float(cost.time_s) for cost in costs) for costs in (self.alone, self.shared))
        energy_j, shared_j = (sum(float(cost.total_energy_j) for cost in costs) for costs in (self.alone, self.shared))
        parts = {part: sum(float(cost.energy_j[part]) for cost in self.alone) for part in first.energy_j}
        busy_s = sum(float(cost.utilisation) * float(cost.time_s) for cost in self.alone)
        return {
            "tokens": self.tokens,
            "time_s": time_s,
            "tokens_per_s": self.tokens / time_s,
            "tokens_per_s_shared": self.tokens / shared_s,
            "energy_j_per_token": energy_j / self.tokens,
            "energy_j_per_token_shared": shared_j / self.tokens,
            "energy_breakdown_j_per_token": {part: part_j / self.tokens for part, part_j in parts.items()},
            "power_w": energy_j / time_s,
            "panel_busy_share": busy_s / time_s,
            "products_in_turn": self.products_in_turn,
            "engines": first.engines,
            "passes_per_engine": sum(cost.passes for cost in self.alone) / first.engines,
            "conversions_per_token": sum(cost.conversions for cost in self.alone) / self.tokens,
            "macs_per_token": sum(cost.macs for cost in self.alone) / self.tokens,
            "optical_macs_per_token": sum(cost.optical_macs for cost in self.alone) / self.tokens,
        }


@dataclasses.dataclass(frozen=True)
class Phases:
    """Reading all prompts, one after the other, and one step of all texts, half-way between the first and the last."""

    prefill: Phase
    decode: Phase


def phases(
    engine: "Engine",
    digital_model: Any,
    config: "TransformerConfig",
    prompt_lengths: Sequence[int],
    new_tokens: int,
    digital: Sequence[str],
) -> Phases:
    """Both phases for prompts of these lengths and `new_tokens` tokens after each; `digital` as in `Engine.cost`.

    A prompt gives the first new token, so there are new_tokens - 1 steps (where there are none, the first is counted).
    Their cost is linear in the tokens held, by attention alone, so that one in the middle stands for all; texts of
    different lengths count with their mean.
    """
    prompts = [
        _phase(engine, work(digital_model, config, 1, length, length), length, digital) for length in prompt_lengths
    ]
    prefill = Phase(
        sum(prompt_lengths),
        tuple(phase.alone[0] for phase in prompts),
        tuple(phase.shared[0] for phase in prompts),
        prompts[0].products_in_turn,
    )
    texts = len(prompt_lengths)
    held = round(sum(prompt_lengths) / texts + max(new_tokens, 2) / 2)
    return Phases(prefill, _phase(engine, work(digital_model, config, texts, 1, held), texts, digital))


def _phase(engine: "Engine", counted: "Work", tokens: int, digital: Sequence[str]) -> Phase:
    """The cost of one prompt, or of one step of several texts.

    With V vectors shown to each panel and D products in turn, and a machine that hands every vector on as soon as it is
    read, the last one has passed after

        time = (V + D - 1) passes / (f utilisation)

    instead of V passes / (f utilisation), and every panel stays on that long. In a prompt, token t may be layers ahead
    of token t + 1, since it does not see it; in a step there are as many vectors as texts. Left out, as in
    `photonics.cost`: time of digital work between the products, latency of converters, links between engines, memory
    traffic of keys and values.
    """
    optical = [
        c
        for c in counted.expand()
        if c.weights and c.macs and not any(re.search(pattern, c.name) for pattern in digital)
    ]
    vectors = max(c.vectors_per_matrix for c in optical)
    in_turn = products_in_turn([c.name for c in optical])
    filled = vectors / (vectors + in_turn - 1)
    waiting = engine.replace(**{"system.utilisation": engine.system.utilisation * filled})
    alone, shared = (machine.cost(counted, panels="resident", digital=digital) for machine in (waiting, engine))
    return Phase(tokens, (alone,), (shared,), in_turn)


def products_in_turn(names: Sequence[str]) -> int:
    """Products that wait for each other, of layers with these names; query, key and value, gate and up do not."""
    places = [name.rpartition("/") for name in names]
    return len({(scope, _SHOWN_WITH.get(name, name)) for scope, _, name in places})


def work(model: Any, config: "TransformerConfig", batch: int, time: int, held: int) -> "Work":
    """The products of `model` reading (batch, time) tokens after which each text holds `held`; logits of the last only.

    Products with keys and values count over all tokens held, as in a full attention matrix.
    """
    # A cache that is just full: slots that nobody has filled would count as well.
    cache = jax.eval_shape(lambda: empty_cache(config, batch, held))
    tokens = jax.ShapeDtypeStruct((batch, time), jnp.int32)
    return count_contractions(model.extend, tokens, cache, last_only=True)
