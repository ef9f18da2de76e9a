"""What the converters of an engine would take under each model of their energy, as a table of `exalight engines`."""

from typing import TYPE_CHECKING, Any, get_args

from rich.table import Table

from experiments.words import engineering, plain_table

if TYPE_CHECKING:
    from photonics.engine import Engine


def has_converters(engine: "Engine") -> bool:
    """Whether the engine has converters of the shared kinds, whose energy models can be compared."""
    from photonics.adc import Adc
    from photonics.dac import Dac

    return isinstance(getattr(engine, "dac", None), Dac) and isinstance(getattr(engine, "adc", None), Adc)


def converter_powers_w(engine: "Engine") -> dict[tuple[str, str], float]:
    """Power of all converters of a kind by (stage, model), for an engine that never pauses [W]."""
    from photonics import adc_energy, dac

    models = {"dac": get_args(dac.EnergyModel), "adc": get_args(adc_energy.EnergyModel)}
    return {
        (stage, model): float(engine.replace(**{f"{stage}.energy_model": model}).power_budget()[stage])
        for stage, names in models.items()
        for model in names
    }


def converter_table(engine: Any) -> Table:
    """A row for each converter and model, the chosen ones marked."""
    chosen = {("dac", engine.dac.energy_model), ("adc", engine.adc.energy_model)}
    table = plain_table("converter", "energy_model", "power", "", right=("power",))
    for (stage, model), power_w in converter_powers_w(engine).items():
        table.add_row(stage, model, engineering(power_w, "W"), "in use" if (stage, model) in chosen else "")
    return table
