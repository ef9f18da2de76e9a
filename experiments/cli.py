"""The `exalight` command: options from dataclasses, wrong requests in one line, dispatch.

Nothing here imports JAX, NumPy or matplotlib before a request has been found good.
"""

import contextlib
import dataclasses
import difflib
import importlib.metadata
import io
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from experiments.accuracy_config import AccuracyConfig
from experiments.bench_config import BenchConfig
from experiments.engines_config import EnginesConfig
from experiments.errors import RequestError, RunFailed, Stopped
from experiments.finetune_config import FinetuneConfig
from experiments.generate_config import GenerateConfig
from experiments.plot_config import PlotConfig
from experiments.scaling_config import ScalingConfig
from experiments.sweep_config import SweepConfig
from experiments.validate_config import ValidateConfig
from experiments.xla_flags import use_full_vectors
from photonics.schema import shortened

_Config = (
    AccuracyConfig
    | EnginesConfig
    | GenerateConfig
    | ScalingConfig
    | FinetuneConfig
    | BenchConfig
    | SweepConfig
    | PlotConfig
    | ValidateConfig
)
_CONFIGS: dict[str, type[_Config]] = {
    "accuracy": AccuracyConfig,
    "engines": EnginesConfig,
    "generate": GenerateConfig,
    "scaling": ScalingConfig,
    "finetune": FinetuneConfig,
    "bench": BenchConfig,
    "sweep": SweepConfig,
    "plot": PlotConfig,
    "validate": ValidateConfig,
}
# Arguments that are given by place, not by name.
_BY_PLACE = {"engines": "name", "sweep": "experiment", "plot": "run"}
# Options that take several values, given at once or one by one.
_SEVERAL = {
    "accuracy": {"--set", "--digital", "--dynamic", "--laser-power-w"},
    "engines": {"--set"},
    "generate": {"--set", "--digital"},
    "scaling": {"--set"},
    "finetune": {"--set", "--digital", "--targets"},
    "bench": {"--set", "--shapes"},
    "sweep": {"--set"},
    "plot": set(),
    "validate": set(),
}
_DESCRIPTION = (
    "What does it take to run transformer inference with light? "
    "Accuracy of a real model and the energy it costs, from one set of device numbers. "
    "Start with: exalight accuracy. Options of a command: exalight COMMAND --help. Version: exalight --version."
)
_Command = (
    Annotated[AccuracyConfig, tyro.conf.subcommand(name="accuracy")]
    | Annotated[EnginesConfig, tyro.conf.subcommand(name="engines")]
    | Annotated[GenerateConfig, tyro.conf.subcommand(name="generate")]
    | Annotated[ScalingConfig, tyro.conf.subcommand(name="scaling")]
    | Annotated[FinetuneConfig, tyro.conf.subcommand(name="finetune")]
    | Annotated[BenchConfig, tyro.conf.subcommand(name="bench")]
    | Annotated[SweepConfig, tyro.conf.subcommand(name="sweep")]
    | Annotated[PlotConfig, tyro.conf.subcommand(name="plot")]
    | Annotated[ValidateConfig, tyro.conf.subcommand(name="validate")]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` without the program name. Returns the exit status.

    0 done, 1 the run failed or was stopped, 2 the request was wrong (one line on standard error, no traceback).
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    use_full_vectors()
    if argv == ["--version"]:
        print(f"exalight {importlib.metadata.version('exalight')}")
        return 0
    try:
        return _run(_parse(argv), argv)
    except _HelpShown:
        return 0
    except RequestError as error:
        # What is refused may quote words of any length.
        print(f"exalight: {shortened(str(error))}", file=sys.stderr)
        return 2
    except (Stopped, KeyboardInterrupt) as stop:
        print(f"exalight: {one_line(str(stop)) or 'stopped'}", file=sys.stderr)
        return stop.status if isinstance(stop, Stopped) else 1
    except RunFailed as failure:
        print(f"exalight: {one_line(str(failure))}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output went away (exalight engines | head); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception:
        traceback.print_exc()
        return 1


def one_line(message: str) -> str:
    """A message with every run of white space, line breaks included, as one space."""
    return " ".join(message.split())


class _HelpShown(Exception):
    """The parser has printed a help text."""


def _run(config: _Config, argv: list[str]) -> int:
    if isinstance(config, EnginesConfig):
        from experiments.engines import show_engines

        show_engines(config)
        return 0
    if isinstance(config, SweepConfig):
        return _sweep(config, argv)
    if isinstance(config, ValidateConfig):
        return _validate(config, argv)
    if isinstance(config, AccuracyConfig):
        print(_accuracy(config, argv))
    elif isinstance(config, GenerateConfig):
        print(_generate(config, argv))
    elif isinstance(config, ScalingConfig):
        print(_scaling(config, argv))
    elif isinstance(config, FinetuneConfig):
        print(_finetune(config, argv))
    elif isinstance(config, BenchConfig):
        print(_bench(config, argv))
    else:
        from experiments.plot import run_plot

        print(run_plot(config))
    return 0


def _accuracy(config: AccuracyConfig, argv: list[str]) -> Path:
    from experiments.accuracy_request import check_request

    request = check_request(config)
    from experiments.accuracy import run_accuracy

    return run_accuracy(request, argv)


def _generate(config: GenerateConfig, argv: list[str]) -> Path:
    from experiments.generate_request import check_request

    request = check_request(config)
    from experiments.generate import run_generate

    return run_generate(request, argv)


def _scaling(config: ScalingConfig, argv: list[str]) -> Path:
    from experiments.scaling_request import check_request

    request = check_request(config)
    from experiments.scaling import run_scaling

    return run_scaling(request, argv)


def _finetune(config: FinetuneConfig, argv: list[str]) -> Path:
    from experiments.finetune_request import check_request

    request = check_request(config)
    from experiments.finetune import run_finetune

    return run_finetune(request, argv)


def _bench(config: BenchConfig, argv: list[str]) -> Path:
    from experiments.bench_request import check_request

    request = check_request(config)
    from experiments.bench import run_bench

    return run_bench(request, argv)


def _sweep(config: SweepConfig, argv: list[str]) -> int:
    from experiments.sweep_request import check_request

    request = check_request(config)
    if config.dry_run:
        from experiments.sweep_output import print_plan

        print_plan(request)
        return 0
    from experiments.sweep import run_sweep

    outcome = run_sweep(request, argv)
    print(outcome.path)
    if outcome.failed:
        print(f"exalight: {one_line(outcome.failures)}", file=sys.stderr)
    return 1 if outcome.failed else 0


def _validate(config: ValidateConfig, argv: list[str]) -> int:
    if config.list:
        from experiments.validate_config import check_options
        from experiments.validate_list import print_list
        from experiments.validate_request import listed_cases

        check_options(config)
        print_list(listed_cases(config)[0])
        return 0
    from experiments.validate_request import check_request

    request = check_request(config)
    from experiments.validate import run_validate

    outcome = run_validate(request, argv)
    print(outcome.path)
    return 1 if outcome.failed else 0


def _parse(argv: list[str]) -> _Config:
    """Options as a configuration object; RequestError for what cannot be parsed."""
    helping = any(argument in ("-h", "--help") for argument in argv)
    if not helping:
        _check_names(argv)
        argv = _gather(argv)
    errors = io.StringIO()
    # The parser breaks its messages to the width of the terminal, inside words where it must.
    width = contextlib.nullcontext() if helping else _columns("10000")
    try:
        with contextlib.redirect_stderr(errors), width:
            return tyro.cli(_Command, prog="exalight", description=_DESCRIPTION, args=argv)  # pyright: ignore
    except SystemExit as end:
        if not end.code:
            raise _HelpShown from None
        raise RequestError(_condense(errors.getvalue(), argv[0])) from None


@contextlib.contextmanager
def _columns(value: str):
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _check_names(argv: list[str]) -> None:
    """Refuse a missing or unknown command and unknown options, naming the nearest."""
    if not argv:
        raise RequestError(f"a command is missing; give one of {', '.join(_CONFIGS)}, or see exalight --help")
    command = argv[0]
    if command not in _CONFIGS:
        if command.startswith("-"):
            raise RequestError(
                f"{command} stands before the command; write exalight COMMAND {command} ..., "
                f"with one of {', '.join(_CONFIGS)}"
            )
        raise RequestError(
            f"unknown command {command!r}{_nearest(command, _CONFIGS)} (commands: {', '.join(_CONFIGS)})"
        )
    options = _options(command)
    for argument in argv[1:]:
        name = argument.partition("=")[0]
        if name.startswith("--") and name.replace("_", "-") not in options:
            raise RequestError(
                f"unknown option {name} of exalight {command}{_nearest(name, options)} "
                f"(all options: exalight {command} --help)"
            )


def _options(command: str) -> list[str]:
    fields = [field for field in dataclasses.fields(_CONFIGS[command]) if field.name != _BY_PLACE.get(command)]
    # A switch that is on by default is turned off by its name with "no-" before it.
    turned_off = [f"--no-{field.name.replace('_', '-')}" for field in fields if field.default is True]
    return [*(f"--{field.name.replace('_', '-')}" for field in fields), *turned_off]


def _nearest(name: str, known: Sequence[str] | dict[str, type]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _gather(argv: list[str]) -> list[str]:
    """Repeated options with several values as one: `--set a --set b` becomes `--set a b`.

    The parser would keep the last one only. Everything else stays where it is.
    """
    several = _SEVERAL[argv[0]]
    kept, values, current = [], {}, None
    for argument in argv:
        name, equals, value = argument.partition("=")
        if argument.startswith("--"):
            current = name.replace("_", "-") if name.replace("_", "-") in several else None
            if current is not None:
                values.setdefault(current, [])
                argument = value if equals else None
        if current is None:
            kept.append(argument)
        elif argument is not None:
            values[current].append(argument)
    for name, parts in values.items():
        if not parts:
            raise RequestError(f"{name} needs a value; see exalight {argv[0]} --help")
    return kept + [part for name, parts in values.items() for part in (name, *parts)]


# The parser speaks of types; a user thinks of values.
_REWORDED = (
    (r"Error parsing (\S+): invalid literal for int\(\) with base 10: (.*)", r"\1 \2: expected a whole number"),
    (r"Error parsing (\S+): could not convert string to float: (.*)", r"\1 \2: expected a number"),
    (r"Error parsing (\S+): Could not find valid parse for arguments: \[(.*)\]", r"\1 \2: expected numbers"),
    (
        r"Error parsing (\S+): no type matching (?:\{None\}\|)?(\S+) could be instantiated from \[(.*?)\]\..*",
        r"\1 \3: expected \2",
    ),
    (r"invalid choice (.*) for argument '(\S+)'\. Expected one of \((.*)\)", r"\2 \1: expected one of \3"),
    (r"Missing value for argument '(\S+)'\..*", r"\1 needs a value"),
    (r"Unrecognized options: (.*)", r"unexpected \1"),
)


def _condense(boxed: str, command: str) -> str:
    """The parser's boxed message as one sentence: the part above the first rule, without frames."""
    # Frames are drawn with ASCII where the output takes nothing else; then the title has a rule of its own.
    lines = [line.strip("│| ") for line in boxed.splitlines()]
    framed = boxed.lstrip().startswith("╭")
    sections: list[list[str]] = [[]]
    for line in lines:
        if line and set(line) <= set("─-+"):
            sections.append([])
        elif line and line[0] not in "╭╰":
            sections[-1].append(line)
    filled = [section for section in sections if section]
    body = filled[0 if framed or len(filled) < 2 else 1] if filled else ["the options could not be read"]
    message = one_line(" ".join(body)).rstrip(".")
    for pattern, wording in _REWORDED:
        message = re.sub(f"^{pattern}$", wording, message)
    if command == "generate" and message.startswith("unexpected"):
        message += "; a prompt of several words needs quotes"
    return f"{message} (see exalight {command} --help)"
