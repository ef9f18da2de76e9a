"""Your own engine from data sheets: what would this machine be if I built it from parts that I can buy?

Run it from the repository:

    uv run python docs/tutorials/your_own_engine.py --out my-engine

It writes an engine file, reads it back, shows where light, noise and power go, multiplies two matrices with it, and
draws its power beside that of the engine it started from. `--tiny` does the same with smaller matrices, for tests.
"""

import argparse
from pathlib import Path

import jax
import matplotlib
import numpy as np

import photonics
from photonics.catalogue import apply_overrides, build_engine, read_engine_file

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# 1. The file -------------------------------------------------------------------------------------------------------
#
# An engine file says what differs from another engine. Every number is a table of its own, with a kind (measured,
# vendor, paper, projection, assumption) and a source: a file without them is refused, because a year from now nobody
# would know which numbers were data sheet and which were hope.
#
# Three parts are replaced here. The converter is a chip that was sold: a data sheet states its resolution (8 bits), its
# effective bits (6.9), its rate and its power, and the engine wants them as bits, bits lost, and energy per effective
# step. The laser and the amplifier are parts that papers measured; the arithmetic from their numbers to ours stands in
# the notes. Where nothing was measured, the file says "assumption" instead of staying silent. What the file leaves out
# is inherited: here the beam quality of a single-mode laser, though so strong a VCSEL may have several modes. Try
# `--set source.beam_quality=5`: photodiodes as large as that asks for have twenty times the capacitance.

FILE = """\
extends = "free-space-1024"
title = "free-space-1024 from parts of data sheets and papers"

[source.wavelength_m]
value = 940e-9
kind = "paper"
source = "oxide-confined VCSELs for 940 nm: Wang, Li, Wang, 10.21203/rs.3.rs-1278067"

[source.power_max_w]
value = 13.5e-3
kind = "paper"
source = "one VCSEL of the same paper"

[source.threshold_current_a]
value = 9e-4
kind = "assumption"
source = "VCSELs of this power stay below 1 mA, from memory, not verified"

[source.slope_efficiency]
value = 0.456
kind = "paper"
source = "48 % of the electrical power of the same VCSEL is light, times 0.9 for the current driver (assumption)"
note = "13.5 mW / (0.48 x 0.9) = 31.3 mW = 0.9 mA x 1.8 V + 13.5 mW / 0.456"

[operating_point.laser_power_w]
value = 1e-2
kind = "assumption"
source = "three quarters of what the VCSEL can do"

[receiver.noise_factor]
value = 1.37
kind = "measured"
source = "amplifier with 4.3 pA/rtHz at 1.21 GHz: Photonics 11, 617 (2024)"
note = "(4.3 pA/rtHz)^2 = 18.5e-24 A^2/Hz; less 7.1e-24 for the channel at 1.21 GHz, 4 k T F / 2 kohm has F = 1.37"

[receiver.overhead]
value = 9.89
kind = "measured"
source = "the same amplifier takes 23.6 mW"
note = "23.6 mW over the 2.386 mW of the signal path in this model at 1.21 GHz and 1 V; at the 0.5 GHz here, 20.4 mW"

[adc.bits]
value = 8
kind = "vendor"
source = "National Semiconductor, ADC08D1010 data sheet (2009): dual 8-bit converter, 1 GS/s"
url = "https://dtsheet.com/doc/93237/nsc-adc08d1010diyb"

[adc.enob_loss]
value = 1.1
kind = "vendor"
source = "the same data sheet: 6.9 effective bits at 500 MHz"

[adc.energy_model]
value = "walden"
kind = "assumption"
source = "the converter costs what its own data sheet says, not what a survey expects of one"

[adc.walden_fom_j]
value = 6.7e-12
kind = "vendor"
source = "the same data sheet: 1.6 W for two converters at 1 GS/s"
note = "0.8 W / 1 GS/s / 2^6.9 = 6.7 pJ for each effective step"
"""

# The same file with one letter missing: what happens to a typing error.
MISSPELLED = FILE.replace("[adc.enob_loss]", "[adc.enob_los]")


def main() -> None:
    """Run all steps of this page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("my-engine"), help="folder of the file and the figure")
    parser.add_argument("--tiny", action="store_true", help="small matrices, for tests")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "my-engine.toml"

    path.write_text(FILE, encoding="utf-8")
    mine, start = read_engine_file(path), read_engine_file("free-space-1024")
    print(f"{path} states {sum(mine.sources[key] != start.sources[key] for key in mine.values)} values of its own")
    print(f"and inherits the other {sum(mine.sources[key] == start.sources[key] for key in mine.values)}.")
    refuse(arguments.out / "misspelled.toml")

    engine, catalogue = build_engine(mine), build_engine(start)
    show_light(engine)
    show_noise(engine)
    show_power(engine, catalogue)
    size = 128 if arguments.tiny else 1024
    show_accuracy(engine, catalogue, size)
    show_settings(path)
    draw({"catalogue": catalogue, "mine": engine}, arguments.out / "power.png")
    print("\nNext, with the same file:")
    print(f"  exalight engines {path}             everything above as tables, with every source")
    print(f"  exalight accuracy --engine {path}   a language model through it (minutes)")


def refuse(path: Path) -> None:
    """Show how a wrong file is refused: the message names file, key, and the nearest key there is."""
    path.write_text(MISSPELLED, encoding="utf-8")
    try:
        read_engine_file(path)
    except ValueError as error:
        print(f"\nWith a letter missing the file is refused:\n  {error}")
    path.unlink()


# 2. Light ----------------------------------------------------------------------------------------------------------
#
# The link budget follows the light of one source. The big number is not a loss of any part: a lens that copies one
# source onto 2048 columns of the panel (1024 outputs, two rails each) gives each of them 1/2048 of the light.


def show_light(engine: photonics.Engine) -> None:
    """Print the power of one source's light after each step."""
    print("\nLight of one source on its way to one detector")
    for step in engine.link_budget():
        print(f"  {step.name:32}{-step.loss_db + 0.0:+7.2f} dB {step.power_w * 1e6:12.3f} uW")
    electrons = float(engine.electrons_per_path())
    print(f"  a symbol of 1 ns makes {electrons:.0f} photoelectrons there: the unit in which all noise is counted")


