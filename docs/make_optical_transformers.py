"""Write docs/optical-transformers.md and its figure: accuracy and energy of a photon budget against the width.

Run it by hand after changing the engine; a test compares the page with what this prints.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

import photonics
from photonics.optical_transformer import accounting, golden, photon_budget
from photonics.optical_transformer.engine import OpticalTransformerEngine

HERE = Path(__file__).parent
PAGE = HERE / "optical-transformers.md"
GOLDEN = HERE.parent / "experiments" / "validation_data" / "ot-quantiser-golden.json"
MEASURED = "2026-11-23"

WIDTHS = (64, 512, 4096, 12288)
ENERGY_WIDTHS = (192, 768, 1536, 4096, 8192, 12288, 32768)
PER_PRODUCT = 1e4
PER_MAC = 10.0
# Tokens and outputs of one measured product.
TOKENS, OUTPUTS = 64, 64
DIGITAL_J_PER_MAC = 3e-13

Operands = Literal["non-negative", "zero-mean"]
OPERANDS: tuple[Operands, ...] = ("non-negative", "zero-mean")
# Okabe and Ito's colours, told apart by readers with any kind of colour vision.
_COLOURS = {"non-negative": "#0072B2", "zero-mean": "#D55E00"}
_PARTS = {
    "DAC": (("dac",), "#0072B2"),
    "amplifier and ADC": (("receiver", "adc"), "#56B4E9"),
    "memory": (("memory",), "#E69F00"),
    "holding weights": (("panel",), "#CC79A7"),
    "scales": (("digital",), "#999999"),
    "light, at the wall": (("laser",), "#D55E00"),
}
_RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Point:
    """One measured product: electrons of a dot product, error over rms product, and over its spread about the mean."""

    width: int
    electrons: float
    error: float
    error_of_spread: float


@functools.cache
def machine(quantised: bool) -> OpticalTransformerEngine:
    """The catalogue engine, or the same with shot noise alone."""
    alone = ["dac.ideal=true", "quantiser.ideal=true", "adc.ideal=true", "encoding.activation_percentile=100"]
    engine = photonics.load_engine("optical-transformers", [] if quantised else alone)
    assert isinstance(engine, OpticalTransformerEngine)
    return engine


@functools.cache
def products(kind: Operands, width: int) -> tuple[Array, Array]:
    """Activations (tokens, width) and weights (width, outputs): uniform from 0 to 1, or standard normal."""
    keys = jax.random.split(jax.random.key(width), 2)
    draw = jax.random.uniform if kind == "non-negative" else jax.random.normal
    return draw(keys[0], (TOKENS, width)), draw(keys[1], (width, OUTPUTS))


@functools.cache
def measured(kind: Operands, width: int, electrons: float, quantised: bool = False) -> Point:
    """Error of products of one width whose detectors count `electrons` for a dot product, on the average."""
    x, w = products(kind, width)
    engine = accounting.of_width(machine(quantised), width)
    panel = engine.load_panel(w, sample=x)
    before = float(engine.detected_electrons(x, panel)) / (TOKENS * OUTPUTS)
    engine = engine.at(laser_power_w=engine.operating_point.laser_power_w * electrons / before)
    panel = engine.load_panel(w, sample=x)
    exact = x @ w
    error = float(jnp.sqrt(jnp.mean(jnp.square(engine.matmul(jax.random.key(1 + width), x, panel) - exact))))
    found = float(engine.detected_electrons(x, panel)) / (TOKENS * OUTPUTS)
    rms = float(jnp.sqrt(jnp.mean(jnp.square(exact))))
    return Point(width, found, error / rms, error / float(jnp.std(exact)))


def law(kind: Operands, width: float, electrons: float) -> float:
    """What shot noise alone leaves: see `photonics.optical_transformer.photon_budget`."""
    if kind == "non-negative":
        return float(photon_budget.error_of_non_negative(electrons))
    return float(photon_budget.error_of_zero_mean(electrons, width))


def budget(width: int, fixed: str) -> float:
    """Electrons of a dot product, at a constant number for it ("product") or for a multiply-accumulate ("mac")."""
    return PER_PRODUCT if fixed == "product" else PER_MAC * width


# The page ----------------------------------------------------------------------------------------------------------

_OPENING = f"""# Optical Transformers: what a photon budget buys, and what the rest costs

