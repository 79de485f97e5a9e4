"""The train stage: both streams of the Dynamic Weighted Combiner, and the registered serving package."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from prefect import flow
from prefect.logging import get_run_logger

from dwc.config import Train
from dwc.evaluation.heldout import heldout_recall
from dwc.files import atomic_file, atomic_folder
from dwc.model.bundle import save_bundle
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.precision import pick_device, uses_bf16
from dwc.model.rank_norm import share_batch_statistics
from dwc.model.ranks import rank, ranks
from dwc.store.dataset import Store
from dwc.store.vocabulary import Vocabulary
from dwc.tables.build import Tables, load_tables
from dwc.training import loop
from dwc.training.batches import TripletBatches, split_holdout
from dwc.training.captions import with_replaced_texts, without_known_noise
from dwc.training.checkpoint import Checkpoints, fingerprint
from dwc.training.feeding import place_pixels
from dwc.training.flops import peak_flops, step_flops
from dwc.training.optimiser import LearningRates, build_adam
from dwc.training.profile import StepProfile
from dwc.training.speed import Load, Speed
from dwc.training.start import Selection, build_model, checkpoint_selection, training_triplets
from dwc.training.step import LossSettings, Optimisers, alternating_step
from dwc.training.streams import Streams, streams_of_ranks
from dwc.training.together import SharedCheckpoints
from flows.accelerator import gpu
from flows.challenger import register_challenger
from flows.ranks import devices_in_all, run_ranks
from flows.stage import BUILD, Stage, stage

STORE, FEATURES, CLIP, MODEL = BUILD / "store", BUILD / "features", BUILD / "clip", BUILD / "model"
CURVE = BUILD / "curves" / "train.csv"
CHECKPOINTS = BUILD / "checkpoints"
PROFILE = BUILD / "profile"
SEED_STEP = 500_009  # between ranks, whose dropout shall differ
_WITHOUT_EFFECT = {"resume", "challenger", "pixels", "profile"}  # on what is learnt


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is learnt from, what is held back, and what chooses the checkpoint."""

    store: Store
    images: pd.DataFrame
    learnt: pd.DataFrame
    held: pd.DataFrame
    selection: Selection


@flow(name="train")
@stage("data.name", "train")
def train(stage: Stage) -> None:
    """Train, keep the chosen epoch, and, but for a study, register the model with its gallery."""
    settings = stage.params.train
    device = pick_device(settings.device)
    together = devices_in_all(settings)
    lesson = load_lesson(settings)
    stage.log_dataset("training", lesson.learnt)
    if len(lesson.held):
        stage.log_dataset("held-out", lesson.held)
    with gpu():
        if together > 1:
            stage.step(f"Train on {together} devices", _train_together, stage)
        model = stage.step("Build model", new_model, settings, lesson.store, device)
        checkpoints = Checkpoints(CHECKPOINTS, _identity(settings))
        if together > 1:
            history = stage.step("Take over", _take_over, settings, model, lesson, checkpoints)
        else:
            history = stage.step("Train", _train, stage, model, lesson, checkpoints)
        _save(model, history)
        registered = "not registered"
        if settings.challenger:
            version = stage.step(
                "Register challenger", register_challenger, stage, model, lesson.store, lesson.images
            )
            stage.record |= {"model_name": version.name, "model_version": version.version}
            registered = f"{version.name} version {version.version}"
    checkpoints.remove()
    stage.record |= {"selection": settings.select}
    stage.run.log_artifact(CURVE)
    if PROFILE.is_dir():
        stage.run.log_artifact(PROFILE, "profile")
    stage.table("epochs", [{name: round(value, 4) for name, value in row.items()} for row in history])
    stage.summary(f"{len(history)} epochs on {len(lesson.learnt):,} triplets: {registered}.")


def load_lesson(settings: Train) -> Lesson:
    """Read what the earlier stages made, and divide it. Raises ValueError where something is missing."""
    store = Store(STORE, FEATURES)
    tables = load_tables(BUILD / "tables")
    holdout = 0.0 if settings.select == "evaluation" else settings.holdout
    learnt, held = split_holdout(training_triplets(store), holdout, settings.seed)
    return Lesson(
        store=store,
        images=tables.images,
        learnt=_with_captions_of_study(learnt, settings, store, tables),
        held=held,
        selection=checkpoint_selection(settings.select, held, store),
    )


def _with_captions_of_study(
    learnt: pd.DataFrame, settings: Train, store: Store, tables: Tables
) -> pd.DataFrame:
    """The triplets to learn from, their captions made cleaner or noisier where a study wants that."""
    if settings.captions.leave_out_known_noise:
        captions = dict(zip(tables.triplets["triplet_id"], tables.triplets["captions"], strict=True))
        learnt = without_known_noise(learnt, store.texts, captions, tables.noise)
    return with_replaced_texts(learnt, settings.captions.replaced, settings.seed)


def new_model(settings: Train, store: Store, device: torch.device) -> DWC:
    """The network that the parameters ask for, before its first step."""
    config = ModelConfig(
        backbone=settings.cnn.backbone,
        dim=settings.dim,
        words=len(Vocabulary.load(STORE / "vocabulary.json")),
        word_dim=settings.cnn.word_dim,
        clip_dim=int(store.clip_images.shape[1]),
        resolution=store.side,
        dropout=settings.dropout,
        editors=settings.editors,
        image_weight=settings.image_weight,
    )
    return build_model(
        config, backbone_weights=settings.cnn.weights, clip_folder=CLIP, seed=settings.seed, device=device
    )


def _train(stage: Stage, model: DWC, lesson: Lesson, checkpoints: Checkpoints) -> list[loop.Figures]:
    run, report = stage.run, stage.progress("training steps")
    return fit(
        stage.params.train, model, lesson, checkpoints, log=run.log_metrics, progress=report, tag=run.tag
    )


