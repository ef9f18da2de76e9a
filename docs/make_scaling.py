"""Write docs/scaling.md: what an exaOPS in 10 kW by 2029 would take, for an engineer who doubts it.

    python docs/make_scaling.py --run        run every scenario anew (minutes), keep the numbers, draw, then write
    python docs/make_scaling.py              write the page from the numbers that were kept

The numbers stand in docs/data/scaling.json, trimmed from the `result.json` of one run of `exalight scaling` for each
scenario. A test compares the page with what this prints, and computes the medians of the first scenario again.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
PAGE, DATA, IMAGES = DOCS / "scaling.md", DOCS / "data" / "scaling.json", DOCS / "images"
# Name in the table, and options beside the defaults.
SCENARIOS: dict[str, dict[str, Any]] = {
    "one prompt": {},
    "64 prompts": {"workload": "llama-3.1-70b:prefill:8192:64"},
    "64 prompts, dark lasers": {"workload": "llama-3.1-70b:prefill:8192:64", "idle": "dark"},
    "64 prompts, 1/d": {"workload": "llama-3.1-70b:prefill:8192:64", "photons": "per-dot-product"},
    "64 prompts, KL 0.2": {"workload": "llama-3.1-70b:prefill:8192:64", "kl_nats": 0.2},
    "64 prompts, 7-bit operands": {"workload": "llama-3.1-70b:prefill:8192:64", "bits_x": 7, "bits_w": 7},
    "64 prompts, panel 10 us": {"workload": "llama-3.1-70b:prefill:8192:64", "set": ("panel.reload_time_s=1e-5",)},
    "64 prompts, direct modulation": {
        "workload": "llama-3.1-70b:prefill:8192:64",
        "set": ("source.modulation=direct",),
    },
    "256 prompts of 2,048 tokens": {"workload": "llama-3.1-70b:prefill:2048:256"},
    "16 prompts of 32,768 tokens": {"workload": "llama-3.1-70b:prefill:32768:16"},
    "8B, 64 prompts": {"workload": "llama-3.1-8b:prefill:8192:64"},
    "405B, 64 prompts": {"workload": "llama-3.1-405b:prefill:8192:64"},
    "dense": {"workload": "dense"},
}
FIRST, BUSY = "one prompt", "64 prompts"
# Figures of the busy scenario, which show more than those of idle panels, and the fan of the default.
_FIGURES = {"scaling-fan": (FIRST, "fan"), "scaling-tornado": (BUSY, "tornado"), "scaling-path": (BUSY, "path")}
_FIGURES |= {"scaling-utilisation": (FIRST, "utilisation"), "scaling-power": (BUSY, "power")}
_CAUSES, _MOVES = 8, 12
_OF_OTHERS = ("config", "year", "attention", "bound")
_OPTIONS = ("workload", "kl_nats", "bits_x", "bits_w", "samples", "seed")


def main(arguments: list[str]) -> None:
    """Run the scenarios if asked to, and write the page."""
    if arguments == ["--run"]:
        DATA.write_text(json.dumps(study(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    elif arguments:
        sys.exit(f"usage: python {Path(__file__).name} [--run]")
    PAGE.write_text(page(json.loads(DATA.read_text("utf-8"))), "utf-8")


def study() -> dict[str, Any]:
    """Every scenario, computed and trimmed; draws the figures of the page."""
    found: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in SCENARIOS.items():
            drawn = [image for image, (scenario, _) in _FIGURES.items() if scenario == name]
            out = Path(folder) / name.replace(" ", "-").replace("/", "-")
            subprocess.run(command(options, drawn=bool(drawn), out=out), check=True, stdout=subprocess.DEVNULL)
            kept = trimmed(json.loads((out / "result.json").read_text("utf-8")))
            found[name] = kept if name in (FIRST, BUSY) else {key: kept[key] for key in _OF_OTHERS}
            for image in drawn:
                shutil.copyfile(out / f"{_FIGURES[image][1]}.png", IMAGES / f"{image}.png")
            facts = json.loads((out / "environment.json").read_text("utf-8"))
    keys = ("date", "python", "cpu", "cpus")
    about = {key: facts[key] for key in keys} | {"jax": facts["packages"]["jax"]}
    return {"environment": about, "scenarios": found}


def command(options: Mapping[str, Any], *, drawn: bool, out: Path) -> list[str]:
    """The command line of a scenario."""
    words = ["exalight", "scaling", "--out", str(out), "--plot" if drawn else "--no-plot"]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *(value if isinstance(value, tuple) else (str(value),))]
    return words


def trimmed(result: Mapping[str, Any]) -> dict[str, Any]:
    """What the page needs of a `result.json`."""
    year = result["config"]["year"]
    kept = ("target", "attention", "bound", "what_if", "walls")
    joint = [
        {**one, "parameters": dict(list(one["parameters"].items())[:_MOVES])} for one in result["requirements"]["joint"]
    ]
    single = sorted(result["requirements"]["single"], key=lambda row: -(row["best_tops_per_w"] or 0.0))
    need = {key: value for key, value in result["accuracy"].items() if key not in ("provenance",)}
    return {
        "config": {key: result["config"][key] for key in _OPTIONS},
        "year": next(row for row in result["years"] if row["year"] == year),
        "years": [
            {key: row[key] for key in row if key.startswith(("year", "tops_per_w", "peak_tops_per_w", "prob"))}
            for row in result["years"]
        ],
        "sensitivity": result["sensitivity"][:_CAUSES],
        "variance_nats2": result["variance_nats2"],
        "single": single[:5],
        "joint": joint,
        "accuracy": {**need, "model": result["accuracy"]["provenance"].get("model")},
        "conventional": [row for row in result["comparison"]["years"] if row["year"] == year],
        **{key: result[key] for key in kept},
    }


def page(data: Mapping[str, Any]) -> str:
    """The page from the numbers that were kept."""
    first, busy = data["scenarios"][FIRST], data["scenarios"][BUSY]
    parts = (
        _answer(first, busy),
        _needs(first),
        _years(first),
        _scenarios(data["scenarios"]),
        _decides(busy),
        _true(busy),
        _walls(first),
        _choices(busy),
        _assumed(first, busy),
        _again(data["environment"]),
    )
    return "\n".join(parts)


def _answer(first: Mapping[str, Any], busy: Mapping[str, Any]) -> str:
    one, many, target, bound = first["year"], busy["year"], first["target"], first["bound"]
    chips = {row["number_format"]: f"{row['tops_per_w_p50']:.2g}" for row in first["conventional"]}
    tops, count = target["tops_per_w"], first["config"]["samples"]
    return f"""# An exaOPS in 10 kW by 2029: how likely, and what it would take

