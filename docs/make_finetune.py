"""Write the tables of docs/finetune.md, and run the studies that they come from.

    python docs/make_finetune.py                              prints the page's tables anew
    python docs/make_finetune.py characters --work DIR        trains a small character model and every arm on it
    python docs/make_finetune.py smollm2 --work DIR           the same arms on SmolLM2-135M, 10 minutes each

An arm is one call of `exalight finetune` with one thing changed. Arms that are finished in DIR are read, not run again.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from models.transformer.config import TransformerConfig
from models.transformer.model import untrained
from models.transformer.save_huggingface import save_huggingface

HERE = Path(__file__).parent
PAGE, DATA = HERE / "finetune.md", HERE / "data"

SHAPE = TransformerConfig(
    layers=4,
    width=128,
    heads=4,
    key_value_heads=4,
    head_width=32,
    hidden_width=384,
    vocabulary=256,
    context=256,
    rope_theta=1e4,
    norm_epsilon=1e-5,
    tied_head=True,
)
_SMALL_ENGINE = ("--set", "source.count=128", "panel.outputs=128")
_CHARACTERS = ("--context", "128", "--batch", "8", "--tokens", "4096")
_FULL = ("--method", "full", "--learning-rate", "5e-4")
_STUDIES: dict[str, dict[str, tuple[str, ...]]] = {
    "characters": {
        "common": (*_SMALL_ENGINE, *_CHARACTERS, "--laser-power-w", "0.004", "--steps", "300"),
        "all on": (*_FULL, "--learn-gains", "--clipping", "learned", "--power-spread", "0.7"),
    },
    "smollm2": {
        "common": ("--laser-power-w", "0.01", "--steps", "42"),
        "all on": ("--learn-gains", "--clipping", "learned", "--power-spread", "0.7"),
    },
}
"""Options of every arm of a study, and those of the arm in which every method is on."""

_CLEAN = ("--noise", "off", "--teacher", "0")
_OFF: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "all on": ((), ()),
    "no noise: clean training on the text": (("--power-spread",), _CLEAN),
    "noise from histograms": (("--power-spread",), ("--noise", "measured")),
    "no equalisation": ((), ("--equalise", "0")),
    "no rotation": ((), ("--rotate", "off")),
    "no distillation: the text alone": ((), ("--teacher", "0")),
    "no learned ranges": ((), ("--no-learn-ranges",)),
    "no learned gains": (("--learn-gains",), ()),
    "no clipping": (("--clipping",), ()),
    "one laser power": (("--power-spread",), ()),
    "one fabricated engine": ((), ("--machines", "1")),
    "text of the model's own": ((), ("--data", "self")),
    "ranges and gains alone": (("--method", "--learning-rate"), ("--method", "ranges")),
}
"""By arm, options that are taken away from "all on" and options that are put in."""

_OTHER_METHOD = {
    "characters": {"LoRA instead": (("--method", "--learning-rate"), ("--method", "lora"))},
    "smollm2": {"all weights instead": ((), ("--method", "full"))},
}


def arms(study: str) -> dict[str, list[str]]:
    """The options of every arm of a study, by the arm's name."""
    chosen, told = _STUDIES[study], {}
    for name, (without, more) in (_OFF | _OTHER_METHOD[study]).items():
        told[name] = [*chosen["common"], *_less(list(chosen["all on"]), without), *more]
    return told


def _less(options: list[str], names: tuple[str, ...]) -> list[str]:
    """Options without those of some names and what stands behind each."""
    left, skip = [], False
    for one in options:
        if one.startswith("--"):
            skip = one in names
        if not skip:
            left.append(one)
    return left


