"""Checkpoints of a fine-tuning run, by Orbax: the last one and the best, whole or not at all.

    DIR/checkpoints/last/STEP       where a stopped run goes on
    DIR/checkpoints/best/STEP       where the smoothed loss was lowest

A checkpoint is written under a temporary name and renamed; what a kill has torn is never seen, and the one before is
deleted only after the new one is whole.
"""

import logging
from pathlib import Path
from typing import Any

from experiments.errors import RequestError

_LAST, _BEST = "last", "best"


class Checkpoints:
    """The checkpoints of one run folder; opens nothing before the first save or restore.

    Attributes:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def save(self, step: int, state: Any, facts: dict[str, Any], *, best: bool) -> None:
        """Store a pytree of arrays and a JSON document under a step; as the best one too where it is that."""
        import orbax.checkpoint as ocp

        for kind in (_LAST, _BEST) if best else (_LAST,):
            with self._manager(kind) as manager:
                items = ocp.args.Composite(state=ocp.args.StandardSave(state), facts=ocp.args.JsonSave(facts))
                manager.save(step, args=items, force=True)

    def restore(self, template: Any, *, best: bool = False) -> tuple[Any, dict[str, Any]] | None:
        """The state and the facts of the last whole checkpoint (or the best), None where there is none.

        `template` is a state of the same structure, whose shapes and types must agree: RequestError where not.
        """
        import jax
        import orbax.checkpoint as ocp

        with self._manager(_BEST if best else _LAST) as manager:
            step = manager.latest_step()
            if step is None:
                return None
            shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, template)
            items = ocp.args.Composite(state=ocp.args.StandardRestore(shapes), facts=ocp.args.JsonRestore())
            try:
                found = manager.restore(step, args=items)
            except (ValueError, KeyError) as error:
                raise RequestError(f"the checkpoint {self.folder} is of another run: {error}") from error
            return found["state"], found["facts"]

    def steps(self) -> list[int]:
        """Steps of which a whole checkpoint is there."""
        with self._manager(_LAST) as manager:
            return list(manager.all_steps())

    def _manager(self, kind: str) -> Any:
        import orbax.checkpoint as ocp

        # Orbax tells about every file that it opens.
        logging.getLogger("absl").setLevel(logging.ERROR)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=1, enable_async_checkpointing=False, cleanup_tmp_directories=True
        )
        return ocp.CheckpointManager(self.folder / kind, options=options)