This page is printed by `python docs/make_scaling.py`. It explains what `exalight scaling` finds to an engineer who
doubts it. Lumai's stated goal, as reported, is an exaOPS of AI performance in 10 kW by 2029. Everything included, that
is {tops:.0f} TOPS/W: {_fj(target["energy_per_op_j"])} for an operation, {_fj(2 * target["energy_per_op_j"])} for a
multiply-accumulate (MAC). One MAC is two operations throughout.

- **None of {count:,} samples of the default roadmap reaches it**, with one prompt of 8,192 tokens or with
  64 at once. Zero of so many means a probability below {3 / count:.1g} *under this roadmap*, not zero.
- In the median of 2029 a machine of `free-space-2048` engines delivers **{one["tops_per_w_p50"]:.2g} TOPS/W** on
  prefill of Llama-3.1-70B with one prompt, **{many["tops_per_w_p50"]:.2g}** with 64 prompts at once. At its peak (a
  full panel, never waiting, a symbol counted as a whole product) it makes **{one["peak_tops_per_w_p50"]:.2g}**.
  Signed activations take two symbols, so whole products end at half of that, **{one["product_tops_per_w_p50"]:.2g}**.
  Conventional accelerators, carried on at their own pace, are at a peak of {chips["8-bit"]} with 8 bits and
  {chips["4-bit"]} with 4, at the wall as well and without any accuracy stated: compare them with whole products.