def study(name: str, work: Path) -> None:
    """Run every arm of a study and store its table."""
    text = ("--data", str(_python_reference(work))) if name == "characters" else ()
    model = _characters(work, text) if name == "characters" else "smollm2-135m"
    rows = []
    for arm, options in arms(name).items():
        # One arm reads what the model itself writes.
        options = [*(text if "--data" not in options else ()), *options]
        result = _run(work / arm.replace(" ", "-").replace(":", "").replace("'", ""), model, options)
        rows.append({"arm": arm, **_row(result)})
        print(json.dumps(rows[-1]), flush=True)
        facts = {"study": name, "options": arms(name), **_facts(), "rows": rows}
        (DATA / f"finetune-{name}.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def _python_reference(work: Path) -> Path:
    """The language reference that every Python has in it: half a million characters, so that a model can generalise."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / "python-reference.txt"
    path.write_text("\n\n".join(topics[name] for name in sorted(topics)), "utf-8")
    return path


def _characters(work: Path, text: tuple[str, ...]) -> str:
    """The digital character model: random weights, then trained on the text by the command itself."""
    start = work / "random"
    if not (start / "config.json").exists():
        vocabulary = {token: number for number, token in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        save_huggingface(start, untrained(SHAPE), tokenizer)
    options = [*_SMALL_ENGINE, *_CHARACTERS, *_CLEAN, "--method", "full", "--learning-rate", "3e-3", "--equalise", "0"]
    options += ["--steps", "3000", "--warmup", "100", "--seeds", "1", "--judged-machines", "1", *text]
    _run(work / "digital", str(start), options)
    return str(work / "digital" / "model")


def _run(folder: Path, model: str, options: list[str]) -> dict[str, Any]:
    if not (folder / "result.json").exists():
        code = "from experiments.cli import main; raise SystemExit(main())"
        command = [sys.executable, "-c", code, "finetune", "--model", model, *options, "--out", str(folder)]
        if (folder / "config.toml").exists():
            command.append("--resume")
        subprocess.run(command, check=True, cwd=HERE.parent, stdout=subprocess.DEVNULL)
    return json.loads((folder / "result.json").read_text("utf-8"))


def _row(result: dict[str, Any]) -> dict[str, Any]:
    digital = [result[arm]["digital"]["loss_nats"] for arm in ("before", "after")]
    powers = [
        {
            "laser_power_w": one["laser_power_w"],
            **{
                f"{measure}_{arm}": row[measure]
                for arm, row in (("before", one), ("after", other))
                for measure in ("loss_nats", "kl_nats", "kl_nats_spread")
            },
        }
        for one, other in zip(result["before"]["optical"], result["after"]["optical"], strict=True)
    ]
    saving = result["energy_saving"]
    return {
        "digital_loss_before_nats": digital[0],
        "digital_loss_after_nats": digital[1],
        "powers": powers,
        "recovery": result["recovery"]["kl"],
        "recovery_standard_error": result["recovery"]["kl_standard_error"],
        "light_saving": saving["factor"],
        "light_saving_at_least": saving["at_least"],
        "runs": len(result["after"]["optical"][0]["runs"]),
        "steps": len(result["curve"]),
        "seconds": result["seconds"],
    }


def _facts() -> dict[str, Any]:
    import importlib.metadata

    packages = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax", "numpy")}
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"date": day, "python": platform.python_version(), "packages": packages, "cores": os.cpu_count()}


def table(study: dict[str, Any]) -> str:
    """The table of a study in Markdown: divergence and loss at every power, recovery, light."""
    powers = [one["laser_power_w"] for one in study["rows"][0]["powers"]]
    heads = [f"KL at {power_w * 1e3:.3g} mW" for power_w in powers] + [f"loss at {powers[0] * 1e3:.3g} mW"]
    lines = [f"| arm | {' | '.join(heads)} | digital loss | recovered | light saved | seconds |"]
    lines.append("|---|" + "---:|" * (len(heads) + 4))
    first = study["rows"][0]
    untuned = [f"{one['kl_nats_before']:.3f}" for one in first["powers"]]
    untuned.append(f"{first['powers'][0]['loss_nats_before']:.3f}")
    lines.append(f"| before any training | {' | '.join(untuned)} | {first['digital_loss_before_nats']:.3f} | | | |")
    for row in study["rows"]:
        cells = [f"{one['kl_nats_after']:.3f}" for one in row["powers"]]
        cells.append(f"{row['powers'][0]['loss_nats_after']:.3f}")
        bound = "at least " if row["light_saving_at_least"] else ""
        saved = "none" if row["light_saving"] is None else f"{bound}{row['light_saving']:.2f} x"
        share = f"{100 * row['recovery']:.0f} +- {100 * row['recovery_standard_error']:.0f} %"
        digital = f"{row['digital_loss_after_nats']:.3f}"
        lines.append(f"| {row['arm']} | {' | '.join(cells)} | {digital} | {share} | {saved} | {row['seconds']:.0f} |")
    facts = ", ".join(f"{name} {version}" for name, version in study["packages"].items())
    lines.append("")
    lines.append(
        f"Means over {first['runs']} runs (noise seeds on fabricated engines), {first['steps']} steps; "
        f"{study['date']}, Python {study['python']}, {facts}, {study['cores']} cores. Shares compare with the untuned "
        "model of the same row; without rotation that is a model without rotation."
    )
    return "\n".join(lines)


def page() -> str:
    """The page with its tables printed anew; words outside of the marks stay."""
    text = PAGE.read_text("utf-8")
    for name in _STUDIES:
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        stored = DATA / f"finetune-{name}.json"
        if begin in text and stored.exists():
            head, rest = text.split(begin)
            text = head + begin + table(json.loads(stored.read_text("utf-8"))) + "\n" + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=list(_STUDIES))
    parser.add_argument("--work", type=Path, help="folder of the runs of a study")
    chosen = parser.parse_args()
    if chosen.study is not None:
        if chosen.work is None:
            parser.error("a study needs --work DIR")
        study(chosen.study, chosen.work.resolve())
    if PAGE.exists():
        PAGE.write_text(page(), "utf-8")
