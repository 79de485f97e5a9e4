"""The train stage: both streams of the Dynamic Weighted Combiner, and the registered serving package."""

from __future__ import annotations

import shutil
from functools import partial

import pandas as pd
import torch
from prefect import flow

from dwc.config import Train
from dwc.evaluation.heldout import heldout_recall
from dwc.files import atomic_file, atomic_folder
from dwc.model.bundle import save_bundle
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.precision import pick_device, uses_bf16
from dwc.store.dataset import Store
from dwc.store.vocabulary import Vocabulary
from dwc.tables.build import Tables, load_tables
from dwc.training import loop
from dwc.training.batches import TripletBatches, split_holdout
from dwc.training.captions import with_replaced_texts, without_known_noise
from dwc.training.checkpoint import Checkpoints, fingerprint
from dwc.training.optimiser import LearningRates, build_adam
from dwc.training.start import Selection, build_model, checkpoint_selection, training_triplets
from dwc.training.step import LossSettings, Optimisers, alternating_step
from flows.accelerator import gpu
from flows.challenger import register_challenger
from flows.stage import BUILD, Stage, stage

STORE, FEATURES, CLIP, MODEL = BUILD / "store", BUILD / "features", BUILD / "clip", BUILD / "model"
CURVE = BUILD / "curves" / "train.csv"
CHECKPOINTS = BUILD / "checkpoints"


@flow(name="train")
@stage("data.name", "train")
def train(stage: Stage) -> None:
    """Train, keep the chosen epoch, and, but for a study, register the model with its gallery."""
    settings = stage.params.train
    device = pick_device(settings.device)
    store = Store(STORE, FEATURES)
    tables = load_tables(BUILD / "tables")
    holdout = 0.0 if settings.select == "evaluation" else settings.holdout
    learnt, held = split_holdout(training_triplets(store), holdout, settings.seed)
    learnt = _with_captions_of_study(learnt, settings, store, tables)
    stage.log_dataset("training", learnt)
    selection = checkpoint_selection(settings.select, held, store)
    if len(held):
        stage.log_dataset("held-out", held)
    with gpu():
        model = stage.step("Build model", _model, settings, store, device)
        checkpoints = Checkpoints(CHECKPOINTS, _identity(settings))
        history = stage.step("Train", _train, stage, model, store, learnt, selection, checkpoints)
        _save(model, history)
        registered = "not registered"
        if settings.challenger:
            version = stage.step(
                "Register challenger", register_challenger, stage, model, store, tables.images
            )
            stage.record |= {"model_name": version.name, "model_version": version.version}
            registered = f"{version.name} version {version.version}"
    checkpoints.remove()
    stage.record |= {"selection": settings.select}
    stage.run.log_artifact(CURVE)
    stage.table("epochs", [{name: round(value, 4) for name, value in row.items()} for row in history])
    stage.summary(f"{len(history)} epochs on {len(learnt):,} triplets: {registered}.")


def _with_captions_of_study(
    learnt: pd.DataFrame, settings: Train, store: Store, tables: Tables
) -> pd.DataFrame:
    """The triplets to learn from, their captions made cleaner or noisier where a study wants that."""
    if settings.captions.leave_out_known_noise:
        captions = dict(zip(tables.triplets["triplet_id"], tables.triplets["captions"], strict=True))
        learnt = without_known_noise(learnt, store.texts, captions, tables.noise)
    return with_replaced_texts(learnt, settings.captions.replaced, settings.seed)


def _model(settings: Train, store: Store, device: torch.device) -> DWC:
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


def _train(
    stage: Stage,
    model: DWC,
    store: Store,
    learnt: pd.DataFrame,
    selection: Selection,
    checkpoints: Checkpoints,
) -> list[loop.Figures]:
    settings = stage.params.train
    device = next(model.parameters()).device
    bf16 = uses_bf16(settings.precision, device)
    batches = TripletBatches(
        store,
        learnt,
        batch_size=settings.batch_size,
        seed=settings.seed,
        **settings.augment.model_dump(),
        device=device,
    )
    update = partial(
        alternating_step,
        loss=LossSettings(**settings.loss.model_dump()),
        clip_gradient_norm=settings.optimiser.clip_gradient_norm,
        bf16=bf16,
    )
    return loop.train(
        model,
        batches,
        _optimisers(model, settings),
        epochs=settings.epochs,
        rates=_rates(settings),
        update=update,
        validate=partial(
            heldout_recall,
            store=store,
            triplets=selection.triplets,
            batch_size=settings.batch_size,
            bf16=bf16,
            name=selection.name,
        ),
        log=stage.run.log_metrics,
        checkpoints=checkpoints,
        seed=settings.seed,
        selected_by=selection.selected_by,
        resume=settings.resume,
        progress=stage.progress("training steps"),
    )


def _optimisers(model: DWC, settings: Train) -> Optimisers:
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
    return fingerprint(settings.model_dump(exclude={"resume", "challenger"}), files)


def _save(model: DWC, history: list[loop.Figures]) -> None:
    with atomic_folder(MODEL) as folder:
        save_bundle(folder, model)
        shutil.copyfile(STORE / "vocabulary.json", folder / "vocabulary.json")
    with atomic_file(CURVE) as file:
        pd.DataFrame(history).to_csv(file, index=False)
