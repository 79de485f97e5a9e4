"""params.yaml as frozen, typed classes: every tunable value of the pipeline, with its meaning and unit.

An unknown or mistyped key is an error that names it. Code elsewhere takes the values it uses, never these
classes as a whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0)]


class Section(BaseModel):
    """Base of all sections: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pairs(Section):
    """Training pairs that the layout `fashion200k` draws, one for each image and draw."""

    text: Literal["replace", "replace_and_get"] = Field(
        "replace",
        description="`replace A with B`, or the released code's `replace A with B and get <caption of the "
        "target>`, which tells the answer",
    )
    draws: Positive = Field(
        5, description="different drawings of pairs; epoch e trains on drawing e modulo their number"
    )
    seed: int = Field(1, description="same seed, same pairs")


class Table(Section):
    """Files and columns of the layout `table`; null (or empty) = the usual name where there is one."""

    triplets: str | None = Field(
        None, description="file of the triplets, relative to data.root; usually triplets.csv or .parquet"
    )
    images: str | None = Field(
        None, description="file of the catalogue's images; usually images.csv or .parquet, and optional"
    )
    folder: str = Field("images", description="folder of the pictures, with any folders below it")
    reference: str = Field("reference", description="column of the triplets: reference image")
    target: str = Field("target", description="column of the triplets: target image")
    captions: tuple[str, ...] = Field(
        (), description="columns of the triplets: captions; usually `caption`, `caption_2`, …"
    )
    split: str | None = Field(None, description="column of both files: train, val or test; usually `split`")
    category: str | None = Field(None, description="column of both files; usually `category`")
    image: str = Field("image", description="column of the catalogue: name by which triplets call the image")
    file: str | None = Field(None, description="column of the catalogue: file name; usually `file`")
    title: str | None = Field(None, description="column of the catalogue: product title; usually `title`")
    label: str | None = Field(
        None, description="column of the catalogue: images of one label are equally right; usually `label`"
    )
    val_share: Share = Field(0.1, description="share of the triplets for evaluation where no split is given")


class Data(Section):
    """Which data set, and where it lies."""

    name: str = Field(
        "wardrobe", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="name used for runs and models"
    )
    layout: Literal["fashioniq", "shoes", "fashion200k", "css", "table"] = Field(
        "fashioniq", description="published folder layout; see docs/data.md"
    )
    root: Path = Field(Path("data"), description="folder of the raw data")
    categories: tuple[str, ...] = Field((), description="categories to use; empty = all that are there")
    pairs: Pairs = Pairs()
    table: Table = Table()


class Validate(Section):
    """What the raw data must satisfy."""

    min_side: Positive = Field(32, description="smallest accepted side of an image, pixels")
    max_megapixels: Rate = Field(
        100.0, description="largest accepted image, megapixels (decompression bombs)"
    )
    min_caption_words: Positive = Field(1, description="fewer words in a caption give a warning")
    missing_images: Literal["fail", "drop", "drop_from_training_only"] = Field(
        "fail",
        description="images that are in no list, have no file or cannot be decoded: an error, or left out "
        "with the triplets that need them, everywhere or only where they serve training alone; all that is "
        "left out is counted and listed",
    )
    exclude_eval_images: bool = Field(
        False,
        description="leave out of training every image of an evaluation list, its byte-for-byte copies, and "
        "the training triplets that use one",
    )


class Preprocess(Section):
    """The image store and the vocabulary."""

    resolution: Positive = Field(224, description="side of the stored square images, pixels")
    min_word_count: Positive = Field(1, description="rarer words become <UNK>")
    caption_variants: Literal["joined", "orders_and_singles"] = Field(
        "joined",
        description="texts of a triplet in training: all captions joined in file order, or also in other "
        "orders and each alone; evaluation always uses the joined text",
    )
    caption_joining: Literal["and_token", "and_word"] = Field(
        "and_token",
        description="what the CNN stream reads between two captions: `<AND>`, as DWC does, or the plain word "
        "`and`, as CLIP4Cir does; the CLIP stream always reads `and`",
    )


