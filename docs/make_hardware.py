"""Write docs/hardware.md: every value of every engine in the catalogue, with its unit, kind and source.

Run it by hand after changing a file of photonics/engines; a test compares the page with what this prints.
"""

from pathlib import Path

from photonics.catalogue import EngineFile, Source, engine_names, read_engine_file
from photonics.families import FAMILIES

PAGE = Path(__file__).with_name("hardware.md")
# The engine that the others are compared with: only what differs from it is listed for them.
FULL = "free-space-1024"

_OPENING = """# Hardware: every number and where it comes from

This page is printed by `python docs/make_hardware.py` from the files in `photonics/engines`; change those. Kinds:
*measured* (on a real part), *vendor* (the maker says so), *paper* (a published figure or model), *projection* (with a
range), *assumption* (ours, beside what was measured elsewhere). Ratios that files spell in decibels show both.
"""


def page() -> str:
    """The whole page as markdown."""
    full = read_engine_file(FULL)
    parts = [_OPENING, _section(full, list(full.values))]
    for name in engine_names():
        if name != FULL:
            file = read_engine_file(name)
            differs = [path for path in file.values if file.sources[path] != full.sources.get(path)]
            parts.append(_section(file, differs, f"Everything else is as in `{FULL}`."))
    return "\n".join(parts)


def _section(file: EngineFile, paths: list[str], closing: str = "") -> str:
    lines = [
        f"## {file.name}",
        "",
        f"**{file.title}.** {file.description} {closing}".rstrip(),
        "",
        "| value | | unit | kind | source | notes |",
        "|---|---|---|---|---|---|",
    ]
    for path in paths:
        source = file.sources[path]
        cells = (path, _shown(file, path), file.rows[path].unit, source.kind, source.title, _notes(source))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _shown(file: EngineFile, path: str) -> str:
    value = file.values[path]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        spellings = [one for one in FAMILIES[file.family].decibels.values() if one.path == path]
        # "+ 0.0" turns a loss of -0 dB into 0 dB.
        beside = [
            f" ({'loss of ' if decibel.sign < 0 else ''}{decibel.decibels(value) + 0.0:.4g} {decibel.unit})"
            for decibel in spellings
        ]
        return f"{value:.4g}" + "".join(beside)
    return str(value)


def _notes(source: Source) -> str:
    notes = []
    if source.low is not None and source.high is not None:
        notes.append(f"range {source.low:.3g} to {source.high:.3g}")
    if source.note:
        notes.append(source.note)
    if source.measured:
        notes.append(f"elsewhere: {source.measured}")
    if source.url:
        notes.append(f"<{source.url}>")
    return "; ".join(notes)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
