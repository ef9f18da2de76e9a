import dataclasses

import pytest

from models.hardware.efficiencies import PERFECT, Efficiencies, stated, typical


def test_every_efficiency_is_stated_with_a_source_and_is_a_share():
    fields = {field.name for field in dataclasses.fields(Efficiencies)} - {"layer_s"}
    assert set(stated()) == fields
    for name, one in stated().items():
        assert one.source
        if not name.endswith("_s") and name != "kernels_per_layer":
            assert 0 < one.value < 1


def test_perfect_is_never_worse_than_typical():
    for field in dataclasses.fields(Efficiencies):
        perfect, usual = getattr(PERFECT, field.name), getattr(typical(), field.name)
        costs = field.name.endswith("_s") or field.name == "kernels_per_layer"
        assert perfect <= usual if costs else perfect >= usual


def test_products_by_bits_of_their_weights():
    assert [typical().product(bits) for bits in (16, 8, 4)] == [0.75, 0.6, 0.6]
    with pytest.raises(ValueError, match="weights of 5 bits are not modelled; there are 16, 8 and 4"):
        typical().product(5)
