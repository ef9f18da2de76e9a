"""The run of `exalight finetune`: judge, equalise, train, judge again, save; goes on from wherever it was stopped."""

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from flax import nnx

from calibration import differential_noise
from calibration.adaptation import Adaptation, Trained
from calibration.distillation import Distillation
from calibration.equalise import equalise, largest_inputs
from calibration.light_allocation import LightCosts, light_costs, report
from calibration.operating_points import OperatingPoints
from calibration.optimiser import Optimiser
from calibration.saved_ranges import ranges_text
from calibration.training import Training
from experiments.accuracy_config import CALIBRATION_TOKENS
from experiments.environment import environment, stamp
from experiments.errors import RequestError, Stopped
from experiments.evaluation import DigitalModel, Products, optical_copy
from experiments.finetune_checkpoints import Checkpoints
from experiments.finetune_data import (
    SELF,
    FinetuneData,
    Writing,
    finetune_data,
    read_training_text,
    self_written,
    start_tokens,
)
from experiments.finetune_evaluation import Judge
from experiments.finetune_output import write_output
from experiments.finetune_request import CHECKPOINTS, FinetuneRequest
from experiments.finetune_signals import Finishing, finishing
from experiments.finetune_training import Course, Steps
from experiments.language_task import LanguageModelling
from experiments.progress import Progress
from experiments.runs import ENVIRONMENT_FILE, PointStore
from experiments.text import Sample, read_text
from models.transformer.save_adapter import save_adapter
from models.transformer.save_huggingface import save_huggingface, surrounding_texts
from photonics.catalogue import build_engine

if TYPE_CHECKING:
    from models.transformer.model import Transformer

MODEL, ADAPTER = "model", "adapter"
_WRITTEN_TOKENS_MAX = 1 << 17


def run_finetune(request: FinetuneRequest, argv: Sequence[str]) -> Path:
    """Run, or go on with, a fine-tuning; returns the path of `result.json`.

    Stopped, with the status of the signal and a line that says how to go on, on SIGINT and SIGTERM; RunFailed where the
    training diverges.
    """
    with finishing() as wish:
        try:
            return _Run(request, wish).run(argv)
        except (Stopped, KeyboardInterrupt):
            begun = request.folder.path.is_dir()
            words = f"; {request.resume_words}" if begun else " before anything was done"
            raise Stopped(f"stopped{words}", status=wish.status) from None


