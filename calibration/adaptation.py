"""Which numbers of a model are trained, and how a model with light under it is put together from them.

    kernel' = clip(kernel + (alpha / rank) A B) exp(gain)

Kernels are formed before the seam, so that in training a panel holds what it will hold later. A trained tree is a plain
dict of dicts of arrays: `weights` (all parameters, method "full"), `low_rank`, `gains` (one per output: free, because
every output is multiplied by the scale of its column anyway), `ranges`, `clips`. What a method leaves out is not there.
The tree is all that an optimiser or a checkpoint has to know.
"""

import dataclasses
import re
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from calibration import learned_ranges, low_rank, weight_clipping
from photonics.layers.opticalize import optical_seams
from photonics.layers.seams import Seam, find_seams

Method = Literal["lora", "full", "ranges"]
Clipping = Literal["none", "percentile", "learned"]
Trained = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """What is trained, each part with its own switch.

    Attributes:
        method: "lora" thin matrices beside the kernels; "full" every parameter; "ranges" no weights at all.
        rank: inner width of the thin matrices.
        alpha: their weight is alpha / rank.
        targets: patterns on names of stacks ("layers/mlp/down"); kernels that one of them finds are adapted.
        learn_ranges: learn activation ranges (of engines that have them: `calibration.learned_ranges`) and ADC full
            scales, which must have been calibrated.
        learn_gains: learn one gain per output of every kernel.
        clipping: "percentile" cuts each column of a kernel where it stood at the start, for good; "learned" moves that.
        clip_percentile: of |w| per column.

    Rank and percentile are choices of this project, as are all defaults; none was searched for.
    """

    method: Method = "lora"
    rank: int = 16
    alpha: float = 16.0
    targets: tuple[str, ...] = (r"^layers/",)
    learn_ranges: bool = True
    learn_gains: bool = False
    clipping: Clipping = "none"
    clip_percentile: float = 99.9

    def begin(self, model: nnx.Module, key: Array) -> Trained:
        """The trained tree of a calibrated optical model, which changes nothing yet (but what a percentile cuts).

        ValueError for targets that find nothing, for a rank that does not suit a kernel, and for ranges that are to be
        learned and were not calibrated.
        """
        kernels = {seam.stack_name: seam.module.kernel[...] for seam in self._adapted(model)}
        trained: Trained = {}
        if self.method == "full":
            # Copies: who trains them uses them up, and the model they come from may be the teacher too.
            trained["weights"] = jax.tree.map(jnp.copy, nnx.to_pure_dict(nnx.state(model, nnx.Param)))
        if self.method == "lora":
            trained["low_rank"] = low_rank.begin(key, {name: one.shape for name, one in kernels.items()}, self.rank)
        if self.learn_gains:
            trained["gains"] = {name: jnp.zeros((*one.shape[:-2], one.shape[-1])) for name, one in kernels.items()}
        if self.learn_ranges:
            trained["ranges"] = learned_ranges.begin(optical_seams(model))
        if self.clipping != "none":
            percentile = self.clip_percentile
            trained["clips"] = {name: weight_clipping.log_limits(one, percentile) for name, one in kernels.items()}
        return trained

    def install(self, model: nnx.Module, trained: Trained) -> None:
        """Put the trained tree into a model, in place; the model must be fresh, as merged inside a compiled function.

        Differentiable with respect to every leaf of the tree.
        """
        if "weights" in trained:
            nnx.update(model, trained["weights"])
        for seam in self._adapted(model):
            seam.module.kernel.set_value(self._formed(seam.stack_name, seam.module.kernel[...], trained))
        if "ranges" in trained:
            learned_ranges.install(optical_seams(model), trained["ranges"])

    def _formed(self, name: str, kernel: Array, trained: Trained) -> Array:
        if "low_rank" in trained:
            kernel = low_rank.formed(kernel, trained["low_rank"][name], self.alpha)
        if "clips" in trained:
            theta = trained["clips"][name]
            fixed = self.clipping == "percentile"
            kernel = weight_clipping.clipped(kernel, jax.lax.stop_gradient(theta) if fixed else theta)
        if "gains" in trained:
            kernel = kernel * jnp.exp(trained["gains"][name])[..., None, :]
        return kernel

    def _adapted(self, model: nnx.Module) -> list[Seam]:
        """Layers whose kernel a target names; a tied head has no kernel of its own and is trained by "full" only."""
        found = [
            seam
            for seam in find_seams(model)
            if isinstance(seam.module, nnx.Linear) and any(re.search(one, seam.stack_name) for one in self.targets)
        ]
        if not found:
            raise ValueError(f"no linear layer is named by the targets {', '.join(self.targets)}")
        return found