- Physics does not forbid it. The photons that the accuracy asks for carry {_fj(bound["shot_noise_j_per_op"])} for
  an operation with this encoding: parts that lose nothing would end at {bound["tops_per_w"]:.0f} TOPS/W, a factor
  of {bound["tops_per_w"] / tops:.1f} above the target.
- Two walls stand before it, in this order: the time that a panel takes to load, and the light.

![TOPS/W by year: delivered, peak, conventional, target](images/scaling-fan.png)
"""


def _needs(first: Mapping[str, Any]) -> str:
    need, walls, attention = first["accuracy"], first["walls"], first["attention"]
    spent = attention["energy_per_op_j"] / attention["target_energy_per_op_j"]
    return f"""## What the target needs

| | |
|---|---|
| energy of an operation | 1e4 W / 1e18 op/s = 10 fJ |
| engines whose peak is an exaOPS, 1 GHz, one pass | 476.8 of 1024 x 1024, 119.2 of 2048 x 2048 |
| the same at the symbol rate of the median of 2029 | {walls["engines_at_peak"]:.1f} of 2048 x 2048 |
| power left for one of those | {1e4 / walls["engines_at_peak"]:.0f} W, everything included |
| busy share of a panel loaded in 1 ms and shown 8,192 vectors at 1 GHz, one pass | 0.0081 |
| panels that hold the 70B model | {walls["panels_resident"]:,} |
| attention, which no weight panel computes | {100 * attention["share_of_ops"]:.1f} % of operations at 8,192 tokens |
| its energy in the median of 2029, per delivered operation | {_fj(attention["energy_per_op_j"])} |
| that, of all that the target allows | {100 * spent:.0f} % |

