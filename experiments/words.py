"""Numbers and tables as people read them, shared by the commands that print."""

from rich.console import Console
from rich.table import Table

_WIDTH = 100
_PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def output_console() -> Console:
    """Standard output: as wide as the terminal, 100 columns in a pipe; texts are printed as they are."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH
    return console


def plain_table(*headings: str, right: tuple[str, ...] = (), wrap: tuple[str, ...] = ()) -> Table:
    """A table without frames; columns named in `right` are flush right, only those in `wrap` may break lines."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=heading not in wrap)
    return table


def engineering(value: float | None, unit: str, digits: int = 3) -> str:
    """A number with a prefix from atto to tera: 0.00123 W as "1.23 mW"; a dash for None."""
    if value is None:
        return "-"
    if value == 0 or value in (float("inf"), float("-inf")):
        return f"{value:g} {unit}"
    # From the rounded digits, so that 999.9 becomes 1 k and not 1e+03.
    rounded = float(f"{value:.{digits}g}")
    exponent = int(f"{rounded:e}".partition("e")[2])
    power = min(max(3 * (exponent // 3), min(_PREFIXES)), max(_PREFIXES))
    return f"{rounded / 10.0**power:.{digits}g} {_PREFIXES[power]}{unit}"
