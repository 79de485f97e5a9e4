"""What must hold of every triplet, of every split, and of the side files."""

from __future__ import annotations

from dwc.tables.availability import MissingImages
from dwc.tables.image_rules import severity_of_missing, way_out_of_missing
from dwc.tables.rules import Rule, at_least, false, null, unique, unique_together


def triplet_rules(min_caption_words: int, missing_images: MissingImages) -> list[Rule]:
    """Return what every triplet must satisfy."""
    return [*_image_rules(missing_images), *_caption_rules(min_caption_words)]


def _image_rules(missing_images: MissingImages) -> list[Rule]:
    severity, way_out = severity_of_missing(missing_images), way_out_of_missing(missing_images)
    rules = [
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
            severity=severity,
            title="Reference and target are known images",
            message="{unlisted} not in any image list",
            remedy=f"Add the image to its list, or correct the record. {way_out}",
            condition=null("unlisted"),
        ),
        Rule(
            name="triplet_images_have_files",
            severity=severity,
            title="Reference and target have image files",
            message="{without_file} without a file in the image folder",
            remedy=f"Add the file. {way_out}",
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
            name="pairs_not_repeated",
            severity="warning",
            title="No pair of images stands twice with different captions",
            message="{reference_id} → {target_id} has {text}, and elsewhere {other_text}",
            remedy="Nothing to do where both are right: each counts as a triplet of its own.",
            condition=null("other_text"),
        ),
    ]
    if missing_images == "drop_from_training_only":
        rules.append(
            Rule(
                name="evaluation_images_listed",
                severity="error",
                title="Reference and target of every query are known images",
                message="{unlisted_query} not in any image list",
                remedy="Add the image to its list, or correct or remove the record.",
                condition=null("unlisted_query"),
            )
        )
    return rules


def _caption_rules(min_caption_words: int) -> list[Rule]:
    return [
        Rule(
            name="captions_present",
            severity="error",
            title="Every triplet has captions",
            message="the list of captions is empty",
            remedy="Write a caption, or remove the record.",
            condition=at_least("caption_count", 1),
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
            name="captions_name_a_change",
            severity="warning",
            title="Every caption names a change",
            message="“{empty_phrase}” names none, in {text}",
            remedy="Nothing to do where there are few; such captions teach that nothing changes.",
            condition=null("empty_phrase"),
        ),
        Rule(
            name="captions_do_not_tell_the_target",
            severity="warning",
            title="No text contains the title of its target",
            message="{text} contains the target’s title “{revealed}”",
            remedy="The text alone answers such a query. Fashion200K's `replace_and_get` texts are so by "
            "design: say so with the results.",
            condition=null("revealed"),
        ),
        Rule(
            name="triplets_not_repeated",
            severity="warning",
            title="No triplet is repeated word for word",
            message="{reference_id} → {target_id} stands more than once with the captions: {text}",
            remedy="Remove the repetitions: each counts as a query, or weighs in training, of its own.",
            condition=unique_together("category", "split", "drawing", "reference_id", "target_id", "text"),
        ),
    ]


def split_rules() -> list[Rule]:
    """Return what every category and split must satisfy."""
    return [
        Rule(
            name="triplets_left",
            severity="error",
            title="Every category and split keeps triplets",
            message="none of its {triplets:,} triplets is left",
            remedy="Fetch the missing images, or take the category out of data.categories.",
            condition=at_least("triplets_left", 1),
        )
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
