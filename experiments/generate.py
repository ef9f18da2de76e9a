"""The run of `exalight generate`: the same prompts continued by the digital model and through light, side by side."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import Array

from experiments.continuation import Continuation
from experiments.decoding import Decoder, Drawn
from experiments.environment import environment
from experiments.errors import Stopped
from experiments.evaluation import DigitalModel, Products, optical_copy
from experiments.generate_cost import Phases, phases
from experiments.generate_display import Display, Pair, make_display
from experiments.generate_output import write_output
from experiments.generate_request import GenerateRequest
from experiments.model_source import loaded
from experiments.runs import ENVIRONMENT_FILE
from experiments.stopping import stoppable
from experiments.words import engineering
from models.transformer.load import load_model
from photonics.catalogue import build_engine
from photonics.layers import load_panels, reseed

# Streams of the seed: noise has the numbers of the prompts, the draw of tokens has one that no prompt reaches.
_TOKENS_STREAM = 2**32 - 1


def run_generate(request: GenerateRequest, argv: Sequence[str]) -> Path:
    """Write both texts, and return the path of `result.json`.

    Stopped, with a message that says so, on SIGINT or SIGTERM; what was written before is put away all the same.
    """
    run, interrupted = _Run(request), False
    with stoppable():
        try:
            with make_display(run.heading, request.config.max_new_tokens) as display:
                run.prepare(argv, display)
                run.write(display)
        except (KeyboardInterrupt, Stopped):
            if not run.tokens_written:
                raise Stopped("stopped before the first token") from None
            run.interrupt()
            interrupted = True
        path = write_output(request, run.pairs, run.heading, run.phases(), run.decoders)
    if interrupted:
        raise Stopped(f"stopped; what was written before is in {path}")
    return path


class _Run:
    """Two models at work on the same prompts."""

    decoders: dict[str, Decoder]
    digital: DigitalModel

    def __init__(self, request: GenerateRequest) -> None:
        self.request = request
        self.engine = build_engine(request.engine_file)
        power = engineering(float(self.engine.operating_point.laser_power_w), "W")
        self.heading = f"optical ({request.config.engine}, {power} per source)"
        self.pairs = [Pair(prompt, self._continuation(), self._continuation()) for prompt in request.config.prompt]

    @property
    def tokens_written(self) -> int:
        """Tokens of the longest text."""
        return max(len(text.token_ids) for pair in self.pairs for text in (pair.digital, pair.optical))

    def prepare(self, argv: Sequence[str], display: Display) -> None:
        """Load, calibrate, encode and compile; opens the folder of the run."""
        request, config = self.request, self.request.config
        display.note(f"loading {config.model}")
        self.digital = DigitalModel.of(loaded(lambda: load_model(request.checkpoint)).model)
        display.note("setting converter ranges")
        calibration = jnp.asarray([request.calibration], jnp.int32)
        optical = optical_copy(self.digital, self.engine, Products(config.digital), calibration, config.seed)
        # Only now is everything known that could make the request a wrong one.
        request.folder.open()
        request.folder.write_json(ENVIRONMENT_FILE, environment(argv, config.seed, jax.default_backend()))
        display.note("encoding weights onto panels")
        load_panels(optical)
        reseed(optical, self._per_prompt(jax.random.key(config.seed)))
        self.decoders = {}
        for name, model in (("digital", self.digital.copy()), ("optical", optical)):
            display.note(f"compiling the {name} model")
            decoder = Decoder(model, request.checkpoint.config, request.prompts, config.max_new_tokens)
            decoder.compile(self._token_keys(0), config.temperature, config.top_p)
            self.decoders[name] = decoder

    def write(self, display: Display) -> None:
        """Token after token, both models in turn, until all texts have ended."""
        drawn: dict[str, Drawn] = {}
        for step in range(self.request.config.max_new_tokens):
            keys = self._token_keys(step)
            for name, decoder in self.decoders.items():
                texts: list[Continuation] = [getattr(pair, name) for pair in self.pairs]
                if all(text.ended for text in texts):
                    continue
                drawn[name] = decoder.decode(drawn[name][0], keys) if step else decoder.prefill(keys)
                for text, token, probability in zip(texts, *drawn[name], strict=True):
                    text.append(int(token), float(probability))
            display.show(self.pairs)
            if all(pair.ended for pair in self.pairs):
                return

    def interrupt(self) -> None:
        """End all texts where they are."""
        for pair in self.pairs:
            pair.digital.interrupt()
            pair.optical.interrupt()

    def phases(self) -> Phases:
        """What the machine takes for the tokens that were written through light."""
        config, model = self.request.config, self.request.checkpoint.config
        lengths = [len(prompt) for prompt in self.request.prompts]
        written = max(len(pair.optical.token_ids) for pair in self.pairs)
        return phases(self.engine, self.digital.copy(), model, lengths, written, config.digital)

    def _continuation(self) -> Continuation:
        request = self.request
        return Continuation(request.checkpoint.tokenizer, request.stop_tokens, request.config.max_new_tokens)

    def _token_keys(self, step: int) -> Array:
        """Keys (batch,) that draw the tokens of a step: the same for both models, so that only logits part them."""
        root = jax.random.fold_in(jax.random.key(self.request.config.seed), _TOKENS_STREAM)
        return self._per_prompt(jax.random.fold_in(root, step))

    def _per_prompt(self, key: Array) -> Array:
        return jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.arange(len(self.request.prompts)))