This page and its figure are made by `python docs/make_optical_transformers.py`; all numbers are from {MEASURED}. The
engine `optical-transformers` is the machine that Anderson et al. account for (Optical Transformers, TMLR 2024,
arXiv 2302.10360): 8-bit operands at 10 GHz, resident weights that let at least 2 % of the light through, receivers that
only shot noise limits, and energy by input, output, weight and photon. Most of its component values are known from
memory or from third parties; `exalight engines optical-transformers` prints each with its source.

## Photons for a dot product, or for a multiply-accumulate?

The paper finds that a trained Transformer keeps its perplexity at a constant number of detected photons N for each
*dot product*, whatever its width d, so that optical energy for each multiply-accumulate falls as 1/d. That is a finding
about networks. Physics says less. With e electrons for a product of two operands of 1,

```
electrons of a dot product   N = e sum |x_k| |w_k|
error                        sqrt(N) / e
x, w >= 0                    product N / e:                error / product      = 1 / sqrt(N)
x, w normal, zero mean       rms product sqrt(d) s_x s_w:  error / rms product  = (2/pi) sqrt(d / N)
```

Where all terms have one sign, N sets the accuracy and d does not. Where they cancel, the product grows as sqrt(d) and
its photons as d: then photons for each multiply-accumulate, N/d, set the accuracy, and a constant N loses it with the
width. Even non-negative operands carry what tells one input from another in the *spread* of their products, which also
grows as sqrt(d) only. For the law of the paper to hold, wider networks have to bear more noise in each product.

![Error and energy against the width, at two kinds of photon budget](images/optical-transformers.png)
"""

_CAPTION = f"""
*Left and middle: error of products over their rms, at {PER_PRODUCT:g} photoelectrons for a dot product and at
{PER_MAC:g} for a multiply-accumulate. Points: the engine with shot noise alone, {TOKENS} tokens and {OUTPUTS} outputs;
crosses: with 256 levels, least transmission and ADC; lines: the law. Right: energy of a square layer that fills its
panel. "Of spread" in the table is the same error over the standard deviation of the products.*
"""


def page() -> str:
    """The whole page as markdown."""
    return "\n".join(
        [
            _OPENING + _CAPTION,
            _error_table(),
            _error_reading(),
            "## Energy against width\n",
            _energy_opening(),
            _energy_table(),
            _energy_reading(),
            "## The quantiser\n",
            _quantiser(),
            _LEFT_OUT,
        ]
    )


def _error_table() -> str:
    head = ["operands", "width", "at 1e4 for a dot product", "law", "of spread", "quantised"]
    head += ["at 10 for a MAC", "law", "of spread", "quantised"]
    rows = []
    for kind in OPERANDS:
        for width in WIDTHS:
            cells = [kind, str(width)]
            for fixed in ("product", "mac"):
                electrons = budget(width, fixed)
                point, full = measured(kind, width, electrons), measured(kind, width, electrons, quantised=True)
                values = (point.error, law(kind, width, electrons), point.error_of_spread, full.error)
                cells += [_percent(value) for value in values]
            rows.append(cells)
    return _table(head, rows)


def _error_reading() -> str:
    wide, narrow = WIDTHS[-1], WIDTHS[0]
    zero = {width: measured("zero-mean", width, PER_PRODUCT).error for width in (narrow, wide)}
    same = [measured("non-negative", width, PER_PRODUCT).error for width in WIDTHS]
    fixed = [measured("zero-mean", width, budget(width, "mac")).error for width in WIDTHS]
    return f"""- At a constant number of photons for a dot product, non-negative operands stay between
  {_percent(min(same))} and {_percent(max(same))}; zero-mean operands go from {_percent(zero[narrow])} at width {narrow}
  to {_percent(zero[wide])} at {wide}, a factor of {zero[wide] / zero[narrow]:.1f} where sqrt(d) gives
  {(wide / narrow) ** 0.5:.1f}.
- At a constant number for a multiply-accumulate, zero-mean operands stay between {_percent(min(fixed))} and
  {_percent(max(fixed))}, and optical energy for each multiply-accumulate is constant, not 1/d.