class _Run:
    def __init__(self, request: FinetuneRequest, wish: Finishing) -> None:
        self.request, self.config, self.wish = request, request.config, wish
        self.engine = build_engine(request.engine_file)
        self.products = Products(self.config.digital)
        self._costs: LightCosts | None = None

    def run(self, argv: Sequence[str]) -> Path:
        request, config = self.request, self.config
        self._check_savable()
        judged = 2 * 3 * config.seeds * config.judged_machines
        with Progress(config.steps + judged, "finetune") as progress:
            progress.note(f"loading {config.model}")
            task, data, original = self._prepare(argv, progress)
            digital = DigitalModel.of(original)
            store = PointStore(request.folder.points, stamp())
            judge = Judge(task, digital, self.engine, config.seeds, config.judged_machines, store)
            progress.note("setting converter ranges; the first point compiles")
            untuned = optical_copy(digital, self.engine, self.products, task.calibration, config.seed)
            before: dict[str, Any] = {"digital": judge.digital(digital.copy())}
            before["optical"] = judge.optical("before", untuned, progress, self.wish)
            base = self._base(digital, task)
            training = self._training(base, digital, task)
            course = self._train(training, data, progress)
            tuned = self._tuned(training, base, course, task)
            merged = self._merged(base, course.trained)
            after: dict[str, Any] = {"digital": judge.digital(merged)}
            name = f"after-{course.done}"
            light = training.layer_powers_w(course.trained)
            after["optical"] = judge.optical(name, tuned, progress, self.wish, light)
            progress.note("saving the model")
            kept: Any = merged if config.adapter == "merged" else base.copy()
            layers = (
                []
                if light is None or self._costs is None
                else [dataclasses.asdict(row) for row in report(self._costs, light)]
            )
            self._save(kept, tuned, course.trained, layers)
            work = task.work(digital.copy())
            return write_output(request, self.engine, work, task.tokens, before, after, course, data, layers, progress)

    def _check_savable(self) -> None:
        try:
            surrounding_texts(self.request.checkpoint.config, self.request.checkpoint.tokenizer, None)
        except ValueError as error:
            raise RequestError(f"--model {self.config.model} cannot be saved in the end: {error}") from error

    def _prepare(
        self, argv: Sequence[str], progress: Progress
    ) -> tuple[LanguageModelling, FinetuneData, "Transformer"]:
        """Held-out text as a task, text to learn from, the digital model; opens the folder of the run."""
        config, checkpoint = self.config, self.request.checkpoint
        held_out = config.tokens // config.context * config.context
        apart = None if config.data not in (None, SELF) else read_text(None, held_out + CALIBRATION_TOKENS)
        sizes: dict[str, Any] = {"held_out": held_out, "calibration": CALIBRATION_TOKENS, "context": config.context}
        sizes |= {"step_windows": config.batch * config.accumulate, "apart": apart}
        if config.data == SELF:
            model = self._loaded()
            self._open(argv)
            texts = self._written(model, progress)
        else:
            wanted = config.steps * config.tokens_per_step + held_out + CALIBRATION_TOKENS
            texts = read_training_text(config.data, self._encode, wanted)
            model = None
        data = finetune_data(texts, self._encode, **sizes)
        task = LanguageModelling(checkpoint, Sample(data.held_out.tolist(), data.calibration.tolist()), config.context)
        if model is None:
            model = self._loaded()
            self._open(argv)
        return task, data, model

    def _loaded(self) -> "Transformer":
        from experiments.model_source import loaded
        from models.transformer.load import load_model

        return loaded(lambda: load_model(self.request.checkpoint)).model

    def _open(self, argv: Sequence[str]) -> None:
        folder = self.request.folder
        folder.open()
        folder.write_json(ENVIRONMENT_FILE, environment(argv, self.config.seed, jax.default_backend()))

    def _encode(self, text: str) -> list[int]:
        return self.request.checkpoint.tokenizer.encode(text, add_special_tokens=False).ids

    def _written(self, model: "Transformer", progress: Progress) -> Any:
        """Text of the model's own; more steps than it fills see it again."""
        config, checkpoint = self.config, self.request.checkpoint
        wanted = min(max(config.steps, 1) * config.tokens_per_step, _WRITTEN_TOKENS_MAX)
        writing = Writing(tokens=wanted, length=config.context, seed=config.seed)
        return self_written(
            *(model, checkpoint.config, start_tokens(checkpoint.tokenizer), writing, self.request.folder.points),
            f"{stamp()} {checkpoint.sha256}",
            lambda done, of: progress.note(f"the model writes its own text: {done} of {of}"),
        )

    def _base(self, digital: DigitalModel, task: LanguageModelling) -> DigitalModel:
        """The model from which training starts: of the same function as the digital one, channels equalised."""
        if not self.config.equalise:
            return digital
        model: Any = digital.copy()
        return DigitalModel.of(equalise(model, largest_inputs(model, *task.calibration), self.config.equalise))

    def _training(self, base: DigitalModel, digital: DigitalModel, task: LanguageModelling) -> Training:
        config, light = self.config, self.config.noise == "on"
        student: Any = base.copy()
        if config.noise != "off":
            student = optical_copy(base, self.engine, self.products, task.calibration, config.seed)
        if config.noise == "measured":
            histograms = differential_noise.measure(student, lambda model: model(*task.calibration))
            student = base.copy()
            differential_noise.install(student, histograms)
        # The activations of a whole step of a real model take several times its weights.
        student.rematerialise = True
        teacher: Any = digital.copy()
        try:
            if config.allocate_light:
                self._costs = light_costs(student, self.engine, task.work(digital.copy()), task.tokens)
            training = Training(
                *(student, teacher, self.engine if light else None),
                adaptation=self._adaptation(),
                distillation=Distillation(config.teacher, config.temperature, config.hidden),
                points=OperatingPoints(
                    float(self.engine.operating_point.laser_power_w),
                    start=config.power_start,
                    ramp_steps=config.ramp_steps,
                    spread=config.power_spread,
                    machines=config.machines,
                ),
                optimiser=self._optimiser().transformation(),
                range_decay=config.range_decay,
                light=self._costs,
                seed=config.seed,
            )
            # What does not fit together is refused before anything is compiled.
            jax.eval_shape(training.begin)
        except ValueError as error:
            raise RequestError(f"{config.model} and {config.engine}: {error}") from error
        return training

    def _adaptation(self) -> Adaptation:
        config = self.config
        return Adaptation(
            method=config.method,
            rank=config.rank,
            alpha=config.alpha,
            targets=config.targets,
            learn_ranges=config.learn_ranges and config.noise == "on",
            learn_gains=config.learn_gains,
            clipping=config.clipping,
            clip_percentile=config.clip_percentile,
        )

    def _optimiser(self) -> Optimiser:
        config = self.config
        return Optimiser(
            *(config.rate, config.range_learning_rate, max(config.steps, 1)),
            warmup_steps=config.warmup,
            schedule=config.schedule,
            weight_decay=config.weight_decay,
            clip_norm=config.clip_norm,
        )

    def _train(self, training: Training, data: FinetuneData, progress: Progress) -> Course:
        config = self.config
        checkpoints = Checkpoints(self.request.folder.path / CHECKPOINTS)
        windows = data.windows(config.context, config.batch, config.seed)
        steps = Steps(training, windows, checkpoints, config, self._optimiser().rate(config.rate))
        course = steps.begin()
        if course.done:
            progress.note(f"going on behind step {course.done} of {config.steps}")
        progress.done += course.done
        if course.done < config.steps:
            progress.note("compiling the step")
        steps.run(course, progress, self.wish)
        if self.wish.requested is not None and course.done < config.steps:
            raise Stopped("stopped", status=self.wish.status)
        return course

    def _merged(self, base: DigitalModel, trained: Trained) -> "Transformer":
        """The tuned weights with exact products."""
        model: Any = base.copy()
        weights = {name: value for name, value in trained.items() if name not in ("ranges", "light")}
        if weights:
            self._adaptation().install(model, weights)
        return model

    def _tuned(self, training: Training, base: DigitalModel, course: Course, task: LanguageModelling) -> nnx.Module:
        """The tuned model under light; where no ranges were learned they are those that it asks for itself."""
        if "ranges" in course.trained:
            return training.tuned(course.trained)
        merged = DigitalModel.of(self._merged(base, course.trained))
        return optical_copy(merged, self.engine, self.products, task.calibration, self.config.seed)

    def _save(self, model: "Transformer", tuned: nnx.Module, trained: Trained, layers: list[dict]) -> None:
        request = self.request
        metadata = {"exalight.engine": json.dumps(dict(request.engine_file.values), allow_nan=False)}
        # Ranges of other families of engines are not given from outside.
        with contextlib.suppress(ValueError):
            metadata["exalight.ranges"] = ranges_text(tuned)
        if layers:
            metadata["exalight.laser_power_w"] = json.dumps({row["name"]: row["laser_power_w"] for row in layers})
        checkpoint = request.checkpoint
        save_huggingface(request.folder.path / MODEL, model, checkpoint.tokenizer, source=checkpoint, metadata=metadata)
        if self.config.adapter == "apart":
            factors = {name: {k: np.asarray(v) for k, v in one.items()} for name, one in trained["low_rank"].items()}
            save_adapter(
                request.folder.path / ADAPTER, factors, checkpoint.config, alpha=self.config.alpha, base=f"../{MODEL}"
            )