# 3. Noise ----------------------------------------------------------------------------------------------------------
#
# Each term is a variance in electrons squared, for typical operands. What stands first is what to improve first: more
# light helps against a receiver, and not at all against a converter whose step grows with the signal.


def show_noise(engine: photonics.Engine) -> None:
    """Print the four largest contributions to the variance of one conversion."""
    print("\nNoise of one conversion, the largest contributions")
    for term in engine.noise_budget()[:4]:
        print(f"  {term.origin:36}{term.variance_electrons2:11.3g} electrons^2 {100 * term.share:6.1f} %")


# 4. Power ----------------------------------------------------------------------------------------------------------


def show_power(engine: photonics.Engine, catalogue: photonics.Engine) -> None:
    """Print the power at the wall of both engines, part by part."""
    mine, other = engine.power_budget(), catalogue.power_budget()
    print("\nPower at the wall without a pause           mine    catalogue")
    for part in sorted(mine, key=lambda part: -float(mine[part])):
        print(f"  {part:36}{float(mine[part]):8.1f} W {float(other[part]):8.1f} W")
    total_w, other_w = sum(map(float, mine.values())), sum(map(float, other.values()))
    print(f"  {'together':36}{total_w:8.1f} W {other_w:8.1f} W")
    ratio = float(mine["adc"]) / float(other["adc"])
    print(f"  A converter in a package of its own, with its digital ports, takes {ratio:.0f} times one inside a chip.")


# 5. Accuracy -------------------------------------------------------------------------------------------------------
#
# The same numbers decide how well a product comes out. The key decides the noise: the same key, the same draw.


def snr_db(engine: photonics.Engine, size: int) -> float:
    """Signal over error of one product of normal matrices, in dB, ranged on a sample that is not measured."""
    x_key, w_key, sample_key, noise_key = jax.random.split(jax.random.key(0), 4)
    x, w = jax.random.normal(x_key, (64, size)), jax.random.normal(w_key, (size, size))
    panel = engine.load_panel(w, sample=jax.random.normal(sample_key, (64, size)))
    error = engine.matmul(noise_key, x, panel) - x @ w
    return float(10 * np.log10(np.sum(np.square(x @ w)) / np.sum(np.square(error))))


def show_accuracy(engine: photonics.Engine, catalogue: photonics.Engine, size: int) -> None:
    """Print the accuracy of one product on both engines."""
    print(f"\nA product of length {size}: signal over error (6 dB are one bit)")
    print(f"  catalogue {snr_db(catalogue, size):5.1f} dB")
    print(f"  mine      {snr_db(engine, size):5.1f} dB")
    more = engine.at(laser_power_w=2 * engine.operating_point.laser_power_w)
    print(f"  mine with twice the light {snr_db(more, size):5.1f} dB (above the VCSEL's limit, so only for insight)")


# 6. Settings -------------------------------------------------------------------------------------------------------
#
# `--set PATH=VALUE` of every command, and the second argument of `photonics.load_engine`, change one value without a
# file. The paths are those of the file. Such a value is recorded as an assumption "set on the command line".


def show_settings(path: Path) -> None:
    """Print what one setting changes: a converter inside a chip, at the price that the survey expects."""
    settings = ["adc.energy_model=largest", "adc.bits=10", "adc.enob_loss=1.5"]
    file = apply_overrides(read_engine_file(path), settings)
    engine = build_engine(file)
    print(f"\nThe same engine with {' '.join(f'--set {setting}' for setting in settings)}")
    print(f"  its converters take {float(engine.power_budget()['adc']):.2f} W; the source of adc.bits is now ", end="")
    print(f"'{file.sources['adc.bits'].title}' ({file.sources['adc.bits'].kind})")


def draw(engines: dict[str, photonics.Engine], path: Path) -> None:
    """Power by part as bars, for each engine."""
    budgets = {name: {part: float(w) for part, w in e.power_budget().items()} for name, e in engines.items()}
    parts = sorted(budgets["mine"], key=lambda part: budgets["mine"][part])
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for row, (name, budget) in enumerate(budgets.items()):
        places = [index + 0.4 * row for index in range(len(parts))]
        axes.barh(places, [max(budget[part], 1e-3) for part in parts], height=0.4, label=name)
    axes.set_yticks([index + 0.2 for index in range(len(parts))], parts)
    axes.set(xscale="log", xlabel="power at the wall (W)")
    axes.legend()
    figure.savefig(path, dpi=120)
    print(f"\nThe figure is {path}")


if __name__ == "__main__":
    main()
