"""From a checked request of `exalight scaling` to the machine, its technology and its workload."""

import dataclasses
from typing import TYPE_CHECKING

from jax import Array

from experiments.scaling_accuracy import AccuracyNeed
from models.hardware.optical_system import OpticalSystem
from models.hardware.required_light import RequiredLight
from models.hardware.roadmap import Roadmap, build_roadmap
from models.hardware.roadmap_file import SYSTEM
from models.hardware.workloads import DENSE, MODELS, Request, dense, prefill
from photonics.catalogue import build_engine
from photonics.free_space import FreeSpaceEngine
from photonics.work import Work

if TYPE_CHECKING:
    from experiments.scaling_request import ScalingRequest


@dataclasses.dataclass(frozen=True)
class Model:
    """Everything that a projection is computed from.

    Attributes:
        system: the machine with its workload and the light that the accuracy requires.
        roadmap: how its technology may develop.
        values: parameters at the median of the year of the target, by path.
        year: that year.
        target_ops_per_j: delivered operations per joule that are wanted.
        request: the workload as it was asked for.
    """

    system: OpticalSystem
    roadmap: Roadmap
    values: dict[str, Array]
    year: int
    target_ops_per_j: float
    request: Request


def model_of(request: "ScalingRequest") -> Model:
    """The model of a request; nothing is computed but the medians of the roadmap."""
    config = request.config
    engine = build_engine(request.engine_file)
    assert isinstance(engine, FreeSpaceEngine)
    roadmap = build_roadmap(request.roadmap_file)
    system = OpticalSystem(
        engine=engine,
        light=light_of(request.need, config.photons),
        work=work_of(request.request, engine),
        wall_power_w=config.power_w,
        idle=config.idle,
        held={path: value for path, value in request.held.items() if path in SYSTEM},
    )
    target = config.target_ops / config.power_w
    return Model(system, roadmap, roadmap.median(config.year), config.year, target, request.request)


def light_of(need: AccuracyNeed, held: str) -> RequiredLight:
    """What an accuracy run found, as the light of other engines is computed from it."""
    return RequiredLight(
        electrons_per_path=need.electrons_per_path,
        shot_variance_per_electron=need.shot_variance_per_electron,
        readout_variance=need.readout_variance,
        readout_weight=need.readout_weight,
        noise_band=need.noise_band,
        # Only read where photons per dot product are held, which needs a run that knows it.
        inputs_per_tile=need.inputs_per_tile or 1.0,
        held="per-dot-product" if held == "per-dot-product" else "per-mac",
    )


def work_of(request: Request, engine: FreeSpaceEngine, batch: int | None = None) -> Work:
    """The products of one batch; `batch` prompts instead of those asked for."""
    if request.model == DENSE:
        return dense(engine.inputs, engine.outputs)
    return prefill(MODELS[request.model], request.tokens, batch or request.batch)