- Weights of a Transformer, and activations behind a norm, have means near zero as a rule.
"""


def _energy_opening() -> str:
    return """```
E_layer = n_in (E_load + E_DAC + E_mod) + n_out (E_amp + E_ADC + E_store) + n_w E_hold + light
```

for a square layer whose panel has its size, so that every operand is converted once; energy for each
multiply-accumulate in femtojoules, from the engine's own `cost`, at the catalogue's laser power for each source. A
panel of d x d shares the light of d sources among d outputs, so a constant power for each source is a nearly constant
N: light falls as 1/d here because that is what is asked of it. *Photons* are those detected at 1e4 for a dot product,
n h nu, as the paper counts them; *light* is the sources at the wall, losses and unused light included. *Advantage* is
over 300 fJ.
"""


def _energy_table() -> str:
    head = ["width", *_PARTS, "all", "photons", "advantage, conversions alone", "advantage, all"]
    rows = []
    for width in ENERGY_WIDTHS:
        parts = [energy_j(width, name) for name in (*_PARTS, "all")]
        photons = accounting.photon_energy_per_mac_j(machine(True), width, PER_PRODUCT)
        gains = (accounting.advantage(machine(True), width, parts=chosen) for chosen in (accounting.CONVERSIONS, ()))
        rows.append([str(width), *(_femto(value) for value in (*parts, photons)), *(f"{gain:.3g}" for gain in gains)])
    return _table(head, rows)


def energy_j(width: int, name: str) -> float:
    """Energy of one multiply-accumulate for a part of the figure, or for "all" [J]."""
    parts = () if name == "all" else _PARTS[name][0]
    return accounting.energy_per_mac_j(machine(True), width, parts=parts)


def _energy_reading() -> str:
    engine = machine(True)
    passes = engine.replace(**{"encoding.signs": "passes"})
    wide = 12288
    conversions = accounting.energy_per_mac_j(engine, wide, parts=accounting.CONVERSIONS)
    hold_j = float(engine.panel.hold_power_w) / float(engine.operating_point.symbol_rate_hz)
    kept = engine.replace(**{"panel.hold_power_w": 0.0})
    whole, light, constant = (energy_j(wide, "all"), energy_j(wide, "light, at the wall"), constant_light_j(wide))
    gain, photon_j = DIGITAL_J_PER_MAC / whole, accounting.photon_energy_per_mac_j(engine, wide, PER_MAC * wide)
    alone, most = DIGITAL_J_PER_MAC / conversions, DIGITAL_J_PER_MAC / hold_j
    return f"""- Conversions alone take {_femto(conversions)} fJ at width {wide}, {alone:.0f} times less than 300 fJ.
  Memory, weights and scales bring the advantage to {gain:.0f}, where the paper says 100 and more for the largest models
  of its time: short by {100 - gain:.0f} %.
- Holding weights costs {_femto(hold_j)} fJ at any width, a ceiling of {most:.0f} on the advantage.
  The paper's 8,000 for quadrillion-parameter models cannot contain it, so this value (from memory) is doubtful;
  without it the advantage at {wide} is {accounting.advantage(kept, wide):.0f}, at 32768
  {accounting.advantage(kept, 32768):.0f}.
- The light is {100 * light / whole:.1f} % of the whole at {wide}. At {PER_MAC:g} photoelectrons for a
  multiply-accumulate, for zero-mean operands, it would be {_femto(constant)} fJ at the wall, nearly as much as
  conversions, and hardly less at any width: {constant / photon_j:.0f} times the energy of the detected photons, because
  sources are lit whatever is shown, most light ends in weights that are not open, and lasers give a fifth of it.
- All this supposes both signs at once (`encoding.signs = "rails"`). The four products of non-negative parts that the
  prototype measures (`passes`) take twice the drives and four times the conversions:
  {accounting.advantage(passes, wide):.0f} times less than 300 fJ at {wide}.
- Control, host and power supply stand at nothing in this engine because the paper counts none.
"""


def constant_light_j(width: int) -> float:
    """Light at the wall of one multiply-accumulate at a constant number of photons for it [J]."""
    return accounting.energy_per_mac_j(machine(True), width, parts=("laser",), electrons=PER_MAC * width)


def _quantiser() -> str:
    document = json.loads(GOLDEN.read_text("utf-8"))
    rows = list(golden.compared(document))
    values, differ = sum(count for _, count, _ in rows), sum(differing for _, _, differing in rows)
    return f"""`photonics.optical_transformer.quantiser.quantise` clamps, rounds to 256 levels (nearest or random) and
