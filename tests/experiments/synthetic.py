"""An accuracy run that never happened: plausible numbers for tests of tables, figures and words."""

import math
from pathlib import Path
from typing import Any

from experiments.accuracy_results import iso_accuracy, plateau, rotation_saving
from experiments.digital_machines import digital_machines
from experiments.runs import RunFolder
from experiments.tables import write_table

POWER_MAX_W = 0.1
POWERS_W = (0.001, 0.00188, 0.00355, 0.00669, 0.0126, 0.0238, 0.0448, 0.0843, 0.159, 0.3)
MACS_PER_TOKEN = 1.35e8


def result(powers_w: tuple[float, ...] = POWERS_W) -> dict[str, Any]:
    """The content of a `result.json`: divergence falls as power^-1.6 to a plateau, later if not rotated."""
    points = [_point(power_w, rotate) for rotate in (True, False) for power_w in powers_w]
    last = {point["rotate"]: point["kl_nats"] for point in points}
    steps = [("shot and readout noise", 0.95), ("ADC noise beyond rounding", 0.5), ("residual errors", 0.2)]
    return {
        "experiment": "accuracy",
        "config": {"task": "perplexity", "model": "smollm2-135m", "engine": "free-space-1024", "set": []},
        "seed": 0,
        "baseline": {"loss_nats": 3.045, "perplexity": 21.0, "tokens": 1016},
        "points": points,
        "iso_accuracy": iso_accuracy(points, POWER_MAX_W),
        "rotation_saving": rotation_saving(points),
        "plateau": [
            {"rotate": rotate, "laser_power_w": powers_w[-1], **plateau(kl, [(c, share * kl) for c, share in steps])}
            for rotate, kl in last.items()
        ],
        "source_power_max_w": POWER_MAX_W,
        "digital_machines": [
            {"name": m.name, "energy_per_token_j": m.energy_j(MACS_PER_TOKEN)} for m in digital_machines()
        ],
    }


def _point(power_w: float, rotate: bool) -> dict[str, Any]:
    kl = 0.013 + (1 if rotate else 7) * 2e-5 * power_w**-1.6
    loss = 3.045 + 0.95 * kl - (0.004 if kl < 0.05 else 0)
    parts = {
        "source": 2e-3 * power_w / 0.03,
        "adc": 3e-4,
        "dac": 1e-4,
        "receiver": 2.5e-4,
        "panel": 2e-4,
        "memory": 8e-5,
        "digital": 5e-5,
        "control": 3e-4,
        "host": 2e-4,
        "power_supply": 1e-4,
        "photodetector": 1e-5,
    }
    return {
        "laser_power_w": power_w,
        "rotate": rotate,
        "seed": 0,
        "loss_nats": loss,
        "perplexity": math.exp(loss) if loss < 700 else None,
        "loss_increase_nats": loss - 3.045,
        "standard_error_nats": 0.3 * math.sqrt(kl / 1016),
        "kl_nats": kl,
        "top1_agreement": 1 / (1 + kl),
        "energy_per_token_j": math.fsum(parts.values()),
        "energy_per_mac_j": math.fsum(parts.values()) / MACS_PER_TOKEN,
        "launched_energy_per_mac_j": 1e-14,
        "tops_per_w": 2e-12 * MACS_PER_TOKEN / math.fsum(parts.values()),
        "power_w": 150.0,
        "energy_breakdown_j": parts,
        "energy_per_token_reloaded_j": 0.5,
        "photons_per_mac": 40.0,
        "snr_db": 31.0,
        "beyond_power_max": power_w > POWER_MAX_W,
    }


def write_run(path: Path, content: dict[str, Any]) -> None:
    """The files that figures are drawn from."""
    options = {**content["config"], "seed": 0}
    RunFolder(path, {"experiment": "accuracy", "options": options}).open()
    points = content["points"]
    write_table(path, "points", [{k: v for k, v in p.items() if k != "energy_breakdown_j"} for p in points])
    key = ("rotate", "laser_power_w")
    energy = [
        {**{k: p[k] for k in (*key, "beyond_power_max")}, "part": part, "energy_per_token_j": energy_j}
        for p in points
        for part, energy_j in p["energy_breakdown_j"].items()
    ]
    write_table(path, "energy", energy)
    write_table(path, "rotation", content["rotation_saving"])
    causes = [
        {**{k: row[k] for k in key}, "cause": cause, "kl_nats": kl}
        for row in content["plateau"]
        for cause, kl in row["causes"].items()
    ]
    write_table(path, "plateau", causes)
    write_table(path, "machines", content["digital_machines"])