**At an accuracy.** Throughput says nothing without one. The laser power of a projection is what {need["model"]} needs
to stay within {need["kl_nats"]:g} nats (Kullback-Leibler divergence for each token) of its digital self:
{need["electrons_per_path"]:,.0f} photoelectrons that one fully open path puts on a detector, measured with
`exalight accuracy` at the same bits. From there on the ratio of shot and receiver noise to the signal is held, so
better receivers ask for less light, down to what shot noise alone needs. Larger models are assumed to need the same
photons for each MAC; that they would need the same for each dot product, as Optical Transformers reports, is an option
and a claim.
"""


def _years(first: Mapping[str, Any]) -> str:
    rows = [
        f"| {row['year']} | {row['tops_per_w_p05']:.2g} | {row['tops_per_w_p50']:.2g} | {row['tops_per_w_p95']:.2g} "
        f"| {row['peak_tops_per_w_p05']:.2g} | {row['peak_tops_per_w_p50']:.3g} | {row['peak_tops_per_w_p95']:.2g} "
        f"| {100 * row['probability_of_target']:.2g} % |"
        for row in first["years"]
    ]
    return "\n".join(
        (
            "## By year, one prompt\n",
            "| year | delivered, 5 % | median | 95 % | peak, 5 % | median | 95 % | reach 100 TOPS/W |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "\nTOPS/W at the wall: host, control, memories, links and the loss of the supply are in, cooling is not.\n",
        )
    )


def _scenarios(scenarios: Mapping[str, Any]) -> str:
    rows = []
    for name, one in scenarios.items():
        year = one["year"]
        low, median, high = (f"{year[f'tops_per_w_{end}']:.2g}" for end in ("p05", "p50", "p95"))
        rows.append(
            f"| {name} | {low} | **{median}** | {high} "
            f"| {year['peak_tops_per_w_p50']:.3g} | {100 * year['busy_share_p50']:.1f} % "
            f"| {_fj(one['attention']['energy_per_op_j'])} | {one['bound']['tops_per_w']:.0f} "
            f"| {100 * year['probability_of_target']:.2g} % |"
        )
    return "\n".join(
        (
            "## Other workloads and choices, 2029\n",
            "| scenario | delivered, 5 % | median | 95 % | peak | busy | attention, per op | bound | reach it |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            "\nLlama-3.1-70B with prompts of 8,192 tokens unless it says otherwise; TOPS/W; *bound* is shot noise with "
            "parts\nthat lose nothing. `dense` is one full matrix whose vectors all come and go over links.\n",
        )
    )


def _decides(busy: Mapping[str, Any]) -> str:
    rows = [
        f"| `{row['name']}` | {_share(row['share_total'])} | {_share(row['share_first'])} | "
        + ("" if row["elasticity"] is None else f"{row['elasticity']:+.2f}")
        + " | "
        + ("" if row["low"] is None else f"{row['low']:.3g} to {row['high']:.3g} {row['unit']}".removesuffix(" 1"))
        + " | "
        + ("" if row["low"] is None else f"{row['tops_per_w_at_low']:.2g} to {row['tops_per_w_at_high']:.2g}")
        + " |"
        for row in busy["sensitivity"]
    ]
    three = [row["name"] for row in busy["sensitivity"] if row["kind"] == "parameter"][:3]
    return "\n".join(
        (
            "## What decides\n",
            f"**Three parameters decide**, {BUSY} at once: `{three[0]}`, `{three[1]}`, `{three[2]}`, each with the "
            "cause that it shares\nwith others. With one prompt it is the reload time alone, nearly.\n",
            f"Share of the variance of ln(op/J) in 2029, {BUSY} at once (Sobol' indices: *total* with interactions, "
            "*first* alone;\nparameters that share a cause are correlated, so their own deviates and the shared ones "
            "are told apart), elasticity of\nTOPS/W at the median, range of the roadmap (5 to 95 %), and TOPS/W at "
            "its ends with the rest at the median.\n",
            "| cause | total | first | elasticity | 5 to 95 % | TOPS/W there |",
            "|---|---|---|---|---|---|",
            *rows,
            "\nAn elasticity of 0 does not mean that a parameter is harmless: the power limit of a source does nothing "
            "at the median and\nslows every sample whose sources are too weak.\n",
            "![Tornado: one parameter at a time, and shares of variance](images/scaling-tornado.png)\n",
            "![Where the power goes](images/scaling-power.png)\n",
        )
    )


def _true(busy: Mapping[str, Any]) -> str:
    alone = [row for row in busy["single"] if row["value"] is not None]
    best = busy["single"][0]
    single = (
        "Alone enough, with the rest at the median: "
        + ", ".join(f"`{row['path']}` = {row['value']:.3g}" for row in alone)
        if alone
        else f"No parameter is enough alone: `{best['path']}` gets furthest, to {best['best_tops_per_w']:.3g} TOPS/W."
    )
    texts = [f"## What would have to be true, {BUSY}\n", single + "\n"]
    for joint in busy["joint"]:
        asked = f"{100 * joint['probability']:.0f} %"
        if not joint["reached"]:
            reached = f"{100 * joint['achieved_probability']:.1f} %"
            texts.append(f"For {asked} of the samples no joint change was found; the best reaches {reached}.\n")
            continue
        texts.append(
            f"**For {asked} of the samples**, the joint change of least effort is {joint['effort']:.1f} standard "
            "deviations of the\nroadmap together (least squares, each parameter in units of its own spread). "
            "The largest moves:\n"
        )
        texts += ["| parameter | standard deviations | times the median | value |", "|---|---|---|---|"]
        texts += [
            f"| `{path}` | {one['steps']:+.1f} | {one['factor']:.3g} | {one['value']:.3g} |"
            for path, one in joint["parameters"].items()
        ]
        texts.append("")
    texts += [
        "Read it as a distance, not as a plan: a move of several standard deviations says that the roadmap's author "
        "would have\nto be wrong, or that another technology takes the place of the one the roadmap describes.\n",
        "![The way of least effort](images/scaling-path.png)\n",
    ]
    return "\n".join(texts)


def _walls(first: Mapping[str, Any]) -> str:
    walls = first["walls"]
    rows = [
        f"| {100 * row['busy_share']:.0f} % | {row['vectors']:,.0f} | {row['prompts']:,.1f} "
        f"| {row['vectors_double_buffered']:,.0f} | {row['load_time_needed_s'] * 1e6:.3g} us |"
        for row in walls["reload"]
    ]
    load_s = walls["reload"][0]["load_time_s"]
    return "\n".join(
        (
            "## Walls that no better laser moves\n",
            f"A panel is loaded in {load_s * 1e6:.0f} us in the median of 2029.\n",
            "| panels busy | tokens between loads | prompts of 8,192 | with a second panel | or load in, one prompt |",
            "|---|---|---|---|---|",
            *rows,
            f"\nFor a delivered exaOPS with one prompt: {walls['engines_delivering']:,.0f} engines in "
            f"{walls['power_delivering_w'] / 1e6:.2g} MW, fed with {walls['weight_byte_per_s'] / 1e12:.3g} Tbyte/s of "
            "weights. An\nengine that never waits exchanges "
            f"{walls['link_byte_per_s_at_full_rate'] / 1e12:.2g} Tbyte/s of activations with the others, beside "
            f"{walls['link_byte_per_s'] / 1e12:.2g} that its links carry.\n",
            "![Busy share against reload time and batch](images/scaling-utilisation.png)\n",
        )
    )


def _choices(busy: Mapping[str, Any]) -> str:
    rows = [
        f"| {row['change']} | {row['tops_per_w']:.3g} | {row['factor']:.2g} | {row['peak_tops_per_w']:.3g} "
        f"| {100 * row['busy_share']:.0f} % |"
        for row in busy["what_if"]
    ]
    return "\n".join(
        (
            f"## What would change the answer, {BUSY}\n",
            "One decision at a time, with every parameter at its median of 2029. None is a prediction.\n",
            "| | TOPS/W | times | peak | busy |",
            "|---|---|---|---|---|",
            *rows,
            "\nTry your own: `--set panel.reload_time_s=1e-5` holds a parameter in all years, `--roadmap my.toml` "
            "replaces the\ndistributions, `--engine my-engine.toml` the machine, `--accuracy RUN` the accuracy.\n",
        )
    )


def _assumed(first: Mapping[str, Any], busy: Mapping[str, Any]) -> str:
    need, year = first["accuracy"], first["year"]
    sums, near = (busy["walls"][key] / 1e9 for key in ("accumulator_byte", "accumulator_near_byte"))
    shot_excess, bound_deficit = _shot_noise_excess(need)
    return f"""## What is assumed, and what is left out

