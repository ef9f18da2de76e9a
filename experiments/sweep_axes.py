"""What `--set PATH=VALUES` of a sweep says: lists, ranges and single values, read in the type of what they set.

    6,8,10            a list; a comma that belongs to a value is written \\,
    1e-4:1e-1:log16   16 values from 1e-4 to 1e-1, evenly spaced in the logarithm, both ends included
    0:1:lin11, 0:1:11 11 values from 0 to 1, evenly spaced
    0:1, 1e-4:1:log   a range that only random and Sobol designs can use: it has no steps

Numbers of a range are rounded to 12 digits, so that 0:1:lin11 has 0.3 and every machine makes the same plan.
"""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from experiments.errors import RequestError
from experiments.sweep_experiments import Experiment

Value = float | int | bool | str

_RANGE = re.compile(r"([^:]+):([^:]+?)(?::(lin|log)?(\d*))?")
_RANGE_FORMS = "a range is LOW:HIGH:lin11 or LOW:HIGH:log16"
_DIGITS = 12
_STEPS_MAX = 100_000


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from low to high.

    Attributes:
        low, high: the ends, which belong to it.
        scale: what is evenly spaced, the numbers or their logarithms.
        steps: how many a grid takes; None where only a continuous design can use the range.
        whole: whether only whole numbers are meant.
    """

    low: float
    high: float
    scale: Literal["lin", "log"]
    steps: int | None
    whole: bool

    def at(self, share: float) -> float | int:
        """The number at a share of the way, 0 to 1."""
        if self.scale == "log":
            low, high = math.log(self.low), math.log(self.high)
            number = math.exp(low + (high - low) * share)
        else:
            number = self.low + (self.high - self.low) * share
        if self.whole:
            return round(number)
        return min(max(float(f"{number:.{_DIGITS}g}"), self.low), self.high)

    def values(self) -> list[float | int]:
        """The steps in order; whole numbers that rounding makes equal, once."""
        steps = self.steps or 0
        if steps == 1:
            return [self.at(0.0)]
        return list(dict.fromkeys(self.at(index / (steps - 1)) for index in range(steps)))


@dataclasses.dataclass(frozen=True)
class Axis:
    """One thing that a sweep varies, or sets for all points.

    Attributes:
        path: name of an option, or dotted path of a field of the engine; the column of the table.
        of_engine: which of the two.
        parts: its values and ranges in the order given.
    """

    path: str
    of_engine: bool
    parts: tuple[Value | Range, ...]

    @property
    def range(self) -> Range | None:
        """The range of an axis that is nothing but one."""
        (first, *others) = self.parts
        return first if isinstance(first, Range) and not others else None

    def values(self) -> list[Value]:
        """All values in order; RequestError for a range without steps and for a value that comes twice."""
        values: list[Value] = []
        for part in self.parts:
            if isinstance(part, Range) and part.steps is None:
                raise RequestError(
                    f"--set {self.path}: a range without steps is for --design random and sobol; {_RANGE_FORMS}"
                )
            values += part.values() if isinstance(part, Range) else [part]
        seen: set[Value] = set()
        for value in values:
            if value in seen:
                raise RequestError(f"--set {self.path} has the value {text_of(value)} twice; give each value once")
            seen.add(value)
        return values

    def summary(self) -> dict[str, Any]:
        """The axis for `result.json`."""
        if self.range is not None:
            plain = dataclasses.asdict(self.range)
            return {"path": self.path, "range": {key: plain[key] for key in ("low", "high", "scale", "steps")}}
        return {"path": self.path, "values": self.values()}


def read_axes(experiment: Experiment, items: Iterable[str]) -> tuple[Axis, ...]:
    """The axes of `--set` options in order; RequestError for anything that no point could use."""
    axes: dict[str, Axis] = {}
    for item in items:
        path, separator, text = item.partition("=")
        if not separator:
            raise RequestError(f"--set {item} should be PATH=VALUES, for example adc.bits=6,8,10")
        try:
            axis = _read_axis(experiment, path.strip(), text)
        except ValueError as error:
            raise RequestError(f"--set {item}: {error}") from None
        same = _same(axis.path)
        if same in axes:
            first = axes[same].path
            again = "twice" if first == axis.path else f"and {axis.path}, which are the same value"
            raise RequestError(f"--set names {first} {again}; give all its values at once, as in {first}=A,B")
        axes[same] = axis
    return tuple(axes.values())


def text_of(value: Value) -> str:
    """A value as a command line gives it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _same(path: str) -> str:
    """The field that a path means: decibels are another spelling of a ratio."""
    from photonics.families import decibel_of

    decibel = decibel_of(path)
    return path if decibel is None else decibel.path


