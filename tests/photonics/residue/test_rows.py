from typing import Any

import pytest

from photonics.catalogue import load_engine, read_engine_file
from photonics.residue.rows import check


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["encoding.moduli=3"], r"tell 238266 numbers apart.*246017 sums"),
        (["core.inputs=1024", "dac.bits=8"], r"of the moduli 63, 62, 61, 59 \(6 bits\)"),
        (["encoding.residue_bits=3", "encoding.moduli=5"], "no 5 pairwise coprime"),
        (["dac.bits=9"], "it should be more moduli"),
        (["dac.bits=10", "adc.bits=9", "encoding.residue_bits=9", "encoding.moduli=3"], r"beyond the 2\^24"),
        (["encoding.moduli=6"], r"beyond 2\^31"),
        (["adc.bits=5"], r"adc.bits is 5; it should be at least encoding.residue_bits = 6"),
        (["adc.enob_loss=5.5"], "at least 1 effective bit"),
        (["core.segment_loss_db=0.3"], "768 segments in series pass"),
        (["operating_point.symbol_rate_hz=1e12"], "beyond all converters built"),
    ],
)
def test_what_does_not_fit_together_is_refused(overrides, said):
    with pytest.raises(ValueError, match=said):
        load_engine("residue-2024", overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["encoding.redundant_moduli=2"],
        ["encoding.moduli=3", "dac.bits=5"],
        ["encoding.moduli=3", "core.inputs=123"],
        ["encoding.residue_bits=8", "encoding.moduli=3", "adc.bits=8", "dac.bits=8"],
    ],
)
def test_what_fits_is_built(overrides):
    engine: Any = load_engine("residue-2024", overrides)
    assert engine.encoding.cores >= 3


def test_redundancy_counts_with_the_smallest_moduli():
    # Three moduli of 127 inputs fit if the three largest hold them all; any three of four have to with redundancy.
    values = {**read_engine_file("residue-2024").values, "encoding.moduli": 3, "core.inputs": 120}
    check(values)
    with pytest.raises(ValueError, match="the 3 smallest tell 223138 numbers apart"):
        check({**values, "encoding.redundant_moduli": 1})
