"""Counting the matrix products of any JAX function from shapes alone, split into weight and digital products."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

from photonics.contraction_shapes import SHAPES
from photonics.weight_dependence import CONSTANT, DATA, Origin, Path, join, trace_call
from photonics.work import Contraction, Work

# Primitives that run one inner function once, with their own operands.
_CALLS = {"jit", "pjit", "closed_call", "core_call", "core_closed_call", "call", "remat", "remat2", "checkpoint"}
_CALLS |= {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
# Work that is no contraction, or that JAX cannot look into: named in the notes instead of passed over in silence.
_UNSEEN = {"pure_callback", "io_callback", "ffi_call", "custom_call", "fft", "cholesky", "lu", "qr", "eig", "eigh"}
_UNSEEN |= {"svd", "householder_product", "triangular_solve", "tridiagonal_solve", "schur", "hessenberg", "tridiagonal"}
# Scopes that JAX adds by itself: recomputation, and the subscripts of an einsum ("bsd,df->bsf").
_JAX_SCOPE = re.compile(r"rematted_computation|[A-Za-z.\s]*(,|->)[A-Za-z.,>\s-]*")


def count_contractions(
    fn: Callable[..., Any],
    *args: Any,
    weights: int | Sequence[int] | None = None,
    trip_counts: Mapping[str, int] | Sequence[int] | None = None,
    **kwargs: Any,
) -> Work:
    """The matrix products of fn(*args, **kwargs), from shapes: nothing is computed and no memory taken.

    Counts the digital model: `dot_general`, `conv_general_dilated` (as a product of image patches) and `ragged_dot`,
    through jit, remat, custom derivatives, scan (times its length), while (times its trip count) and cond (its
    costliest branch, with a note). Every product that is traced counts, also one whose result is not used. Derivative
    functions are counted like any other. Factorisations, Fourier transforms and callbacks are not; notes name them.

    A product is a weight product if exactly one side depends on weights and on no data. Weights are the `nnx.Param`
    leaves of the arguments, and every array in the arguments at the positions `weights`. Reshaping, converting,
    dequantising and slicing a weight, by constants or by a loop's counter, leaves it a weight; picking from it by data
    does not. If both sides are weights, the product can be folded beforehand: it is digital, with a note.

    Args:
        fn: a function, a flax nnx module, or a bound method of one.
        *args: arrays, `jax.ShapeDtypeStruct`s, nnx modules (concrete or from `nnx.eval_shape`) or pytrees of them.
            Python numbers, strings and other leaves without a shape keep their values and count as constants.
        weights: positions in `args` that hold weights.
        trip_counts: steps of the `while` loops that contain products, which shapes do not tell: either by a regular
            expression that matches the whole scope of the loop, or in the order in which the loops appear.
        **kwargs: passed on to fn.

    Returns:
        The work, named by `jax.named_scope`. Layers of a scanned stack are one record; `Work.expand` tells them apart.

    Raises:
        TypeError: fn cannot be called.
        ValueError: a `while` loop without a trip count, a trip count without a loop, a position without an argument,
            or a primitive that hides products in a way that is not understood here (shard_map, Pallas kernels).
    """
    positions = (weights,) if isinstance(weights, int) else tuple(weights or ())
    for position in positions:
        if not 0 <= position < len(args):
            raise ValueError(f"weights={position} names no argument: there are {len(args)} positional arguments")
    trips = _TripCounts(trip_counts)
    closed, origins = trace_call(fn, args, kwargs, positions)
    _, found = _Walk(trips).jaxpr(closed, origins, _Place())
    trips.check_all_used()
    return Work(tuple(product.contraction for product in found.products), tuple(dict.fromkeys(found.notes)))


@dataclass(frozen=True)
class _Place:
    """Where an equation stands: the scopes around it, and the indices that lead to it."""

    scope: tuple[str, ...] = ()
    path: Path = ()

    @property
    def name(self) -> str:
        return "/".join(self.scope)

    def enter(self, eqn: JaxprEqn, index: int) -> "_Place":
        # Transformations (jvp, transpose, vmap) stand between the scopes in the stack and are left out of names.
        stack = eqn.source_info.name_stack.stack
        names = [part.name for part in stack if type(part).__name__ == "Scope"]
        own = [part for name in names if not _JAX_SCOPE.fullmatch(name) for part in name.split("/") if part]
        return _Place((*self.scope, *own), (*self.path, index))

    def branch(self, index: int) -> "_Place":
        return _Place(self.scope, (*self.path, index))


@dataclass(frozen=True)
class _Product:
    contraction: Contraction
    loops: frozenset[Path]  # in which the weight is another one at each step


@dataclass
class _Found:
    """What a part of the function contributes."""

    products: list[_Product] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def macs(self) -> int:
        return sum(product.contraction.macs for product in self.products)

    def add(self, other: "_Found") -> None:
        self.products += other.products
        self.notes += other.notes

    def repeated(self, steps: int, loop: _Place) -> "_Found":
        """This as the body of a loop.

        A loop in which some weight changes from step to step runs over a stack of layers: everything in it belongs to
        one layer, except a weight that stays the same.
        """
        is_stack = any(loop.path in product.loops for product in self.products)
        products = []
        for product in self.products:
            contraction = replace(product.contraction, count=product.contraction.count * steps)
            if is_stack and (loop.path in product.loops or not contraction.weights):
                contraction = replace(
                    contraction,
                    stacked=(steps, *contraction.stacked),
                    index_after=(len(loop.scope), *contraction.index_after),
                )
            products.append(_Product(contraction, product.loops - {loop.path}))
        return _Found(products, self.notes)


class _TripCounts:
    """The steps of `while` loops as the caller gave them; every entry has to be used."""

    def __init__(self, given: Mapping[str, int] | Sequence[int] | None) -> None:
        by_name = isinstance(given, Mapping)
        self._by_name: dict[str, int] = dict(given) if by_name else {}
        self._in_order: list[int] = [] if by_name or given is None else list(given)
        self._used: set[str] = set()
        # A body is walked until its origins settle, so that one loop may ask more than once.
        self._seen: dict[Path, int] = {}
        for steps in (*self._by_name.values(), *self._in_order):
            if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
                raise ValueError(f"trip_counts must be whole numbers of 0 or more, not {steps!r}")

    def steps(self, loop: _Place) -> int:
        order = self._seen.setdefault(loop.path, len(self._seen))
        matching = [pattern for pattern in self._by_name if re.fullmatch(pattern, loop.name)]
        if len({self._by_name[pattern] for pattern in matching}) == 1:
            self._used.update(matching)
            return self._by_name[matching[0]]
        if order < len(self._in_order):
            return self._in_order[order]
        problem = f"several patterns of trip_counts match it: {matching}" if matching else "its length is not in shapes"
        raise ValueError(
            f"while loop {loop.name!r} (number {order}) contains products and has no known trip count, {problem}; "
            f"give trip_counts={{{loop.name!r}: steps}}"
        )

    def check_all_used(self) -> None:
        unused = [pattern for pattern in self._by_name if pattern not in self._used]
        if unused or len(self._seen) < len(self._in_order):
            extra = unused or self._in_order[len(self._seen) :]
            raise ValueError(
                f"trip_counts {extra} belong to no loop: {len(self._seen)} while loops with products were found"
            )


class _Walk:
    """Follows origins through a jaxpr and collects its products."""

    def __init__(self, trips: _TripCounts) -> None:
        self._trips = trips

    def jaxpr(self, jaxpr: ClosedJaxpr | Jaxpr, inputs: Sequence[Origin], at: _Place) -> tuple[list[Origin], _Found]:
        """The origins of the outputs, given those of the inputs, and what was found on the way."""
        jaxpr = _opened(jaxpr)
        known: dict[Var, Origin] = dict.fromkeys(jaxpr.constvars, CONSTANT)
        known.update(zip(jaxpr.invars, inputs, strict=True))

        def origin(atom: Any) -> Origin:
            return CONSTANT if isinstance(atom, Literal) else known[atom]

        found = _Found()
        for index, eqn in enumerate(jaxpr.eqns):
            outputs, inner = self._equation(eqn, [origin(atom) for atom in eqn.invars], at.enter(eqn, index))
            found.add(inner)
            known.update(zip(eqn.outvars, outputs, strict=True))
        return [origin(atom) for atom in jaxpr.outvars], found

    def _equation(self, eqn: JaxprEqn, given: list[Origin], at: _Place) -> tuple[list[Origin], _Found]:
        name = eqn.primitive.name
        if name in SHAPES:
            return [join(given)], _products(eqn, given, at)
        if name in _CALLS:
            return self.jaxpr(eqn.params["jaxpr" if "jaxpr" in eqn.params else "call_jaxpr"], given, at)
        if name == "scan":
            return self._scan(eqn, given, at)
        if name == "while":
            return self._while(eqn, given, at)
        if name == "cond":
            return self._cond(eqn, given, at)
        if any(map(_has_products, _inner_jaxprs(eqn))) or "dot" in name or "matmul" in name:
            raise ValueError(
                f"primitive {name} at {at.name!r} contains products that cannot be counted; "
                "count a version of the function without it"
            )
        notes = [f"{at.name!r}: the work of {name} is not counted"] if name in _UNSEEN else []
        # What a mutable reference holds is not followed.
        result = DATA if any(hasattr(atom.aval, "inner_aval") for atom in eqn.invars) else join(given)
        return [result] * len(eqn.outvars), _Found(notes=notes)

    def _scan(self, eqn: JaxprEqn, given: list[Origin], at: _Place) -> tuple[list[Origin], _Found]:
        body = _opened(eqn.params["jaxpr"])
        # From ranks, because the parameters that tell them changed from JAX 0.10 to 0.12: what is sliced or stacked
        # has one dimension more outside, and operands are constants, carries, slices.
        carries = sum(_rank(outer) == _rank(inner) for outer, inner in zip(eqn.outvars, body.outvars, strict=True))
        sliced = sum(_rank(outer) != _rank(inner) for outer, inner in zip(eqn.invars, body.invars, strict=True))
        constants = len(given) - carries - sliced
        fixed, carried, slices = given[:constants], given[constants : constants + carries], given[constants + carries :]
        slices = [origin.inside(at.path) for origin in slices]

        def step(carry: list[Origin]) -> tuple[list[Origin], _Found]:
            return self.jaxpr(body, [*fixed, *carry, *slices], at)

        carry, outputs, found = _settle(step, carried, at.path)
        stacked = [origin.after(at.path) for origin in outputs[carries:]]
        return carry + stacked, found.repeated(eqn.params["length"], at)

    def _while(self, eqn: JaxprEqn, given: list[Origin], at: _Place) -> tuple[list[Origin], _Found]:
        test, body = _opened(eqn.params["cond_jaxpr"]), _opened(eqn.params["body_jaxpr"])
        for_test = eqn.params["cond_nconsts"]
        for_body = for_test + eqn.params["body_nconsts"]
        tested = _Found()

        def step(carry: list[Origin]) -> tuple[list[Origin], _Found]:
            nonlocal tested
            (decision,), tested = self.jaxpr(test, given[:for_test] + carry, at.branch(0))
            outputs, found = self.jaxpr(body, given[for_test:for_body] + carry, at.branch(1))
            # How often the body ran decides what a changing value has become.
            return [origin | decision for origin in outputs], found

        carry, _, found = _settle(step, given[for_body:], at.path)
        if not (found.products or tested.products):
            return carry, _Found(notes=tested.notes + found.notes)
        steps = self._trips.steps(at)
        total = tested.repeated(steps + 1, at)
        total.add(found.repeated(steps, at))
        return carry, total

    def _cond(self, eqn: JaxprEqn, given: list[Origin], at: _Place) -> tuple[list[Origin], _Found]:
        branches = [
            self.jaxpr(branch, given[1:], at.branch(index)) for index, branch in enumerate(eqn.params["branches"])
        ]
        outputs = [join(origins) | given[0] for origins in zip(*(outputs for outputs, _ in branches), strict=True)]
        costliest = max(range(len(branches)), key=lambda index: branches[index][1].macs)
        found = branches[costliest][1]
        if found.macs:
            found.notes.append(
                f"{at.name!r}: cond counted by its costliest branch, {costliest} of 0..{len(branches) - 1}, "
                f"MACs {[found.macs for _, found in branches]}"
            )
        return outputs, found


def _settle(
    step: Callable[[list[Origin]], tuple[list[Origin], _Found]], start: Sequence[Origin], loop: Path
) -> tuple[list[Origin], list[Origin], _Found]:
    """Walk a loop's body until the origins of its carry no longer change.

    Every carry is another value at each step: JAX makes those that the body hands on untouched constants of the loop.
    Returns the origins of the carry after the loop, of all outputs of the last walk, and what that walk found.
    """
    carry = [origin.inside(loop) for origin in start]
    while True:
        outputs, found = step(carry)
        joined = [old | new for old, new in zip(carry, outputs, strict=False)]
        if joined == carry:
            return [origin.after(loop) for origin in carry], outputs, found
        carry = joined


def _products(eqn: JaxprEqn, given: Sequence[Origin], at: _Place) -> _Found:
    lhs, rhs = given[:2]
    found = _Found()
    weights = lhs.is_weight != rhs.is_weight
    for shape in SHAPES[eqn.primitive.name](eqn):
        m, n = (shape.columns, shape.rows) if weights and lhs.is_weight else (shape.rows, shape.columns)
        contraction = Contraction(name=at.name, batch=shape.batch, m=m, k=shape.k, n=n, count=1, weights=weights)
        found.products.append(_Product(contraction, (lhs if lhs.is_weight else rhs).loops if weights else frozenset()))
    if lhs.is_weight and rhs.is_weight:
        found.notes.append(f"{at.name!r}: a product of two weights could be folded beforehand; counted as digital")
    elif lhs.data != rhs.data and not weights:
        found.notes.append(
            f"{at.name!r}: a product of data by a constant, counted as digital; a weight must come in by an argument"
        )
    return found


def _opened(jaxpr: ClosedJaxpr | Jaxpr) -> Jaxpr:
    return jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr


def _rank(atom: Any) -> int:
    return len(atom.aval.shape)


def _inner_jaxprs(eqn: JaxprEqn) -> list[Jaxpr]:
    """All jaxprs among the parameters of an equation, in whatever containers they stand."""
    inner, waiting = [], list(eqn.params.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, (ClosedJaxpr, Jaxpr)):
            inner.append(_opened(value))
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, Collection) and not isinstance(value, str):
            waiting += value
    return inner


def _has_products(jaxpr: Jaxpr) -> bool:
    return any(eqn.primitive.name in SHAPES or any(map(_has_products, _inner_jaxprs(eqn))) for eqn in jaxpr.eqns)
