"""Arguments of quantities: defaults, types, refusals; and that every quantity has a function."""

import inspect

import pytest

from experiments.validate_quantities import QUANTITIES
from experiments.validate_quantity import Argument, Quantity

BITS = Argument("bits", "whole", 8, "1", "bits", least=2)
RATE = Argument("rate_hz", "number", None, "Hz", "rate")
KIND = Argument("kind", "choice", "a", "", "kind", choices=("a", "b"))
QUANTITY = Quantity("one", "J", "an example", "room", (BITS, RATE, KIND))


def test_arguments_are_filled_in():
    assert QUANTITY.filled({"rate_hz": 1}) == {"bits": 8, "rate_hz": 1.0, "kind": "a"}
    assert QUANTITY.filled({"rate_hz": 1, "bits": 4.0})["bits"] == 4


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "needs the argument rate_hz: rate"),
        ({"rate_hz": True}, "it should be a number"),
        ({"rate_hz": float("nan")}, "it should be a number"),
        ({"rate_hz": 1, "bits": 2.5}, "it should be a whole number of 2 or more"),
        ({"rate_hz": 1, "bits": 1}, "it should be a whole number of 2 or more"),
        ({"rate_hz": 1, "kind": "c"}, "it should be one of a, b"),
        ({"rate_hz": 1, "bit": 1}, "the nearest is 'bits' (arguments: bits, rate_hz, kind)"),
    ],
)
def test_wrong_arguments_are_refused(given, expected):
    with pytest.raises(ValueError) as refusal:
        QUANTITY.filled(given)
    assert expected in str(refusal.value)


@pytest.mark.parametrize("quantity", QUANTITIES.values(), ids=list(QUANTITIES))
def test_every_quantity_has_a_function_that_takes_its_arguments(quantity):
    signature = inspect.signature(quantity.function())
    given = {argument.name: None for argument in quantity.arguments}
    if quantity.needs == "mnist":
        given["mnist"] = None
    signature.bind(*([] if quantity.family == "" else [None]), **given)
