"""The retriever answers as evaluation would, and says what is wrong with a question."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dwc.evaluation.encode import encode_gallery, encode_queries
from dwc.model.combiner import unit
from dwc.model.inputs import normalise
from dwc.serving.questions import Answer, Question
from dwc.serving.ranking import best_positions
from dwc.serving.retriever import Retriever
from tests.serving.tiny import CAPTIONS, Tiny


def test_answers_are_those_of_evaluation(tiny: Tiny, retriever: Retriever) -> None:
    """Same picture file, same captions: same scores, order and image weights as the stages compute."""
    gallery = encode_gallery(tiny.model, tiny.store, np.arange(12), batch_size=12)
    queries = encode_queries(tiny.model, tiny.store, tiny.store.triplets, batch_size=2)
    scores = queries.cnn @ gallery.cnn.T + queries.clip @ gallery.clip.T
    for row, captions in enumerate(CAPTIONS):
        answer = retriever.search(tiny.images[row].read_bytes(), captions, k=12)
        order = scores[row].argsort(descending=True, stable=True).tolist()
        assert answer.ids == [tiny.store.image_ids[position] for position in order]
        assert answer.scores == pytest.approx(scores[row, order].tolist(), abs=1e-5)
        assert answer.image_weight_cnn == pytest.approx(queries.cnn_image_weight[row].item(), abs=1e-5)
        assert answer.image_weight_clip == pytest.approx(queries.clip_image_weight[row].item(), abs=1e-5)


def test_many_questions_at_once_are_answered_as_one_by_one(tiny: Tiny, retriever: Retriever) -> None:
    """Across batches, with texts of different lengths, k and categories."""
    questions = [
        Question(
            image=tiny.images[row % 12].read_bytes(),
            text=CAPTIONS[row % 3],
            k=1 + row % 5,
            image_weight=None if row % 2 else 0.25,
            category=None if row % 4 else "shirt",
        )
        for row in range(40)
    ]
    for question, answer in zip(questions, retriever.search_many(questions), strict=True):
        alone = retriever.search(
            question.image, question.text, question.k, question.image_weight, question.category
        )
        assert answer.ids == alone.ids
        assert answer.scores == pytest.approx(alone.scores, abs=1e-5)
        assert len(answer.ids) == question.k


def test_no_questions_no_answers(retriever: Retriever) -> None:
    assert retriever.search_many([]) == []


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_an_image_weight_can_be_asked_for(tiny: Tiny, retriever: Retriever, weight: float) -> None:
    """Query = L2(w·i' + (1 − w)·t') of the edited image and text, in both streams."""
    store, row = tiny.store, store_row(tiny, 1)
    words, mask = store.words(row["texts"])
    pixels = store.images(np.array([row["reference"]]))
    with torch.no_grad():
        cnn = tiny.model.cnn.compose(tiny.model.cnn.feature_map(normalise(pixels)), words, mask)
        clip = tiny.model.clip.compose(
            torch.from_numpy(store.clip_images[[row["reference"]]]),
            torch.from_numpy(store.clip_texts[row["texts"]]),
        )
        queries = [unit(weight * part.image + (1 - weight) * part.text) for part in (cnn, clip)]
    gallery = encode_gallery(tiny.model, store, np.arange(12), batch_size=12)
    scores = (queries[0] @ gallery.cnn.T + queries[1] @ gallery.clip.T)[0]
    answer = retriever.search(tiny.images[1].read_bytes(), CAPTIONS[1], k=12, image_weight=weight)
    assert answer.image_weight == pytest.approx(weight)
    assert answer.scores == pytest.approx(scores.sort(descending=True).values.tolist(), abs=1e-5)


def store_row(tiny: Tiny, number: int) -> dict[str, Any]:
    row: dict[str, Any] = tiny.store.triplets.iloc[number].to_dict()
    return row | {"texts": np.array(row["texts"][:1])}


def test_a_category_is_kept_to(tiny: Tiny, retriever: Retriever) -> None:
    answer = retriever.search(tiny.images[0].read_bytes(), "is red", k=100, category="shirt")
    shirts = {name for name, own in zip(tiny.store.image_ids, tiny.categories, strict=True) if "shirt" in own}
    assert set(answer.ids) == shirts
    assert len(answer.ids) == 7  # six shirts, and the dress that is in both
    assert retriever.categories == ["dress", "shirt"]


def test_k_beyond_the_gallery_is_cut(tiny: Tiny, retriever: Retriever) -> None:
    answer = retriever.search(tiny.images[0].read_bytes(), "is red", k=500)
    assert sorted(answer.ids) == sorted(tiny.store.image_ids)
    assert answer.scores == sorted(answer.scores, reverse=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, r"k = 0: ask for at least one image"),
        ({"text": " \t"}, r"text is empty"),
        ({"text": []}, r"text is empty"),
        ({"image_weight": 1.5}, r"image_weight = 1.5: give a number from 0 to 1"),
        ({"image_weight": float("nan")}, r"image_weight = nan"),
        ({"category": "hats"}, r"category = hats: not in this gallery. Known: dress, shirt"),
        ({"image": b"no picture"}, r"uploaded image: cannot be decoded"),
    ],
)
def test_what_is_wrong_is_said(
    tiny: Tiny, retriever: Retriever, change: dict[str, object], message: str
) -> None:
    good: dict[str, object] = {"image": tiny.images[0].read_bytes(), "text": "is red"}
    with pytest.raises(ValueError, match=f"^{message}"):
        retriever.search(**(good | change))  # type: ignore[arg-type]
    questions = [Question(**good), Question(**(good | change))]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^row 1: {message}"):
        retriever.search_many(questions)


def test_a_turned_photograph_is_read_upright(tiny: Tiny, retriever: Retriever) -> None:
    picture = Image.open(tiny.images[11]).convert("RGB")
    upright, turned = io.BytesIO(), io.BytesIO()
    picture.save(upright, "PNG")
    orientation = Image.Exif()
    orientation[0x0112] = 6  # "turn by 90 degrees clockwise to see it upright"
    picture.transpose(Image.Transpose.ROTATE_90).save(turned, "PNG", exif=orientation)
    answers = [retriever.search(file.getvalue(), "is red", k=12) for file in (upright, turned)]
    assert answers[0].scores == pytest.approx(answers[1].scores, abs=1e-5)


def test_image_weight_is_the_mean_of_both_streams() -> None:
    answer = Answer(ids=[], scores=[], image_weight_cnn=0.2, image_weight_clip=0.6, learned_image_weight=0.5)
    assert answer.image_weight == pytest.approx(0.4)


def test_equal_scores_keep_the_gallerys_order() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.9, 0.5, 0.5], dtype=np.float32)
    assert best_positions(scores, 4).tolist() == [1, 3, 2, 4]
    assert best_positions(scores, 6).tolist() == [1, 3, 2, 4, 5, 0]
    assert best_positions(scores, 60).tolist() == [1, 3, 2, 4, 5, 0]


def test_searching_leaves_no_gradient_and_the_model_as_it_was(tiny: Tiny, retriever: Retriever) -> None:
    before = {name: value.clone() for name, value in retriever.encoder.model.state_dict().items()}
    retriever.search(tiny.images[0].read_bytes(), "is red")
    after = retriever.encoder.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
