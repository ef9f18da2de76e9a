"""`exalight validate --list`: the quantities that a case may ask for, and the cases themselves. No JAX."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from experiments.validate_case import CONFIDENCE, KINDS, Case
from experiments.validate_quantities import QUANTITIES
from experiments.validate_quantity import Quantity
from experiments.words import output_console, plain_table


def print_list(cases: Sequence[Case]) -> None:
    """Print every quantity with its unit and arguments, the words a case may use, and the cases, on standard output."""
    console = output_console()
    console.print("Quantities, their units and arguments", style="bold")
    for quantity in QUANTITIES.values():
        _print_quantity(console, quantity)
    console.print("\nKinds of published numbers", style="bold")
    for words in (KINDS, CONFIDENCE):
        for word, meaning in words.items():
            console.print(f"  {word}: {meaning}")
        console.print()
    console.print(f"Cases ({len(cases)})", style="bold")
    table = plain_table("id", "quantity", "engine", "what", wrap=("what",))
    for case in cases:
        needs = QUANTITIES[case.quantity].needs
        marks = (" (slow)" if case.slow else "") + (f" (needs {needs})" if needs else "")
        table.add_row(case.id, case.quantity, case.engine or "-", f"{case.title or case.source}{marks}")
    console.print(table)


def _print_quantity(console: Console, quantity: Quantity) -> None:
    about = [
        f"engines of the family {quantity.family}" if quantity.family else "no engine" if quantity.family == "" else "",
        f"needs {quantity.needs}" if quantity.needs else "",
    ]
    only = "".join(f" ({text})" for text in about if text)
    console.print(Text.assemble((quantity.name, "bold"), f" [{quantity.unit}]{only}"))
    console.print(Padding(quantity.meaning, (0, 0, 0, 4)))
    for argument in quantity.arguments:
        unit = "" if argument.unit in ("", "1") else f" [{argument.unit}]"
        choices = f" ({', '.join(argument.choices)})" if argument.choices else ""
        text = (
            f"{argument.name}{unit}: {argument.meaning}{choices}; {_default(argument.needed, argument.shown_default())}"
        )
        console.print(Padding(text, (0, 0, 0, 6)), style="dim")


def _default(needed: bool, shown: str) -> str:
    return shown if needed else f"default: {shown}"