lifts weights that are not zero to the least transmission, 0.02004 of the largest. It was compared with the PyTorch
reference of mase-triton 0.0.7 on {values} values in {len(rows)} cases: {differ} differ in any bit. Reference and Triton
kernel of that package differ from one another by one unit of the last place in the least transmission of one case; with
float32 ranges `quantise` follows the kernel.

The engine quantises the positive and the negative part of an operand by themselves, on 128 levels each, because that is
what can be shown: a zero is dark. Quantised as a whole, from -1 to 1 on 256 levels, zero is no level, and every zero
weight would get the least transmission of 2 %.
"""


_LEFT_OUT = """## What is left out

Attention: its operands change with every product and have to be written like weights (`Engine.cost(dynamic=...)`).
Static activation ranges and the training that finds them. Fixed pattern errors, crosstalk, intensity noise and receiver
noise, which the paper leaves out (`--set receiver.capacitance_f=1e-14` adds 40 electrons). Whether a Transformer bears
the noise of a constant N at its width: `exalight accuracy --engine optical-transformers` measures that on a real model.
"""


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)) + "\n"


def _percent(value: float) -> str:
    return np.format_float_positional(100 * value, 3 if value < 1 else 2, fractional=False, trim="-") + " %"


def _femto(value_j: float) -> str:
    return np.format_float_positional(value_j * 1e15, 3, fractional=False, trim="-")


# The figure --------------------------------------------------------------------------------------------------------


def draw(folder: Path) -> list[Path]:
    """Draw optical-transformers.png into `folder`; returns the files."""
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(12.5, 4.3), layout="constrained")
        product, mac, energy = figure.subplots(1, 3)
        _errors(product, "product", f"{PER_PRODUCT:,.0f} photoelectrons for a dot product")
        _errors(mac, "mac", f"{PER_MAC:g} photoelectrons for a multiply-accumulate")
        for axes in (product, mac):
            axes.set_ylim(2e-3, 1.2)
        _energies(energy)
        path = folder / "optical-transformers.png"
        figure.savefig(path, dpi=150)
    return [path]


def _errors(axes: Axes, fixed: str, title: str) -> None:
    line = np.geomspace(WIDTHS[0], WIDTHS[-1], 50)
    for kind in OPERANDS:
        colour = _COLOURS[kind]
        electrons = [PER_PRODUCT if fixed == "product" else PER_MAC * width for width in line]
        axes.plot(line, [law(kind, w, n) for w, n in zip(line, electrons, strict=True)], color=colour, linewidth=1.2)
        for quantised, marker in ((False, "o"), (True, "x")):
            errors = [measured(kind, width, budget(width, fixed), quantised).error for width in WIDTHS]
            label = kind + (", quantised" if quantised else ", shot noise alone")
            axes.plot(WIDTHS, errors, marker, color=colour, markersize=5, label=label)
    _log_axes(axes, title)
    axes.set_ylabel("error / rms product")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    if fixed == "product":
        axes.legend(loc="upper left")


def _energies(axes: Axes) -> None:
    for name, (_, colour) in _PARTS.items():
        axes.plot(ENERGY_WIDTHS, [energy_j(width, name) * 1e15 for width in ENERGY_WIDTHS], color=colour, label=name)
    whole = [energy_j(width, "all") * 1e15 for width in ENERGY_WIDTHS]
    axes.plot(ENERGY_WIDTHS, whole, color="black", linewidth=2, label="all")
    axes.axhline(DIGITAL_J_PER_MAC * 1e15, color="black", linestyle=":", linewidth=1)
    axes.annotate("digital, 300 fJ", (ENERGY_WIDTHS[-1], DIGITAL_J_PER_MAC * 1e15), ha="right", va="bottom")
    _log_axes(axes, "Energy of a multiply-accumulate")
    axes.set_ylabel("fJ")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.legend(loc="lower left", fontsize=8)


def _log_axes(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("width d")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(True, which="major", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_title(title)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    draw(HERE / "images")