- **The roadmap is a set of judgements**: most of its values are assumptions, because nobody publishes them
  ([roadmap](roadmap.md) says which, with sources). The probabilities are those of the roadmap, not of the world. It has
  no steps: a panel other than liquid crystal is another roadmap.
- **A small model stands for large ones.** The light was measured with {need["model"]}; photons for each MAC are held
  for 70B. The measured engine differs from the projected one in {"; ".join(need["differs"])}: not corrected. Noise of
  the sources that grows with the symbol rate is not followed either.
- **Shot noise for typical operands**: its share comes from the noise budget of a full tile,
  {100 * shot_excess:.0f} % above what the run's own count of photons gives, which makes the bound
  {100 * bound_deficit:.0f} % low.
- **Bits and converters are those of the run.** Another `adc.bits` or `adc.enob_loss` needs an accuracy run of its own
  (`--accuracy RUN`), and so do bits without a stored one.
- **Attention stays digital**, at an energy for each MAC that includes everything. Its time is hidden behind the light.
- **Lasers stay lit while panels are written** by default; `--idle dark` is the other end, without any time to settle.
- **Where a source is too weak, symbols last longer.** In {100 * year["rate_limited_share"]:.0f} % of the samples the
  power limit of a source is below what the accuracy needs at the sampled symbol rate; accuracy is never traded for
  speed.