def _train_together(stage: Stage) -> None:
    """Let one process for each device train, to the checkpoint of the last epoch."""
    report = stage.progress("training steps")
    run_ranks(
        stage.params,
        node=0,
        log=stage.run.log_metrics,
        progress=report,
        warn=get_run_logger().warning,
    )


def _take_over(settings: Train, model: DWC, lesson: Lesson, checkpoints: Checkpoints) -> list[loop.Figures]:
    """The model and the history that several processes have left in the checkpoints."""
    history = checkpoints.resume(model, new_optimisers(model, settings))
    if len(history) < settings.epochs:
        raise ValueError(f"{CHECKPOINTS}: lacks the last epoch's checkpoint. Run the train stage again.")
    if lesson.selection.selected_by:
        checkpoints.load_best(model)
    model.eval()
    return history


def shared_checkpoints(settings: Train) -> SharedCheckpoints:
    """The stage's checkpoints, for several processes."""
    return SharedCheckpoints(CHECKPOINTS, _identity(settings))


def fit(
    settings: Train,
    model: DWC,
    lesson: Lesson,
    checkpoints: Checkpoints,
    *,
    log: loop.Log,
    progress: loop.Progress,
    tag: Callable[[dict[str, str]], None] = lambda _: None,
) -> list[loop.Figures]:
    """Train in this process, alone or as a rank; rank 0 validates, logs, tags and shows for all."""
    device = next(model.parameters()).device
    bf16 = uses_bf16(settings.precision, device)
    first, selection = rank() == 0, lesson.selection
    streams = None
    if ranks() > 1:
        share_batch_statistics(model)
        streams = streams_of_ranks(model, settings.loss.teacher_image)
    validate = partial(
        heldout_recall,
        store=lesson.store,
        triplets=selection.triplets,
        batch_size=settings.batch_size,
        bf16=bf16,
        name=selection.name,
    )
    speed = _speed(settings, model, bf16, log, tag) if first else None
    history = loop.train(
        model,
        new_batches(settings, settings.batch_size, lesson.store, lesson.learnt, device),
        new_optimisers(model, settings),
        epochs=settings.epochs,
        rates=_rates(settings),
        update=new_update(settings, bf16, streams),
        validate=validate if first else lambda _: {},
        log=log if first else lambda _, __: None,
        checkpoints=checkpoints,
        seed=settings.seed + SEED_STEP * rank(),
        selected_by=selection.selected_by if first else None,
        resume=settings.resume,
        progress=progress if first else None,
        speed=speed,
    )
    if speed:
        speed.close()
    return history


def new_batches(
    settings: Train, batch_size: int, store: Store, learnt: pd.DataFrame, device: torch.device
) -> TripletBatches:
    """Batches of the triplets learnt from, as the parameters ask for them but for their size."""
    return TripletBatches(
        store,
        learnt,
        batch_size=batch_size,
        seed=settings.seed,
        **settings.augment.model_dump(),
        device=device,
        rank=rank(),
        ranks=ranks(),
        pixels=place_pixels(store.pixels, device, settings.pixels),
    )


def new_update(settings: Train, bf16: bool, streams: Streams | None = None) -> loop.Update:
    """The alternating step with the parameters' losses."""
    return partial(
        alternating_step,
        loss=LossSettings(**settings.loss.model_dump()),
        clip_gradient_norm=settings.optimiser.clip_gradient_norm,
        bf16=bf16,
        streams=streams,
        chunk=settings.chunk,
    )


def _speed(
    settings: Train, model: DWC, bf16: bool, log: loop.Log, tag: Callable[[dict[str, str]], None]
) -> Speed:
    """Who watches the steps: knows their arithmetic and what a device can do; profiles where asked to."""
    device = next(model.parameters()).device
    side = settings.augment.side or model.config.resolution
    peak = peak_flops(device, bf16)
    flops = step_flops(model.config, settings.batch_size // ranks(), side)
    log({"speed.step_flops": float(flops), "speed.peak_flops": peak.flops}, 0)
    tag({"dwc.peak_flops": peak.source})
    shutil.rmtree(PROFILE, ignore_errors=True)
    profile = StepProfile(PROFILE, model, settings.profile, print) if settings.profile else None
    return Speed(Load(settings.batch_size, flops, peak.flops), device, profile)


def new_optimisers(model: DWC, settings: Train) -> Optimisers:
    """An Adam for each stream."""
    rates, decay = _rates(settings), settings.optimiser.weight_decay
    return Optimisers(
        cnn=build_adam(model.cnn.parameters(), learning_rate=rates.cnn, weight_decay=decay),
        clip=build_adam(model.clip.parameters(), learning_rate=rates.clip, weight_decay=decay),
    )


def _rates(settings: Train) -> LearningRates:
    optimiser = settings.optimiser
    return LearningRates(
        cnn=optimiser.learning_rate,
        clip=optimiser.clip_learning_rate or optimiser.learning_rate,
        schedule=optimiser.schedule,
        warmup=optimiser.warmup,
    )


def _identity(settings: Train) -> str:
    """What a checkpoint must agree with. The features stand for the pixels they were computed from."""
    files = [STORE / "triplets.parquet", STORE / "texts.parquet", *sorted(FEATURES.glob("*.npy"))]
    return fingerprint(settings.model_dump(exclude=_WITHOUT_EFFECT), files)


def _save(model: DWC, history: list[loop.Figures]) -> None:
    with atomic_folder(MODEL) as folder:
        save_bundle(folder, model)
        shutil.copyfile(STORE / "vocabulary.json", folder / "vocabulary.json")
    with atomic_file(CURVE) as file:
        pd.DataFrame(history).to_csv(file, index=False)
