"""The matrix products that a piece of work consists of: what the cost of an engine is computed from."""

import itertools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Contraction:
    """Equal matrix products: `count` times, `batch` products of `m` vectors of length `k` by a k x n matrix.

        macs = batch m k n count

    Of a weight product the k x n matrix is the weight, whichever side of the product it stood on, and every batch
    element has a matrix of its own (the experts of a mixture). Of a digital product k x n is the right operand.

    Attributes:
        name: path of the `jax.named_scope`s around it, as "layers/mlp/down"; "" where there is none.
        batch: product of the batch dimensions, 1 for a plain product.
        m: vectors shown to each matrix in one execution.
        k: contraction length.
        n: outputs.
        count: executions, over all loops around it.
        weights: whether exactly one side depends on weights and on no data.
        stacked: lengths, outermost first, of the loops around it that run over a stack of layers. For a weight product
            those in which the matrix is another one at each step; a digital product counts each stack it stands in.
        index_after: for each of `stacked`, how many components of the name stand before the layer's index.
    """

    name: str
    batch: int
    m: int
    k: int
    n: int
    count: int = 1
    weights: bool = False
    stacked: tuple[int, ...] = ()
    index_after: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        sizes = (self.batch, self.m, self.k, self.n, self.count, *self.stacked)
        if min(sizes) < 0:
            raise ValueError(f"{self!r}: sizes and counts must be 0 or more")
        if len(self.stacked) != len(self.index_after):
            raise ValueError(f"{self!r}: index_after must have one entry per entry of stacked")
        if self.count % (math.prod(self.stacked) or 1):
            raise ValueError(f"{self!r}: count must be a multiple of the product of stacked")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all executions."""
        return self.batch * self.m * self.k * self.n * self.count

    @property
    def matrices(self) -> int:
        """Distinct k x n matrices: one per batch element and layer."""
        return self.batch * math.prod(self.stacked)

    @property
    def vectors_per_matrix(self) -> int:
        """Vectors shown to each distinct matrix over all executions."""
        return self.m * self.count // (math.prod(self.stacked) or 1)

    def expand(self) -> tuple["Contraction", ...]:
        """One contraction per layer of the stacks it stands in, named by the layer's index (see `Work.expand`)."""
        share = self.count // (math.prod(self.stacked) or 1)
        expanded = []
        for indices in itertools.product(*(range(length) for length in self.stacked)):
            parts = self.name.split("/") if self.name else []
            # Innermost first: what stands before an outer index keeps its place.
            for index, position in reversed(list(zip(indices, self.index_after, strict=True))):
                parts.insert(position, str(index))
            expanded.append(replace(self, name="/".join(parts), count=share, stacked=(), index_after=()))
        return tuple(expanded)


@dataclass(frozen=True)
class Work:
    """The contractions of a function, in the order in which they appear, and remarks on how they were counted.

    `a + b` is both pieces of work, `len(work)` the number of records, and iteration gives the contractions.
    """

    contractions: tuple[Contraction, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all products."""
        return sum(contraction.macs for contraction in self.contractions)

    @property
    def weight_macs(self) -> int:
        """Multiply-accumulates of the products of a weight and data."""
        return sum(contraction.macs for contraction in self.contractions if contraction.weights)

    @property
    def digital_macs(self) -> int:
        """Multiply-accumulates of the products that no panel can hold: data by data, constants, weights by weights."""
        return self.macs - self.weight_macs

    def __iter__(self) -> Iterator[Contraction]:
        return iter(self.contractions)

    def __len__(self) -> int:
        return len(self.contractions)

    def __add__(self, other: "Work") -> "Work":
        return Work(self.contractions + other.contractions, tuple(dict.fromkeys(self.notes + other.notes)))

    def select(self, chosen: str | Callable[[Contraction], bool]) -> "Work":
        """The work whose whole name matches the regular expression `chosen`, or for which `chosen` is true.

        Nothing left is no error here. Patterns with a layer's index need `expand()` first. Notes are kept.
        """
        if isinstance(chosen, str):
            pattern = re.compile(chosen)
            return self.select(lambda contraction: pattern.fullmatch(contraction.name) is not None)
        return Work(tuple(contraction for contraction in self.contractions if chosen(contraction)), self.notes)

    def expand(self) -> "Work":
        """The same work with one record per layer of every scanned stack, so that rules can name a single layer.

        The index stands after the scopes around the scan: a product in scope "mlp/down" of the body of a scan in
        scope "layers" becomes "layers/0/mlp/down", "layers/1/mlp/down" ... A scan in no scope puts it in front. In
        nested stacks every scan puts its own index. A weight that all layers share has no index.
        """
        return Work(tuple(part for contraction in self.contractions for part in contraction.expand()), self.notes)