def _read_axis(experiment: Experiment, path: str, text: str) -> Axis:
    option = path.replace("-", "_")
    if option in experiment.fields():
        return Axis(option, False, tuple(_parts(text, *_option_reader(experiment, option))))
    _check_known(experiment, path, option)
    return Axis(path, True, tuple(_parts(text, *_engine_reader(path))))


def _check_known(experiment: Experiment, path: str, option: str) -> None:
    """Refuse what is neither an option nor a field of the engine."""
    from photonics.families import spellings
    from photonics.schema import nearest

    if option == "seed":
        raise ValueError("seeds have options of their own, --seeds N and --seed S")
    known: list[str] = experiment.fields()
    if experiment.has_engine():
        if path in spellings():
            return
        known += spellings()
    what = "an option or an engine field" if experiment.has_engine() else "an option"
    raise ValueError(f"{path!r} is not {what} of exalight {experiment.name}; the nearest is {nearest(path, known)!r}")


# Reads one value; and whether it takes numbers, whole ones only.
_Reader = tuple[Callable[[str], Value], bool, bool]


def _engine_reader(path: str) -> _Reader:
    from photonics.families import decibel_of, row_of

    row, decibel = row_of(path), decibel_of(path)
    if row is not None:
        return row.parse, row.type in ("int", "float"), row.type == "int"
    ratio = None if decibel is None else row_of(decibel.path)
    if decibel is None or ratio is None:
        raise ValueError(f"{path} is no field of an engine")

    def read(text: str) -> Value:
        number = _number(text)
        if number is None:
            raise ValueError(f"{path} is {text!r}; it should be a number in {decibel.unit}")
        try:
            ratio.read(decibel.ratio(number))
        except (ValueError, OverflowError):
            raise ValueError(f"{path} is {text}; as a ratio it should be {ratio.describe()}") from None
        return number

    return read, True, False


def _option_reader(experiment: Experiment, option: str) -> _Reader:
    kinds = _kinds(typing.get_type_hints(experiment.options)[option])

    def read(text: str) -> Value:
        for kind in kinds:
            value = _as_kind(kind, text)
            if value is not None:
                return value
        raise ValueError(f"{option} is {text!r}; it should be {' or '.join(map(_describe, kinds))}")

    return read, bool({int, float} & set(kinds)), int in kinds and float not in kinds


def _kinds(hint: Any) -> list[Any]:
    """What a value of an option may be: types, and choices as tuples of texts; what takes several values, one."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return [kind for argument in arguments if argument is not types.NoneType for kind in _kinds(argument)]
    if origin is tuple:
        return _kinds(arguments[0])
    return [arguments] if origin is Literal else [hint]


def _as_kind(kind: Any, text: str) -> Value | None:
    """The text as a value of that kind, None where it is none."""
    if isinstance(kind, tuple):
        return text if text in kind else None
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower())
    if kind is str:
        return text
    number = _number(text)
    if number is None or (kind is int and not number.is_integer()):
        return None
    return int(number) if kind is int else number


def _describe(kind: Any) -> str:
    if isinstance(kind, tuple):
        return f"one of {', '.join(kind)}"
    words: Mapping[Any, str] = {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}
    return words[kind]


def _parts(text: str, read: Callable[[str], Value], numbers: bool, whole: bool) -> list[Value | Range]:
    """All values of one axis."""
    parts: list[Value | Range] = []
    for piece in re.split(r"(?<!\\),", text):
        value = piece.replace("\\,", ",").strip()
        if not value:
            raise ValueError("a value is missing; give values with commas between them, such as 6,8,10")
        looks_like_range = numbers and ":" in value
        parts.append(_range(value, read, whole) if looks_like_range else read(value))
    return parts


def _range(text: str, read: Callable[[str], Value], whole: bool) -> Range:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} cannot be read; {_RANGE_FORMS}")
    low, high = (_end(end, read) for end in match.group(1, 2))
    if low >= high:
        raise ValueError(f"{text} does not rise; give the lower end first")
    scale = "log" if match.group(3) == "log" else "lin"
    if scale == "log" and low <= 0:
        raise ValueError(f"{text} has no logarithm at {low:g}; start above 0, or use lin")
    steps = int(match.group(4)) if match.group(4) else None
    if steps is not None and not 2 <= steps <= _STEPS_MAX:
        raise ValueError(f"{text} has {steps} steps; give 2 to {_STEPS_MAX}")
    return Range(low, high, scale, steps, whole)


def _end(text: str, read: Callable[[str], Value]) -> float:
    """One end of a range, which has to be a value that the axis takes."""
    value = read(text.strip())
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise ValueError(f"{text} cannot be an end of a range; {_RANGE_FORMS}")
    return value


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number
