"""Write docs/engines.md: the families of engines, what each engine of the catalogue comes to, and who runs a model.

Run it by hand after changing an engine; a test compares the page with what this prints. The accuracies are measured by
hand, with the command on the page, and stand in docs/data/families.toml.
"""

import tomllib
from pathlib import Path

from photonics.catalogue import build_engine, engine_names, read_engine_file
from photonics.families import FAMILIES

HERE = Path(__file__).parent
PAGE, MEASURED = HERE / "engines.md", HERE / "data" / "families.toml"

_OPENING = """# Engines: seven families, one interface

This page is printed by `python docs/make_engines.py`. A file in `photonics/engines` names its `family`; every family
has the same interface (`load_panel`, `matmul`, `matmul_reference`, `cost`, `explain`, gradients) and the same
rules, which one suite of tests checks for all of them: the ideal limit is exact, photons counted one by one give
the law of the fast path, draws belong to a key, energy by part sums to the whole, and every number has a source
([hardware.md](hardware.md)). What published machines report stands beside what these engines give in
[validation.md](validation.md).

| family | what it is | how a signed product becomes light | what limits it |
|---|---|---|---|
"""

_LAWS = {
    "free-space": (
        "weights on two rails, activations in two passes ([other encodings](encodings.md))",
        "shot noise of all light, receivers, converters; reloads of the panel",
    ),
    "analog-optical-computer": (
        "activations about a bias, weights on two panels by polarisation, in the order of operations of microsoft/aoc",
        "uneven sources and columns, neighbours' crosstalk, the bias light's shot noise",
    ),
    "block-floating-point": (
        "one pass: signed drive, weights that steer light between two photodiodes; bfloat16 scales per tile",
        "noise of the converter behind a gain; clipping when the gain is high",
    ),
    "residue": (
        "one core per modulus: each product adds its phase, which wraps by itself; digits meet again in integers",
        "a residue misread by one level is no small error: phase noise has to stay below half a level",
    ),
    "homodyne": (
        "both operands are fields, multiplied on balanced photodiodes and summed on a capacitor ",
        "the standard quantum limit sqrt(a^2 |A|^2 + b^2 |x|^2) / 2ab, k T C, phase; converters of both operands",
    ),
    "dynamic-operand": (
        "both operands modulated in every symbol, one wavelength per term, signs in phase",
        "errors of the modulated operands; converters and lasers for 2^bits",
    ),
    "optical-transformer": (
        "256 levels with a floor, signs on rails or in passes, resident weights",
        "photons per multiply-accumulate ([the 1/d claim](optical-transformers.md)); memory",
    ),
}

_BUDGETS = """
## What each engine comes to

One full tile of typical operands at the operating point of the file, and one engine that never pauses, at the wall.
Signal over noise counts every error, static ones included. Where parts of a machine are not published, assumptions
stand in for them and are marked so in its file: the figures are those of our model, not of its makers.

| engine | inputs x outputs | rate | signal/noise | photoelectrons per MAC | power | TOPS/W |
|---|---|---|---|---|---|---|
"""

_ATTENTION = """
## Attention through light

Scores and values are products of data with data. They stay digital unless a rule sends them to an engine that takes an
operand with every product: one that streams both (homodyne, dynamic-operand) or whose panel is written within 10 us
(`lightmatter-2025`: 50 ns); a liquid-crystal panel of a millisecond is refused.

```sh
uv run exalight accuracy --engine lightening-dota-b-8bit --dynamic "attention/(scores|mix)"
```

In Python the rules are `opticalize(model, engine, dynamic=[("attention/scores", engine)], rngs=rngs)` and
`engine.cost(work, dynamic=["attention/"])`; the cost counts a load for every head of every sequence, its energy and its
time (`panel_loads`, `load_time_s`). Converters are ranged for typical operands on the matrix that is loaded, times one
factor from the calibration sample.
"""

_RESIDUES = """
## Residue numbers

[residue-numbers.md](residue-numbers.md) says when they pay.
"""


def page() -> str:
    """The whole page as markdown."""
    lines = [_OPENING.rstrip("\n")]
    for name, family in FAMILIES.items():
        law, limit = (part.strip() for part in _LAWS[name])
        lines.append(f"| `{name}` | {family.meaning} | {law} | {limit} |")
    lines.append(_BUDGETS.rstrip("\n"))
    lines += [_budget(name) for name in engine_names() if name != "ideal"]
    return "\n".join([*lines, _accuracies(), _ATTENTION.rstrip("\n"), _RESIDUES])


def _budget(name: str) -> str:
    engine = build_engine(read_engine_file(name))
    told = engine.explain()
    power_w = sum(told.power_w.values())
    tops_per_w = 2 * float(engine.macs_per_s()) / power_w / 1e12
    rate_hz = told.symbol_rate_hz
    snr = "" if told.snr_db is None else f"{told.snr_db:.1f} dB"
    cells = (
        f"`{name}`",
        f"{engine.inputs} x {engine.outputs}",
        f"{rate_hz / 1e9:.3g} GHz",
        snr,
        f"{told.photons_per_mac:.2g}",
        f"{power_w:.3g} W",
        f"{tops_per_w:.2g}",
    )
    return "| " + " | ".join(cells) + " |"


def _accuracies() -> str:
    document = tomllib.loads(MEASURED.read_text("utf-8"))
    lines = [f"\n## Which of them run a language model as they are\n\n{document['conditions'].strip()}\n"]
    lines += ["| engine | perplexity (digital) | KL | top-1 agrees | SNR of the layers | energy per token |"]
    lines += ["|---|---|---|---|---|---|"]
    for row in document["row"]:
        cells = (
            f"`{row['engine']}`",
            f"{row['perplexity']:.4g} ({row['digital_perplexity']:.4g})",
            f"{row['kl_nats']:.3g} nats",
            f"{100 * row['top1_agreement']:.1f} %",
            f"{row['snr_db']:.1f} dB",
            f"{row['energy_per_token_j'] * 1e6:.3g} uJ",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", document["reading"].strip()])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
