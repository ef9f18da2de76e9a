"""What a column of a table is called on an axis: words and unit, both from its name; standard library only."""

import dataclasses

from experiments.words import engineering

# Units at the end of a name, and how they are written. Those of the first group take prefixes (milli, kilo).
_PREFIXED = {
    "w": "W",
    "a": "A",
    "v": "V",
    "hz": "Hz",
    "s": "s",
    "j": "J",
    "m": "m",
    "ohm": "\u03a9",
    "byte": "B",
    "f": "F",
}
_BARE = {
    "k": "K",
    "db": "dB",
    "nats": "nats",
    "m2": "m\u00b2",
    "electrons": "electrons",
    "electrons2": "electrons\u00b2",
}
_UNITS = {**_PREFIXED, **_BARE}
# Names that end like a unit and have none.
_NO_UNIT = ("top_k",)
_WORDS = {
    "kl": "KL",
    "snr": "SNR",
    "mac": "MAC",
    "macs": "MACs",
    "tops": "TOPS",
    "cpu": "CPU",
    "adc": "ADC",
    "dac": "DAC",
}
_WORDS |= {"enob": "ENOB", "top1": "top-1", "op": "op", "p5": "(worst 5 %)"}


@dataclasses.dataclass(frozen=True)
class Label:
    """A column in words.

    Attributes:
        words: what it is, without a unit.
        unit: in which numbers stand, "" for ratios and counts.
        prefixed: whether the unit takes prefixes, so that tick labels can carry it.
    """

    words: str
    unit: str
    prefixed: bool

    @property
    def axis(self) -> str:
        """The words, with the unit where tick labels do not carry it: "SNR (dB)"."""
        return f"{self.words} ({self.unit})" if self.unit and not self.prefixed else self.words

    def value(self, value: object) -> str:
        """One value of the column for a legend: "30 mW", "8", "yes"."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if not isinstance(value, int | float):
            return str(value)
        if self.prefixed:
            return engineering(value, self.unit)
        return f"{value:.6g} {self.unit}".rstrip()


def label(column: str) -> Label:
    """Words and unit of a column such as `energy_per_token_j`, `operating_point.laser_power_w` or `power_w.laser`."""
    unit, prefixed = "", False
    words: list[str] = []
    for piece in column.split("."):
        parts = [part for part in piece.split("_") if part]
        if column not in _NO_UNIT and len(parts) > 1:
            if len(parts) > 3 and parts[-2] == "per" and parts[-3] in _UNITS and parts[-1] in _UNITS:
                unit, prefixed = f"{_UNITS[parts[-3]]}/{_UNITS[parts[-1]]}", parts[-3] in _PREFIXED
                parts = parts[:-3]
            elif parts[-1] in _UNITS and parts[-2] != "per":
                unit, prefixed = _UNITS[parts[-1]], parts[-1] in _PREFIXED
                parts = parts[:-1]
        # What follows "per" is a unit too: per W.
        words += [
            _UNITS.get(part, part) if before == "per" else part
            for before, part in zip(["", *parts], parts, strict=False)
        ]
    return Label(" ".join(_WORDS.get(word, word) for word in words), unit, prefixed)
