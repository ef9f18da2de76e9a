"""What every stage of the optical path is made of: a frozen dataclass that JAX sees as a pytree."""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax
from jax.core import Tracer

Scalar = float | jax.Array
# An array of JAX (fast path) or of numpy (reference path), or a number: stages serve both.
Signal = Any
T = TypeVar("T")


def static(**options: Any) -> Any:
    """A field that is part of the structure (shape, bit width, switch): changing it compiles again."""
    return dataclasses.field(metadata={"static": True}, **options)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field, static))
def stage(cls: type[T]) -> type[T]:
    """Make a class a frozen, keyword-only dataclass whose physical values are JAX leaves.

    Fields made with `static` are part of the structure. There is no validation in the constructor: JAX builds
    stages from tracers as well, so values are checked where files and options are read (`photonics.catalogue`).
    """
    return jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True, kw_only=True)(cls))


def number(value: Scalar) -> Scalar:
    """A Python float where the value is known, so that parts sum in double precision; tracers pass."""
    return value if isinstance(value, Tracer) else float(value)


@stage
class OperatingPoint:
    """What an operator may turn on a finished machine. Every stage reads it; none owns a copy.

    Attributes:
        laser_power_w: optical power of one source at full drive, before modulator, optics and panel [W].
        symbol_rate_hz: vectors shown per second, one per pass [Hz].
        temperature_k: temperature of the receivers [K].
        age_s: time since the machine was calibrated, over which sources and gains drift [s]; panels see it when they
            are loaded.
    """

    laser_power_w: Scalar
    symbol_rate_hz: Scalar
    temperature_k: Scalar
    age_s: Scalar