class Adapt(Section):
    """Training of the CLIP on the catalogue's own words and titles (training split only)."""

    text_epochs: int = Field(
        0,
        ge=0,
        description="passes over titles and captions in which the text tower learns to keep their words, "
        "before the images come in; for a CLIP that starts at random",
    )
    text_learning_rate_factor: Share = Field(
        1.0, description="share of the learning rate for the text tower, below its projection, with images"
    )
    epochs: int = Field(
        0, ge=0, description="passes over the titled training images; 0 = use the CLIP as it is"
    )
    batch_size: Positive = 128
    learning_rate: Rate = Field(5e-4, description="peak of the cosine schedule")
    weight_decay: float = Field(0.05, ge=0.0)
    warmup: Share = Field(0.1, description="share of the steps with rising learning rate")
    crop_scale: Share = Field(0.8, description="smallest share of the area that a random crop keeps")
    rotation: float = Field(0.0, ge=0.0, le=180.0, description="largest random turn, degrees")
    word_dropout: Share = Field(0.1, description="chance that a word of a title is left out")
    seed: int = 1


class Embed(Section):
    """The frozen CLIP and its cached features."""

    architecture: str = Field(
        "RN50", description="open_clip model name, or a JSON file of a custom architecture"
    )
    weights: str | None = Field(
        None, description="open_clip tag (e.g. openai) or local weights file; null = random"
    )
    weights_file: Path | None = Field(
        None, description="local copy of the weights that the tag names, for machines without network"
    )
    batch_size: Positive = 128
    adapt: Adapt = Adapt()


class Loss(Section):
    """Mixed-modality contrastive loss with soft labels, and mutual enhancement (METHOD section 3)."""

    alpha: Share = Field(0.2, description="share of the soft labels")
    temperature: Rate = Field(0.07, description="temperature of logits and soft labels")
    similarity: Literal["dot", "euclidean", "gaussian"] = Field(
        "dot", description="similarity behind soft labels"
    )
    detach_soft_labels: bool = Field(False, description="stop the gradient through the soft labels")
    mutual_weight: float = Field(1.0, ge=0.0, description="weight of the mutual enhancement; 0 = off")
    mutual_scale: Rate = Field(10.0, description="inverse temperature of the distributions compared")
    teacher_image: Literal["target", "reference"] = Field(
        "target",
        description="image behind the teacher's target embedding; the released code used the reference",
    )


class Cnn(Section):
    """Sizes of the CNN stream."""

    backbone: Literal["resnet18", "resnet50"] = "resnet50"
    weights: str | None = Field(
        None,
        description="start of the backbone: null = random, `imagenet` = torchvision's, `clip` = the image "
        "tower of the embed stage's CLIP (same ResNet), or a local safetensors/pth file",
    )
    word_dim: Positive = Field(512, description="size of a word embedding")


class Optimiser(Section):
    """Adam, one for each stream."""

    learning_rate: Rate = Field(1e-4, description="CNN stream's peak learning rate")
    clip_learning_rate: Rate | None = Field(None, description="CLIP stream's, where it differs")
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: Share = Field(0.0, description="share of the steps with rising learning rate")
    weight_decay: float = Field(1e-6, ge=0.0)
    clip_gradient_norm: float | None = Field(
        None, gt=0.0, description="largest gradient norm; null = no limit"
    )


class Augment(Section):
    """What training does to the stored images."""

    flip: bool = Field(True, description="mirror each image half of the time")
    rotation: float = Field(0.0, ge=0.0, le=180.0, description="largest random turn, degrees")
    crop_scale: Share = Field(
        1.0, description="smallest share of the area that a random crop keeps; 1 = no crop"
    )
    side: Positive | None = Field(
        None,
        description="side of the views that the CNN stream learns from, pixels; null = the stored side. "
        "Smaller views cost less; evaluation and serving always see the stored side",
    )


class Captions(Section):
    """Captions of the triplets learnt from, made cleaner or noisier (study); those held out keep theirs."""

    leave_out_known_noise: bool = Field(
        False, description="leave out the captions that the data set's own noise.json calls misleading"
    )
    replaced: Share = Field(0.0, description="share of the triplets that get another triplet's texts")


