"""What must hold of every image."""

from __future__ import annotations

from dwc.tables.availability import MissingImages
from dwc.tables.findings import Severity
from dwc.tables.rules import Rule, at_least, at_most, not_null, null, unique


def image_rules(
    min_side: int, max_megapixels: float, missing_images: MissingImages, exclude_eval_images: bool
) -> list[Rule]:
    """Return what every image must satisfy; `min_side` in pixels."""
    return [
        *_identity_rules(),
        *_usability_rules(max_megapixels, missing_images),
        *_quality_rules(min_side),
        *_leakage_rules(exclude_eval_images),
    ]


def _identity_rules() -> list[Rule]:
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
            name="image_ids_not_alike",
            severity="warning",
            title="No two ids differ only in letter case or Unicode form",
            message="{image_id} and {other_spelling} look the same",
            remedy="Often one is a slip; on many disks the two files are one. Rename or remove one.",
            condition=null("other_spelling"),
        ),
    ]


def _usability_rules(max_megapixels: float, policy: MissingImages) -> list[Rule]:
    severity, way_out = severity_of_missing(policy), way_out_of_missing(policy)
    rules = [
        Rule(
            name="image_file_exists",
            severity=severity,
            title="Every listed image has a file",
            message="{image_id} has no file in the image folder",
            remedy=f"Add the file. {way_out}",
            condition=not_null("path"),
        ),
        Rule(
            name="image_decodes",
            severity=severity,
            title="Every image file decodes to its last pixel",
            message="{problem}",
            remedy=f"Fetch the file again. {way_out}",
            condition=null("problem"),
        ),
        Rule(
            name="image_not_too_large",
            severity=severity,
            title=f"No image is larger than {max_megapixels:g} megapixels",
            message="{width} × {height} pixels are {megapixels:.1f} megapixels",
            remedy=f"Scale the image down, or raise validate.max_megapixels. {way_out}",
            condition=at_most("megapixels", max_megapixels),
        ),
    ]
    if policy == "drop_from_training_only":
        rules.append(
            Rule(
                name="evaluation_image_usable",
                severity="error",
                title="Every image of an evaluation list can be used",
                message="{image_id} {unusable}, and serves evaluation",
                remedy="Mend or fetch the file. Or set validate.missing_images to drop: the protocol is then "
                "not quite the published one, and results say so.",
                condition=null("unusable"),
            )
        )
    return rules


def severity_of_missing(policy: MissingImages) -> Severity:
    """How bad an image is that cannot be used."""
    return "error" if policy == "fail" else "warning"


def way_out_of_missing(policy: MissingImages) -> str:
    """What the policy does with images that cannot be used, and with the triplets that need them."""
    if policy == "fail":
        return "Or set validate.missing_images to drop: what needs it is left out, and counted."
    return "Until then it is left out, and what needs it: see left_out_images.csv and quarantine.csv."


def _quality_rules(min_side: int) -> list[Rule]:
    return [
        Rule(
            name="image_not_too_small",
            severity="warning",
            title=f"No image side is shorter than {min_side} pixels",
            message="{width} × {height} pixels",
            remedy="Such a picture is often a placeholder: look at it. The limit is validate.min_side.",
            condition=at_least("short_side", min_side),
        ),
        Rule(
            name="image_inside_data_folder",
            severity="warning",
            title="No image file is a link to outside the data folder",
            message="{image_id} is a link to {link}",
            remedy="Copy the file into the folder: others who get the folder do not get what is outside.",
            condition=null("link"),
        ),
        Rule(
            name="image_file_named_as_listed",
            severity="warning",
            title="Image files are named as their ids are spelt",
            message="{image_id} is taken to be this file, which differs in {spelling}",
            remedy="Nothing to do where the picture is the right one; else rename the file or the id.",
            condition=null("spelling"),
        ),
    ]


def _leakage_rules(exclude_eval_images: bool) -> list[Rule]:
    excluded = "Training leaves it out, as validate.exclude_eval_images says."
    keep_out = excluded if exclude_eval_images else "validate.exclude_eval_images keeps it out of training."
    return [
        Rule(
            name="splits_disjoint",
            severity="error",
            title="No image is in two splits of one category",
            message="{image_id} is in {overlap}",
            remedy="Remove the image from one of the lists: evaluation must not see training images.",
            condition=null("overlap"),
        ),
        Rule(
            name="image_bytes_in_one_split",
            severity="warning",
            title="No picture stands under two ids in different splits",
            message="{image_id} is, byte for byte, also {twin}",
            remedy=f"Keep it in one split only, or know that evaluation repeats training. {keep_out}",
            condition=null("twin"),
        ),
        Rule(
            name="no_leak_between_categories",
            severity="warning",
            title="No training image of one category is an evaluation image of another",
            message="{image_id} is in {leak}",
            remedy="Matters where one model learns all categories; published results have this overlap. "
            + keep_out,
            condition=null("leak"),
        ),
        Rule(
            name="no_near_duplicate_in_training",
            severity="warning",
            title="No evaluation image nearly equals a training image",
            message="{image_id} looks like {near_duplicate}",
            remedy="Look at them below, and remove the training image where it is the same picture.",
            condition=null("near_duplicate"),
        ),
    ]
