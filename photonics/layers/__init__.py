"""Optical products inside flax nnx models. This package is the only part of photonics that imports flax."""

from photonics.layers.observe import LayerRecord, calibrate, measure
from photonics.layers.optical_dot import Hardware, OpticalDot, OpticalEinsum, Panel, Place, Ranges
from photonics.layers.opticalize import (
    Report,
    load_panels,
    opticalize,
    refabricate,
    reseed,
    set_engine,
    unload_panels,
)

__all__ = [
    "Hardware",
    "LayerRecord",
    "OpticalDot",
    "OpticalEinsum",
    "Panel",
    "Place",
    "Ranges",
    "Report",
    "calibrate",
    "load_panels",
    "measure",
    "opticalize",
    "refabricate",
    "reseed",
    "set_engine",
    "unload_panels",
]