class Train(Section):
    """DWC's training."""

    seed: int = 1
    epochs: Positive = 200
    batch_size: Positive = 32
    dim: Positive = Field(1024, description="embedding size D of each stream")
    dropout: Share = Field(0.5, description="dropout of the CLIP stream and of both combiners")
    editors: bool = Field(
        True, description="edit image and text by each other before they are combined; false = study"
    )
    image_weight: Literal["learned", "equal", "untrained"] = Field(
        "learned",
        description="how the combiner weighs image and text: by its MLP, both one half, or by an MLP that "
        "stays at its random start; the last two = study",
    )
    cnn: Cnn = Cnn()
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    augment: Augment = Augment()
    captions: Captions = Captions()
    challenger: bool = Field(
        True, description="package the model and register it as the challenger; false = study"
    )
    holdout: Share = Field(
        0.1, description="share of the training triplets kept back to choose the checkpoint"
    )
    select: Literal["best", "last", "evaluation"] = Field(
        "best",
        description="checkpoint by held-out recall, the last epoch's, or, as papers often do, the one that "
        "is best on the evaluation queries themselves, which flatters it; nothing is held out then",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto = bf16 where the machine has it"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    resume: bool = Field(True, description="continue an interrupted training of the same data and parameters")


class Bootstrap(Section):
    """Confidence intervals over queries."""

    resamples: Positive = 2000
    confidence: Share = 0.95
    seed: int = 0


class Evaluate(Section):
    """The retrieval protocol and what is reported (PROTOCOLS; METHOD section 4)."""

    split: Literal["val", "test"] = "val"
    gallery: Literal["original", "references_and_targets"] = Field(
        "original", description="the published image list, or only the split's references and targets (VAL)"
    )
    joint_gallery: bool = Field(
        False, description="every query searches the galleries of all categories together"
    )
    mask_reference: bool = Field(True, description="leave the reference image out of its query's gallery")
    recall_at: tuple[Positive, ...] = (1, 5, 10, 50)
    primary_metric: str = Field("recall_at_10", description="the metric by which versions are compared")
    top: Positive = Field(50, description="ranked images kept per query")
    explained: int = Field(
        6, ge=0, description="queries that the report explains word by word, good and bad ones; 0 = none"
    )
    batch_size: Positive = 128
    bootstrap: Bootstrap = Bootstrap()


class Promote(Section):
    """What a challenger must reach to become champion; compared by evaluate.primary_metric."""

    tolerance: Share = Field(
        0.02,
        description="largest loss against the champion that the lower end of the paired interval "
        "(evaluate.bootstrap) may show, on the metric's scale",
    )
    must_be_better: bool = Field(False, description="demand that the whole interval lies above 0")
    floors: dict[str, float] = Field(
        {}, description="smallest accepted value of any metric of both streams, such as recall_at_10: 0.3"
    )
    latency_factor: Rate | None = Field(
        2.0, description="largest median time of a prediction, as a multiple of the champion's; null = any"
    )
    predictions: Positive = Field(15, description="predictions whose median time is the latency")


class Params(Section):
    """The whole of params.yaml."""

    data: Data = Data()
    validate_: Validate = Field(Validate(), alias="validate")
    preprocess: Preprocess = Preprocess()
    embed: Embed = Embed()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    promote: Promote = Promote()


def load_params(path: Path) -> Params:
    """Read params.yaml. Raises ValueError naming the file, the key and what is wrong with it."""
    if not path.is_file():
        raise ValueError(f"{path}: no such parameter file. Run the command in the project's root folder.")
    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from error
    return parse_params(values, str(path))


def parse_params(values: Any, source: str) -> Params:
    """Turn nested plain values into Params; `source` names them in errors."""
    try:
        return Params.model_validate(values or {})
    except ValidationError as error:
        raise ValueError("\n".join(_describe(source, dict(problem)) for problem in error.errors())) from None


def _describe(source: str, problem: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{source}: unknown key `{key}`. Remove it or correct its spelling."
    return f"{source}: `{key}` = {problem.get('input')!r}: {problem['msg']}."
