"""Exalight's optical engine: accuracy, energy and their gradients from one set of device parameters.

Public names are imported on first use, so that commands can read the catalogue without starting JAX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photonics.catalogue import engine_names, load_engine
    from photonics.contractions import Contraction, Work, count_contractions
    from photonics.cost import Cost
    from photonics.draws import generator
    from photonics.engine import Engine
    from photonics.explanation import Explanation
    from photonics.loaded_panel import LoadedPanel
    from photonics.many_engines import monte_carlo
    from photonics.stage import OperatingPoint

_HOME = {
    "Contraction": "contractions",
    "Cost": "cost",
    "Engine": "engine",
    "Explanation": "explanation",
    "LoadedPanel": "loaded_panel",
    "OperatingPoint": "stage",
    "Work": "contractions",
    "count_contractions": "contractions",
    "engine_names": "catalogue",
    "generator": "draws",
    "load_engine": "catalogue",
    "monte_carlo": "many_engines",
}

__all__ = [
    "Contraction",
    "Cost",
    "Engine",
    "Explanation",
    "LoadedPanel",
    "OperatingPoint",
    "Work",
    "count_contractions",
    "engine_names",
    "generator",
    "load_engine",
    "monte_carlo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'photonics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"photonics.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
