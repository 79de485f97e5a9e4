import pytest

from dwc.evaluation.protocols import (
    Protocol,
    all_gallery_rows,
    all_triplets,
    require_same_protocol,
    search_tasks,
)
from tests.evaluation.catalogue import IMAGE_IDS, images_table, triplets_table

ORIGINAL = Protocol(split="val")


def tasks_of(protocol=ORIGINAL, images=None, triplets=None, image_ids=IMAGE_IDS):
    images = images_table() if images is None else images
    triplets = triplets_table() if triplets is None else triplets
    return search_tasks(images, triplets, image_ids, protocol)


def test_the_original_gallery_is_the_published_list():
    a, b = tasks_of()
    assert (a.category, a.gallery.tolist(), a.masked.tolist()) == ("a", [0, 1, 2, 3], [0, 1])
    assert (b.category, b.gallery.tolist(), b.masked.tolist()) == ("b", [4, 5, 6], [0, 1])
    assert all_gallery_rows([b, a]).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert all_triplets([a, b])["triplet_id"].tolist() == ["a.0", "a.1", "b.0", "b.1"]


def test_the_val_gallery_is_the_union_of_references_and_targets():
    a, b = tasks_of(Protocol(split="val", gallery="references_and_targets"))
    assert (a.gallery.tolist(), b.gallery.tolist()) == ([0, 1, 2], [4, 5, 6])


def test_a_kept_reference_is_not_masked():
    assert tasks_of(Protocol(split="val", mask_reference=False))[0].masked.tolist() == [-1, -1]


def test_a_hit_is_any_image_with_the_targets_label():
    images = images_table()
    images.loc[3, "label"] = "a1"
    task = tasks_of(images=images)[0]
    assert (task.labels == task.target_labels[0]).tolist() == [False, True, False, True]


def test_images_that_the_store_does_not_hold_are_left_out_and_counted():
    triplets = triplets_table().query("category == 'b'").assign(reference=[3, 4], target=[4, 5])
    task = tasks_of(triplets=triplets, image_ids=[name for name in IMAGE_IDS if name != "a0"])[0]
    assert (task.gallery.tolist(), task.missing) == ([3, 4, 5], 0)
    triplets = triplets_table().query("category == 'a'").assign(reference=[0, 0], target=[1, 1])
    task = tasks_of(triplets=triplets, image_ids=[name for name in IMAGE_IDS if name != "a0"])[0]
    assert (task.gallery.tolist(), task.missing) == ([0, 1, 2], 1)


def test_withheld_targets_are_no_queries():
    triplets = triplets_table()
    triplets.loc[0, "target"] = -1
    assert tasks_of(triplets=triplets)[0].triplets["triplet_id"].tolist() == ["a.1"]
    with pytest.raises(ValueError, match="no triplet of split `test` with a known target"):
        tasks_of(Protocol(split="test"))


def test_an_empty_gallery_names_its_list():
    images = images_table()
    images["galleries"] = [[]] * len(images)
    with pytest.raises(ValueError, match=r"`a\.val` holds no readable image \(0 are listed\)"):
        tasks_of(images=images)


def test_results_of_two_protocols_are_not_compared():
    original, val = ORIGINAL.key(), Protocol(split="val", gallery="references_and_targets").key()
    assert original == "val/original/reference-masked/per-category/captions-and-token/selected-blind"
    require_same_protocol(original, original)
    with pytest.raises(ValueError, match=r"original/reference-masked.*references_and_targets"):
        require_same_protocol(original, val)


def test_the_sentence_says_what_differs():
    keys = [("original", True), ("original", False), ("references_and_targets", True)]
    sentences = {Protocol(split="val", gallery=g, mask_reference=m).describe() for g, m in keys}
    assert len(sentences) == 3 and all(text.startswith("The val queries") for text in sentences)


def test_a_joint_gallery_is_that_of_all_categories() -> None:
    a, b = tasks_of(Protocol(split="val", joint_gallery=True))
    assert a.gallery.tolist() == b.gallery.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert (a.masked.tolist(), b.masked.tolist()) == ([0, 1], [4, 5])
    assert (a.labels[b.gallery.tolist().index(5)] == b.target_labels[0]) and len(a.triplets) == 2
    val = tasks_of(Protocol(split="val", gallery="references_and_targets", joint_gallery=True))
    assert [task.gallery.tolist() for task in val] == [[0, 1, 2, 4, 5, 6]] * 2


DIFFERENT = {
    "split": "test",
    "gallery": "references_and_targets",
    "mask_reference": False,
    "joint_gallery": True,
    "text": "replace_and_get",
    "caption_joining": "and_word",
    "selection": "evaluation",
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_every_part_of_the_protocol_is_in_its_key_and_its_sentence(name):
    other = Protocol(**{"split": "val", name: DIFFERENT[name]})
    assert other.describe() != ORIGINAL.describe()
    with pytest.raises(ValueError, match="cannot be compared"):
        require_same_protocol(ORIGINAL.key(), other.key())


def test_what_only_training_did_does_not_keep_results_apart():
    """The questions and answers are the same, and neither looked at them."""
    other = Protocol(split="val", training_captions="orders_and_singles", selection="last")
    require_same_protocol(ORIGINAL.key(), other.key())
