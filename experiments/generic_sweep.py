"""Any experiment as something to sweep: each point is one run of it in a folder that is thrown away.

Slower than an experiment's own `Sweepable`: models are loaded and compiled anew for every point.
"""

import contextlib
import dataclasses
import importlib
import json
import os
import tempfile
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.errors import RequestError
from experiments.runs import short_hash
from experiments.sweep_experiments import EXPERIMENTS
from experiments.sweep_worker import in_one_line
from experiments.sweepable import Failed, Point, Row

# Parts of a result that repeat the request, or are times of this computer, which no two runs share.
_NO_RESULT = ("experiment", "config", "seed", "wall")


class GenericSweep:
    """An experiment that has `experiments.NAME_request.check_request` and `experiments.NAME.run_NAME`.

    Columns are the plain values of its `result.json`, keys joined by points; lists of plain values are left out,
    lists of tables have their index in the name (`prompts.0.first_difference`).
    """

    points_per_chunk = 1

    def __init__(self, experiment: str) -> None:
        self.experiment = experiment
        self.objective = OBJECTIVES.get(experiment, "")

    def facts(self, options: Mapping[str, Any], engine_set: tuple[str, ...]) -> Mapping[str, str]:
        """A hash over what the run reads: hashes of files, and the values of the engine."""
        with tempfile.TemporaryDirectory() as folder:
            return facts_of(self._request({**options, "set": engine_set, "out": str(Path(folder) / "run")}))

    def request(self, point: Point) -> Any:
        """The checked request of a point, whose folder nobody opens."""
        with tempfile.TemporaryDirectory() as folder:
            return self._request(self._options(point, folder))

    def group(self, point: Point) -> str:
        """Points share nothing."""
        return point.identity

    def evaluate(self, points: Sequence[Point]) -> Iterator[tuple[Point, Row | Failed]]:
        """Run the experiment once for each point, with nothing on the terminal."""
        for point in points:
            try:
                yield point, flattened(self._run(point))
            except Exception as error:
                yield point, Failed(in_one_line(error))

    def _run(self, point: Point) -> dict[str, Any]:
        run = getattr(importlib.import_module(f"experiments.{self.experiment}"), f"run_{self.experiment}")
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
            request = self._request(self._options(point, folder))
            if facts_of(request) != point.facts:
                raise RequestError("files that the options name are not those of the plan")
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                path = run(request, ["sweep", self.experiment])
            return json.loads(path.read_text("utf-8"))

    @staticmethod
    def _options(point: Point, folder: str) -> dict[str, Any]:
        return {**point.options, "set": point.engine_set, "seed": point.seed, "out": str(Path(folder) / "run")}

    def _request(self, options: Mapping[str, Any]) -> Any:
        module = importlib.import_module(f"experiments.{self.experiment}_request")
        return module.check_request(_configured(EXPERIMENTS[self.experiment].options, options))


def facts_of(request: Any) -> dict[str, str]:
    """Hashes of all that the document of a run says beside the options, which a point has itself."""
    read = {key: value for key, value in request.folder.document.items() if key != "options"}
    return {"document": short_hash(read)}


OBJECTIVES = {"generate": "simulated.decode.energy_j_per_token"}
"""What is compared while a sweep runs; smaller is better."""


def flattened(value: Any, name: str = "") -> Row:
    """Plain values of nested tables by dotted name."""
    row: Row = {}
    if isinstance(value, Mapping):
        for key, item in value.items():
            if name or key not in _NO_RESULT:
                row |= flattened(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, Mapping):
                row |= flattened(item, f"{name}.{index}")
    else:
        row[name] = value
    return row


def _configured(config: type, options: Mapping[str, Any]) -> Any:
    """A configuration object; fields that take several values get one."""
    hints = typing.get_type_hints(config)
    known = {field.name for field in dataclasses.fields(config)}
    values = {
        name: (value,) if typing.get_origin(hints[name]) is tuple and not isinstance(value, tuple) else value
        for name, value in options.items()
        if name in known
    }
    return config(**values)
