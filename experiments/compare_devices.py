"""Are draws and products the same on several devices? `uv run python -m experiments.compare_devices`.

Makes four devices of the CPU (XLA's --xla_force_host_platform_device_count), computes a batch on one and on all, and
prints: draws that differ, outputs of one layer that differ by one step of its converter or by more, collectives in the
compiled programs, and how far the scores of a whole model move.
"""

import argparse
import dataclasses
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.devices import Devices
    from experiments.evaluation import Batch, OpticalModel, Task
    from photonics.free_space import FreeSpaceEngine

_FLAG = "--xla_force_host_platform_device_count"
_COLLECTIVES = re.compile(r"\b(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)(?:-start)?\(")
# Sequences, tokens in each, and a layer of SmolLM2-135M whose contraction takes one tile, and one that takes two.
_BATCH, _LAYERS = (8, 128), ((576, 1536), (1536, 576))


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=4, help="devices to make of the CPU (default 4)")
    parser.add_argument("--model", default="smollm2-135m", help="model, as of exalight accuracy (default smollm2-135m)")
    parser.add_argument("--tokens", type=int, default=1024, help="tokens of the default text (default 1024)")
    parser.add_argument("--context", type=int, default=128, help="tokens of one window (default 128)")
    parser.add_argument("--program", action="store_true", help="look for collectives in the whole model, too")
    parser.add_argument("--set", action="append", default=[], help="PATH=VALUE of the engine free-space-1024")
    asked = parser.parse_args()
    # Read when JAX is first asked for its devices.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_FLAG}={asked.devices}".strip()
    from experiments.devices import Devices
    from photonics.catalogue import load_engine
    from photonics.free_space import FreeSpaceEngine

    many, engine = Devices.chosen("all"), load_engine("free-space-1024", asked.set)
    assert isinstance(engine, FreeSpaceEngine)
    print(f"devices: {len(many)}")
    for part in (_draws(many), _layers(many, engine), _whole_model(many, engine, asked)):
        for name, value in part:
            print(f"{name}: {value}", flush=True)


def _draws(many: "Devices") -> Iterator[tuple[str, str]]:
    import jax
    import numpy as np

    from photonics.draws import standard_normal

    keys = jax.random.split(jax.random.key(0), _BATCH[0])
    draw = jax.jit(lambda keys: standard_normal(keys, (*keys.shape, _BATCH[1], 1024)))
    one, other = (np.asarray(draw(given))[: _BATCH[0]] for given in (keys, many.spread(keys)))
    yield "draws that differ", f"{np.count_nonzero(one != other)} of {one.size}"


def _layers(many: "Devices", engine: "FreeSpaceEngine") -> Iterator[tuple[str, str]]:
    import jax
    import numpy as np

    multiply = jax.jit(engine.matmul)
    for number, (k, n) in enumerate(_LAYERS):
        key_w, key_x, key_noise = jax.random.split(jax.random.key(number), 3)
        x = jax.random.normal(key_x, (*_BATCH, k))
        panel = engine.load_panel(jax.random.normal(key_w, (k, n)) / k**0.5, sample=x[:1])
        keys = jax.random.split(key_noise, _BATCH[0])
        spread = many.spread((keys, x))
        compiled = multiply.lower(*spread, panel).compile()
        one, other = (np.asarray(y)[: _BATCH[0]] for y in (multiply(keys, x, panel), compiled(*spread, panel)))
        # One step of the converter is worth as much as its activation scale, by token, and its weight scale, by output.
        lsb = np.asarray(panel.full_scale * panel.scale).min(axis=0) / engine.adc.levels()
        scale = np.abs(np.asarray(engine.encoding.activation_scales(engine.encoding.rotate_activations(x))))
        steps = np.abs(one - other) / (scale * lsb)
        moved = np.count_nonzero(steps > 0.5)
        title = f"layer {k} to {n}"
        yield f"{title}, outputs that differ by a step", f"{moved} of {one.size} ({moved / one.size:.2g})"
        yield f"{title}, largest difference in steps", f"{steps.max():.3f}"
        yield f"{title}, outputs equal to the last bit", f"{np.mean(one == other):.6f}"
        control = np.asarray(multiply(jax.random.split(key_x, _BATCH[0]), x, panel))
        yield f"{title}, the same with other keys", f"{np.mean(np.abs(one - control) > 0.5 * scale * lsb):.2g}"
        yield f"{title}, collectives", _collectives(compiled.as_text())


def _whole_model(many: "Devices", engine: "FreeSpaceEngine", asked: argparse.Namespace) -> Iterator[tuple[str, str]]:
    import numpy as np

    from experiments.accuracy import task_of
    from experiments.accuracy_config import AccuracyConfig
    from experiments.accuracy_request import model_and_data
    from experiments.devices import Devices
    from experiments.evaluation import DigitalModel, OpticalModel, Products

    config = AccuracyConfig(model=asked.model, tokens=asked.tokens, context=asked.context)
    checkpoint, sample, _ = model_and_data(config)
    task = task_of(config, checkpoint, sample)
    scores: list[dict[str, Any]] = []
    for devices in (Devices.chosen(1), many):
        digital = DigitalModel.of(task.load(), devices)
        optical = OpticalModel(digital, engine, Products(), task, 0, devices)
        optical.use(engine, panels_changed=True)
        batch = task.batches[0].on(devices)
        reference = task.reference(digital, batch)
        scores.append(optical.score(batch, reference))
    sequences = [shard.data.shape[0] for shard in batch.tokens.addressable_shards]
    one, other = scores
    moved = np.abs(one["nll_nats"] - other["nll_nats"])

    def means(name: str) -> str:
        return " and ".join(f"{score[name].mean():.6f}" for score in scores)

    yield "model, sequences on each device", " ".join(str(n) for n in sequences)
    yield "model, tokens", str(moved.size)
    yield "model, mean loss on one device and on all [nats]", means("nll_nats")
    yield "model, mean divergence on one device and on all [nats]", means("kl_nats")
    yield "model, tokens whose loss is equal to the last bit", f"{np.mean(moved == 0):.4f}"
    yield "model, root mean square difference of the loss of a token [nats]", f"{np.sqrt(np.mean(moved**2)):.2g}"
    yield "model, tokens whose agreement changed", str(np.count_nonzero(one["agrees"] != other["agrees"]))
    if asked.program:
        yield "model, collectives", _collectives(_program(optical, task, batch, reference))


def _program(optical: "OpticalModel", task: "Task", batch: "Batch", reference: Any) -> str:
    """The compiled program of the scores of a batch, as text."""
    import jax

    graph, state = optical.split()

    def score(state: Any, inputs: Any, reference: Any) -> Any:
        return task.score(graph, state, dataclasses.replace(batch, inputs=inputs), reference)

    return jax.jit(score).lower(state, batch.inputs, reference).compile().as_text() or ""


def _collectives(program: str | None) -> str:
    """How many collectives of each kind a compiled program has."""
    found = Counter(_COLLECTIVES.findall(program or ""))
    return ", ".join(f"{count} {kind}" for kind, count in sorted(found.items())) or "none"


if __name__ == "__main__":
    main()
