"""A sweep that never happened: its table as `exalight sweep` writes it, for tests of figures."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.runs import RunFolder
from experiments.tables import write_table

POWERS_W, BITS, SEEDS, INSTANCES = (0.001, 0.01, 0.1), (6, 8), 3, 2
AXES = ["laser_power_w=1e-3:0.1:log3", "adc.bits=6,8"]


def kl_nats(power_w: float, bits: int, repeat: int) -> float:
    """Divergence of one point; it rises with the number of the repeat, whose median is 1 + 0.25."""
    return (0.01 + 1e-4 / power_w + 1 / 4**bits) * (1 + 0.1 * repeat)


def rows(failed: Mapping[tuple[float, int], str] | None = None) -> list[dict[str, Any]]:
    """All points, settings as keys of `failed` with their errors."""
    found = []
    for power_w in POWERS_W:
        for bits in BITS:
            for repeat in range(SEEDS * INSTANCES):
                error = (failed or {}).get((power_w, bits))
                kl = None if error else kl_nats(power_w, bits, repeat)
                measured = {
                    "kl_nats": kl,
                    "perplexity": None if kl is None else 20 * math.exp(kl),
                    "energy_per_token_j": None if error else 1e-4 * (1 + power_w) * bits,
                }
                settings = {"laser_power_w": power_w, "adc.bits": bits}
                repeated = {"seed": repeat % SEEDS, "instance": repeat // SEEDS}
                found.append({"identity": f"{len(found):016x}", **settings, **repeated, **measured, "error": error})
    return found


def write_sweep(folder: Path, table: list[dict[str, Any]] | None = None, design: str = "grid") -> Path:
    """The files of a finished sweep that figures are drawn from."""
    options = {"experiment": "accuracy", "set": AXES, "design": design, "seeds": SEEDS, "instances": INSTANCES}
    RunFolder(folder, {"experiment": "sweep", "options": options}).open()
    write_table(folder, "points", rows() if table is None else table)
    return folder
