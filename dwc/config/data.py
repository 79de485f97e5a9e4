"""The sections `data`, `validate` and `preprocess`: from raw files to the store."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from dwc.config.base import Positive, Rate, Section, Share


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