- **Panels get warm.** In {100 * year["overheated_share"]:.0f} % of the samples they take up more light than the engine
  says that they bear; nothing is slowed by that.
- **Partial sums of large batches do not fit beside an engine**: 64 prompts of 8,192 tokens need {sums:.1f} GB of them,
  the median near memory of 2029 holds {near:.2f}. The rest goes to the stacked memory of the weights, at its energy and
  bandwidth; weights and sums that ask for it at once are not made to wait for each other. A schedule that shows a part
  of the batch at a time would trade these sums for loads; none is searched for.
- **The symbol rate is sampled, not chosen.** Engines that wait for panels with their lasers lit would better be slow:
  at the best rate the median machine delivers {_best_rate(first)} with one prompt and {_best_rate(busy)} with 64.
- **A longer sum has an advantage over receiver noise that is not credited** by default; it is physics, and worth up to
  {100 * _longer_sums(need):.0f} % of the light where a panel sums 2,048 inputs and has the receivers of the run.
- **Activations cross a link once into every tile's engine and outputs once out of it**, which is charged and
  waited for.
- **Left out**: capacity of memories, moves of keys and values, norms and softmax, failures, yield, price, and every
  digital step's time. All of them make the answer worse, or leave it.
- **Conventional machines get the same treatment**: rated power times a measured factor for server, host and supply;
  cooling apart. Their peak is compared with peak. Delivered light is not compared with a delivered accelerator here.
- **Least effort** counts a standard deviation of every parameter alike, whatever it costs to buy it.
"""


def _shot_noise_excess(need: Mapping[str, Any]) -> tuple[float, float]:
    """Shot noise that is charged over that of the photons which the run counted, less 1; what the bound loses by it."""
    counted = need["photons_per_mac"] * need["inputs_per_tile"] / need["electrons_per_path"]
    charged, readout = need["shot_variance_per_electron"], need["readout_weight"] * need["readout_variance"]
    noise = [shot + readout / need["electrons_per_path"] for shot in (counted, charged)]
    # The bound in operations per joule goes as noise over shot noise.
    return charged / counted - 1.0, 1.0 - (noise[1] / charged) / (noise[0] / counted)


def _best_rate(scenario: Mapping[str, Any]) -> str:
    rows = {row["change"]: row["tops_per_w"] for row in scenario["what_if"]}
    found = [rows[change] for change in rows if change.startswith("the symbol rate that is best")]
    return f"{found[0] / rows['as it is']:.1f} times as much" if found else "no more"


def _longer_sums(need: Mapping[str, Any], inputs: int = 2048) -> float:
    """Share of the light that readout noise against a sum of `inputs`, which is so much larger, would not ask for."""
    shot = need["shot_variance_per_electron"] * need["electrons_per_path"]
    readout = need["readout_weight"] * need["readout_variance"]
    shot, readout = shot / (shot + readout), readout / (shot + readout) * need["inputs_per_tile"] / inputs
    return 1.0 - (shot + (shot**2 + 4.0 * readout) ** 0.5) / 2.0


def _again(environment: Mapping[str, Any]) -> str:
    return f"""## Do it again

```sh
uv run exalight scaling
uv run exalight scaling --workload llama-3.1-70b:prefill:8192:64 --idle dark
uv run exalight sweep scaling --set year=2026,2029,2032 idle=lit,dark
```

Measured {environment["date"][:10]} on {environment["cpus"]} cores ({environment["cpu"]}), Python
{environment["python"]}, jax {environment["jax"]}; a run takes less than a minute, most of it compilation and the
joint change of least effort.
"""


def _fj(energy_j: float) -> str:
    return f"{energy_j * 1e15:.3g} fJ"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    main(sys.argv[1:])
