"""From the options of `exalight validate` to a request that can be met; refuses all others, without JAX."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.accuracy_request import checked_engine_file
from experiments.errors import RequestError
from experiments.runs import RunFolder, short_hash
from experiments.validate_case import Case
from experiments.validate_cases import SHIPPED, chosen_cases, read_cases
from experiments.validate_config import ValidateConfig, check_options
from experiments.validate_quantities import QUANTITIES

if TYPE_CHECKING:
    from photonics.catalogue import EngineFile

EXPERIMENT = "validate"
_RUNS = Path("runs")
# Options that do not change what is computed.
_NOT_THE_RUN = ("list", "plot", "out")


@dataclasses.dataclass(frozen=True)
class ValidateRequest:
    """A checked request.

    Attributes:
        config: the options.
        cases: what was asked for, in the order of the file, each with the engines of its places (none without engine).
        skipped: reason by id of cases that are not computed.
        mnist: the folder with MNIST, where it was given.
        folder: where results go.
    """

    config: ValidateConfig
    cases: tuple[tuple[Case, tuple["EngineFile", ...]], ...]
    skipped: dict[str, str]
    mnist: Path | None
    folder: RunFolder

    @property
    def options(self) -> dict[str, Any]:
        """The options by name, as they stand in `config.toml` and `result.json`."""
        return _options(self.config)


def check_request(config: ValidateConfig) -> ValidateRequest:
    """Check options, cases, engines, data and folder, cheapest first. RequestError says what is wrong and where."""
    check_options(config)
    cases, digest = listed_cases(config)
    with_engines = tuple((case, engines_of(case)) for case in cases)
    mnist, data = _mnist(config)
    document: dict[str, Any] = {
        "experiment": EXPERIMENT,
        "options": _options(config),
        "cases": {"sha256": digest},
        "engines": {case.id: _digest(files) for case, files in with_engines},
        **data,
    }
    path = Path(config.out) if config.out is not None else _RUNS / EXPERIMENT / short_hash(document)
    folder = RunFolder(path, document)
    folder.check()
    return ValidateRequest(config, with_engines, _skipped(config, cases), mnist, folder)


def listed_cases(config: ValidateConfig) -> tuple[tuple[Case, ...], str]:
    """The cases that `--cases` and `--only` choose, and the hash of their file."""
    cases, digest = read_cases(Path(config.cases) if config.cases is not None else SHIPPED)
    return chosen_cases(cases, config.only), digest


def engines_of(case: Case) -> tuple["EngineFile", ...]:
    """The engine of a case at each place of its curve; RequestError where there is none, or where it is another kind.

    Files that an engine of a case names are found from where the command runs.
    """
    if case.engine is None:
        return ()
    try:
        files = tuple(checked_engine_file(case.engine, case.engine_set(place)) for place in case.at or (None,))
    except RequestError as error:
        raise RequestError(f"case {case.id}: {error}") from None
    family = QUANTITIES[case.quantity].family
    if family is not None and files[0].family != family:
        raise RequestError(
            f"case {case.id}: {case.quantity} is asked of engines of the family {family}; "
            f"{case.engine} belongs to {files[0].family}"
        )
    return files


def _skipped(config: ValidateConfig, cases: tuple[Case, ...]) -> dict[str, str]:
    reasons = {}
    for case in cases:
        needs = QUANTITIES[case.quantity].needs
        if needs == "mnist" and config.mnist is None:
            reasons[case.id] = "needs MNIST: give the folder with its four IDX files as --mnist PATH"
        elif needs == "smollm2" and (absent := _why_no_smollm2()):
            reasons[case.id] = absent
        elif case.slow and not config.slow:
            reasons[case.id] = "takes minutes: give --slow"
    return reasons


def _why_no_smollm2() -> str:
    """Why the packaged model cannot be used, "" if it can."""
    from experiments.accuracy_config import DEFAULT_MODEL
    from experiments.accuracy_request import checked_model

    try:
        checked_model(DEFAULT_MODEL)
    except RequestError as error:
        return f"needs {DEFAULT_MODEL}: {error}"
    return ""


def _mnist(config: ValidateConfig) -> tuple[Path | None, dict[str, Any]]:
    """The folder, and a table that tells its files from others; RequestError for files that are not MNIST's."""
    if config.mnist is None:
        return None, {}
    from experiments.validate_mnist_files import check_mnist

    folder = Path(config.mnist)
    return folder, {"mnist": {"sha256": check_mnist(folder)}}


def _options(config: ValidateConfig) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in _NOT_THE_RUN}


def _digest(files: tuple["EngineFile", ...]) -> str:
    return hashlib.sha256(json.dumps([dict(file.values) for file in files]).encode()).hexdigest()[:16]
