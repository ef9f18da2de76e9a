"""What a file of the free-space family states: the rows of `photonics.schema`, and what has to fit together."""

from collections.abc import Mapping
from typing import Any

from photonics.adc_front import check_front
from photonics.families_schema import Family
from photonics.schema import DECIBELS, RECEIVER_KIND, ROWS, Value, paths


def check(values: Mapping[str, Value]) -> None:
    """Raise ValueError where values that are right one by one do not fit together.

    The ADC keeps at least one effective bit and lies inside the front of what has been built, at one conversion for the
    passes that it gathers; crosstalk that is left is no larger than the crosstalk; responses rise everywhere; there are
    no more digits than bits.
    """
    number: Mapping[str, Any] = values
    enob = number["adc.bits"] - number["adc.enob_loss"]
    if enob < 1.0:
        raise ValueError(
            f"adc.enob_loss is {number['adc.enob_loss']:g} of adc.bits = {number['adc.bits']}; "
            f"it should leave at least 1 effective bit, so be at most {number['adc.bits'] - 1}"
        )
    gathered = (
        2 if (values["encoding.activation_sign"], values["encoding.conversion"]) == ("passes", "difference") else 1
    )
    check_front(enob, number["operating_point.symbol_rate_hz"] / gathered)
    for stage in ("optics", "readout"):
        share, residual = number[f"{stage}.crosstalk_per_neighbour"], number[f"{stage}.crosstalk_residual"]
        if residual > share:
            raise ValueError(
                f"{stage}.crosstalk_residual is {residual:g}; it should be at most "
                f"{stage}.crosstalk_per_neighbour = {share:g}, of which it is what calibration leaves"
            )
    for stage in ("modulator", "panel"):
        curvature, skew = number[f"{stage}.curvature"], number[f"{stage}.skew"]
        if abs(curvature) > 1.0 + skew:
            raise ValueError(
                f"{stage}.curvature is {curvature:g}; it should be at most 1 + {stage}.skew = {1.0 + skew:g} in "
                "magnitude, or the response falls somewhere"
            )
    for operand, stage in (("activation", "dac"), ("weight", "panel")):
        slices, bits = number[f"encoding.{operand}_slices"], number[f"{stage}.bits"]
        if slices > 1 and values[f"{stage}.ideal"]:
            raise ValueError(f"encoding.{operand}_slices is {slices}; with {stage}.ideal there are no digits, so be 1")
        if slices > bits - 1:
            raise ValueError(
                f"encoding.{operand}_slices is {slices}; it should be at most {stage}.bits - 1 = {bits - 1}, one digit "
                "for each bit of the magnitude"
            )


def _needed(values: Mapping[str, Value]) -> tuple[str, ...]:
    """Paths of all values but those of the other kind of receiver."""
    kind = str(values[RECEIVER_KIND]) if RECEIVER_KIND in values else None
    return paths(kind)


FAMILY = Family(
    name="free-space",
    meaning="intensity on a weight panel: sources, lenses, transmissions, balanced photodiodes",
    fan_in=("source.count",),
    fan_out=("panel.outputs",),
    rows=tuple(ROWS.values()),
    stages={
        "operating_point": "photonics.stage:OperatingPoint",
        "encoding": "photonics.encoding:Encoding",
        "dac": "photonics.dac:Dac",
        "source": "photonics.source:SourceArray",
        "modulator": "photonics.modulator:Modulator",
        "optics": "photonics.optics:Optics",
        "panel": "photonics.panel:WeightPanel",
        "photodetector": "photonics.photodetector:Photodetector",
        "receiver": "photonics.receiver:build_receiver",
        "readout": "photonics.readout:Readout",
        "adc": "photonics.adc:Adc",
        "ranging": "photonics.ranging:Ranging",
        "digital": "photonics.digital:DigitalBackEnd",
        "memory": "photonics.memory:Memory",
        "system": "photonics.system:System",
    },
    engine="photonics.free_space:FreeSpaceEngine",
    decibels=DECIBELS,
    check=check,
    select=_needed,
)
