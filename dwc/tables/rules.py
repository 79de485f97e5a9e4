"""The rules: what must hold of every row, how bad it is where it does not, and what to do about it.

An error stops the pipeline. A warning is only reported: real data sets have all of these, and their
published numbers include them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dwc.tables.findings import Severity

Condition = tuple[str, dict[str, Any]]
"""An expectation in Great Expectations' vocabulary: its type and its arguments."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A condition on the columns of the evidence, with what people read where it is not met.

    `message` is a format string over the columns of the row that fails.
    """

    name: str
    severity: Severity
    title: str
    message: str
    remedy: str
    condition: Condition


def null(column: str) -> Condition:
    """The column, which says what is wrong, says nothing."""
    return "expect_column_values_to_be_null", {"column": column}


def not_null(column: str) -> Condition:
    """The column has a value."""
    return "expect_column_values_to_not_be_null", {"column": column}


def unique(column: str) -> Condition:
    """No other row has this value."""
    return "expect_column_values_to_be_unique", {"column": column}


def unique_together(*columns: str) -> Condition:
    """No other row has these values; rows where one is null do not count."""
    return "expect_compound_columns_to_be_unique", {
        "column_list": list(columns),
        "ignore_row_if": "any_value_is_missing",
    }


def false(column: str) -> Condition:
    """The column, which tells whether something is wrong, is false."""
    return "expect_column_values_to_be_in_set", {"column": column, "value_set": [False]}


def at_least(column: str, least: float) -> Condition:
    """The number, where there is one, is this or more."""
    return "expect_column_values_to_be_between", {"column": column, "min_value": least}


def at_most(column: str, most: float) -> Condition:
    """The number, where there is one, is this or less."""
    return "expect_column_values_to_be_between", {"column": column, "max_value": most}


def image_rules(min_side: int, max_megapixels: float) -> list[Rule]:
    """Return what every image must satisfy; `min_side` in pixels."""
    return [
        Rule(
            name="image_id_present",
            severity="error",
            title="Every image has an id",
            message="an image without an id",
            remedy="Give the image an id, or remove it from the list.",
            condition=not_null("image_id"),
        ),
        Rule(
            name="image_id_unique",
            severity="error",
            title="Image ids are unique",
            message="{image_id} is the id of several images",
            remedy="Give each image an id of its own.",
            condition=unique("image_id"),
        ),
        Rule(
            name="image_listed_once",
            severity="error",
            title="An image stands once in an image list",
            message="{image_id} stands more than once in the list {listed_twice}",
            remedy="Remove the repetition: a gallery that holds an image twice changes every rank.",
            condition=null("listed_twice"),
        ),
        Rule(
            name="image_file_exists",
            severity="error",
            title="Every listed image has a file",
            message="{image_id} has no file in the image folder",
            remedy="Add the file, or remove the id from its lists and the triplets that use it.",
            condition=not_null("path"),
        ),
        Rule(
            name="image_decodes",
            severity="error",
            title="Every image file decodes to its last pixel",
            message="{problem}",
            remedy="Fetch the file again, or remove the image from its lists and triplets.",
            condition=null("problem"),
        ),
        Rule(
            name="image_not_too_large",
            severity="error",
            title=f"No image is larger than {max_megapixels:g} megapixels",
            message="{width} × {height} pixels are {megapixels:.1f} megapixels",
            remedy="Scale the image down, or raise validate.max_megapixels if it is meant to be that large.",
            condition=at_most("megapixels", max_megapixels),
        ),
        Rule(
            name="splits_disjoint",
            severity="error",
            title="No image is in two splits of one category",
            message="{image_id} is in {overlap}",
            remedy="Remove the image from one of the lists: evaluation must not see training images.",
            condition=null("overlap"),
        ),
        Rule(
            name="image_not_too_small",
            severity="warning",
            title=f"No image side is shorter than {min_side} pixels",
            message="{width} × {height} pixels",
            remedy="Such a picture is often a placeholder: look at it. The limit is validate.min_side.",
            condition=at_least("short_side", min_side),
        ),
        Rule(
            name="image_bytes_in_one_split",
            severity="warning",
            title="No picture stands under two ids in different splits",
            message="{image_id} is, byte for byte, also {twin}",
            remedy="Keep the picture in one split only, or know that evaluation repeats training.",
            condition=null("twin"),
        ),
        Rule(
            name="no_leak_between_categories",
            severity="warning",
            title="No training image of one category is an evaluation image of another",
            message="{image_id} is in {leak}",
            remedy="Matters where one model learns all categories; published results have this overlap.",
            condition=null("leak"),
        ),
    ]


def triplet_rules(min_caption_words: int) -> list[Rule]:
    """Return what every triplet must satisfy."""
    return [
        Rule(
            name="triplet_id_unique",
            severity="error",
            title="Triplet ids are unique",
            message="{triplet_id} is the id of several triplets",
            remedy="Give each triplet an id of its own.",
            condition=unique("triplet_id"),
        ),
        Rule(
            name="triplet_images_listed",
            severity="error",
            title="Reference and target are known images",
            message="{unlisted} not in any image list",
            remedy="Add the image to its list, or correct or remove the record.",
            condition=null("unlisted"),
        ),
        Rule(
            name="triplet_images_have_files",
            severity="error",
            title="Reference and target have image files",
            message="{without_file} without a file in the image folder",
            remedy="Add the file, or remove the record.",
            condition=null("without_file"),
        ),
        Rule(
            name="gallery_complete",
            severity="error",
            title="Every query's reference and target are in the gallery that is searched",
            message="{outside} not in the list {category}.{split}",
            remedy="Add the image to that list, or remove the record: the query cannot be answered.",
            condition=null("outside"),
        ),
        Rule(
            name="target_present",
            severity="error",
            title="Every training and validation triplet has a target",
            message="no target",
            remedy="Add the target, or remove the record. Only the test split may withhold targets.",
            condition=false("target_missing"),
        ),
        Rule(
            name="captions_present",
            severity="error",
            title="Every triplet has captions",
            message="the list of captions is empty",
            remedy="Write a caption, or remove the record.",
            condition=at_least("caption_count", 1),
        ),
        Rule(
            name="training_images_in_training_list",
            severity="warning",
            title="Training triplets use images of their own training list",
            message="{outside_train} not in the list {category}.{split}",
            remedy="See whether the image belongs to an evaluation split: training must not use those.",
            condition=null("outside_train"),
        ),
        Rule(
            name="reference_is_not_target",
            severity="warning",
            title="Reference and target are different images",
            message="reference and target are both {reference_id}; the triplet is left out",
            remedy="Correct the record. Triplets left out are listed in quarantine.csv.",
            condition=false("self_pair"),
        ),
        Rule(
            name="captions_not_all_blank",
            severity="warning",
            title="Not all captions of a triplet are blank",
            message="every caption is blank",
            remedy="Write a caption. In training the triplet is left out; a query stays, without text.",
            condition=false("wholly_blank"),
        ),
        Rule(
            name="captions_none_blank",
            severity="warning",
            title="No caption of a triplet is blank beside others",
            message="one is blank in {text}",
            remedy="Nothing to do where the others say enough.",
            condition=false("partly_blank"),
        ),
        Rule(
            name="captions_long_enough",
            severity="warning",
            title=f"Every caption has at least {min_caption_words} words",
            message="{text}; words in the shortest: {fewest_words:.0f}",
            remedy="Read a few: such captions often say nothing. The limit is validate.min_caption_words.",
            condition=at_least("fewest_words", min_caption_words),
        ),
        Rule(
            name="triplets_not_repeated",
            severity="warning",
            title="No triplet is repeated word for word",
            message="{reference_id} → {target_id} stands more than once with the captions: {text}",
            remedy="Remove the repetitions: each counts as a query, or weighs in training, of its own.",
            condition=unique_together("category", "split", "reference_id", "target_id", "text"),
        ),
    ]


def side_file_rules() -> list[Rule]:
    """Return what relevant.json and noise.json must satisfy."""
    return [
        Rule(
            name="side_files_match",
            severity="error",
            title="relevant.json and noise.json speak of known triplets and images",
            message="{triplet_id}: {problem}",
            remedy="Make the file again together with the captions; it belongs to another version of them.",
            condition=null("problem"),
        )
    ]


def published_count_rules() -> list[Rule]:
    """Return what every count that was published of the data set must satisfy."""
    return [
        Rule(
            name="counts_as_published",
            severity="warning",
            title="There is as much of everything as was published",
            message="{what}: {found:,} here, {published} published",
            remedy="See whether files are missing or of another version; results of a part stand alone.",
            condition=false("differs"),
        )
    ]
