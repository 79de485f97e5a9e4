"""Explanations of a real, tiny model agree with what it answers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch

from dwc.evaluation.bootstrap import Resampling
from dwc.evaluation.encode import encode_gallery, encode_queries
from dwc.evaluation.encoded import Streams
from dwc.evaluation.evaluate import evaluate
from dwc.evaluation.explainer import Explainer, explain_triplets
from dwc.evaluation.explanation import Explanation, distinct_words, without
from dwc.evaluation.protocols import Protocol, all_gallery_rows, all_triplets, search_tasks
from dwc.model.cnn_stream import CnnStream, EditedQuery
from dwc.serving.retriever import Retriever
from dwc.store.texts import clean
from dwc.store.vocabulary import AND, BEGIN, END
from tests.serving.tiny import CAPTIONS, Tiny, build_tiny

TEXT = ("is red instead", "has a mauve stripe – really")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return build_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def explainer(tiny: Tiny) -> Explainer:
    return Explainer.load(tiny.package / "model", tiny.package / "clip")


@pytest.fixture(scope="module")
def gallery(tiny: Tiny) -> Streams:
    return encode_gallery(tiny.model, tiny.store, np.arange(12), batch_size=12)


@pytest.fixture(scope="module")
def explained(tiny: Tiny, explainer: Explainer, gallery: Streams) -> Explanation:
    return explainer.explain(tiny.store.pixels[0], TEXT, gallery)


@pytest.mark.parametrize("weight", [None, 0.0, 0.7])
def test_a_words_effect_is_the_score_lost_when_searching_without_it(
    tiny: Tiny, explainer: Explainer, gallery: Streams, weight: float | None
) -> None:
    explained = explainer.explain(tiny.store.pixels[0], TEXT, gallery, image_weight=weight)
    retriever = Retriever.load(tiny.package)
    image = tiny.images[0].read_bytes()
    whole = retriever.search(image, TEXT, k=12, image_weight=weight)
    first = whole.ids[0]
    assert tiny.store.image_ids[explained.judged] == first and explained.rank == 1
    assert explained.score == pytest.approx(whole.scores[0], abs=1e-5)
    assert explained.image_weight_cnn == pytest.approx(whole.image_weight_cnn, abs=1e-5)
    assert explained.image_weight_clip == pytest.approx(whole.image_weight_clip, abs=1e-5)
    for word, occurrences in zip(explained.words, distinct_words(TEXT), strict=True):
        answer = retriever.search(image, without(TEXT, occurrences), k=12, image_weight=weight)
        place = answer.ids.index(first)
        assert word.effect.score == pytest.approx(whole.scores[0] - answer.scores[place], abs=1e-5)
        assert word.effect.rank == place + 1


def test_attention_sums_to_one_over_the_right_axis(
    tiny: Tiny, explainer: Explainer, explained: Explanation
) -> None:
    """Each word looks at all regions with 1 in all; a region gives the words what the marks leave."""
    words = [word for word in explained.words if word.looked_at is not None]
    assert [word.text for word in explained.words if word.looked_at is None] == ["–"]
    assert [float(word.looked_at.sum()) for word in words] == pytest.approx([1.0] * len(words), abs=1e-5)  # type: ignore[union-attr]
    assert {word.attended.shape for word in words} == {(1, 1)}  # type: ignore[union-attr]  # 32 pixels: one region
    attended = sum(float(word.attended.sum()) for word in words)  # type: ignore[union-attr]
    assert attended == pytest.approx(1.0 - marks_share(tiny, explainer), abs=1e-5)
    assert explained.marks_share == pytest.approx(1.0 - attended)


def marks_share(tiny: Tiny, explainer: Explainer) -> float:
    """Word attention of <BOS>, <AND> and <EOS>, as the network gives it."""
    stream, ids = explainer.model.cnn, explainer.vocabulary.encode(TEXT)
    words = torch.tensor([ids])
    with torch.no_grad():
        features = explainer._see(tiny.store.pixels[0]).feature_map
        attention = stream.compose(features, words, torch.ones_like(words, dtype=torch.bool)).attention
    marks = [explainer.vocabulary.words.index(mark) for mark in (BEGIN, AND, END)]
    return sum(float(attention.word_attention[0, n, 0]) for n, word in enumerate(ids) if word in marks)


def test_regions_lie_as_in_the_picture(tiny: Tiny, explainer: Explainer, gallery: Streams) -> None:
    """At 64 pixels there are two rows of two regions; each region's word attention is the network's own."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = explainer.explain(pixels, ("red",), gallery)
    stream = explainer.model.cnn
    with torch.no_grad():
        features = explainer._see(pixels).feature_map
        words = torch.tensor([explainer.vocabulary.encode(("red",))])
        attention = stream.compose(features, words, torch.ones_like(words, dtype=torch.bool)).attention
    assert found.words[0].attended is not None and found.words[0].attended.shape == (2, 2)
    assert found.words[0].attended.ravel() == pytest.approx(attention.word_attention[0, 1].numpy(), abs=1e-6)
    assert found.rewritten is not None and found.rewritten.shape == (2, 2)
    assert (found.rewritten >= 0).all() and (found.rewritten <= 1).all()


def test_unknown_words_are_marked(explained: Explanation) -> None:
    assert [word.text for word in explained.words if not word.known] == ["mauve", "really"]


def largest(explanation: Explanation, effect: str) -> float:
    return max(abs(getattr(word.effect, effect)) for word in explanation.words)


@pytest.mark.parametrize(("deaf", "hearing"), [("cnn", "clip"), ("clip", "cnn")])
def test_a_word_that_a_stream_ignores_has_no_effect(
    tiny: Tiny, explainer: Explainer, gallery: Streams, explained: Explanation, deaf: str, hearing: str
) -> None:
    """A stream whose text encoder gives zero for every text; rounding moves scores by some 1e-5."""
    model = copy.deepcopy(explainer.model)
    encoder = model.cnn.word_states if deaf == "cnn" else model.clip.text_projection
    for parameter in encoder.parameters():
        parameter.data.zero_()
    explainer = Explainer(model=model, clip=explainer.clip, vocabulary=explainer.vocabulary)
    found = explainer.explain(tiny.store.pixels[0], TEXT, gallery)
    for word in found.words:
        assert getattr(word.effect, f"change_{deaf}") == pytest.approx(0.0, abs=1e-6)
        assert getattr(word.effect, f"score_{deaf}") == pytest.approx(0.0, abs=3e-5)
    assert largest(found, f"change_{hearing}") > 1e-5
    assert largest(explained, f"score_{deaf}") > 3e-4  # what it was before


def test_a_long_text_is_explained_in_parts(tiny: Tiny, explainer: Explainer, gallery: Streams) -> None:
    """More words than are composed at a time; those beyond the CLIP's context change nothing in it."""
    text = " ".join(f"word{number}" for number in range(70))
    found = explainer.explain(tiny.store.pixels[0], (text,), gallery)
    assert len(found.words) == 70
    assert found.words[0].effect.change_clip > 1e-6
    assert found.words[-1].effect.change_clip == pytest.approx(0.0, abs=1e-6)


def test_a_single_word_can_be_left_out(tiny: Tiny, explainer: Explainer, gallery: Streams) -> None:
    (word,) = explainer.explain(tiny.store.pixels[0], ("red",), gallery).words
    assert word.effect.change > 0


def test_without_attention_the_words_are_explained_all_the_same(
    tiny: Tiny,
    explainer: Explainer,
    gallery: Streams,
    explained: Explanation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compose: Callable[..., EditedQuery] = CnnStream.compose
    monkeypatch.setattr(CnnStream, "compose", lambda *given: compose(*given)._replace(attention=None))
    found = explainer.explain(tiny.store.pixels[0], TEXT, gallery)
    assert found.rewritten is None and found.marks_share == 0.0
    assert all(word.attended is None and word.looked_at is None for word in found.words)
    assert [word.effect for word in found.words] == [word.effect for word in explained.words]


def test_queries_of_an_evaluation_are_judged_by_their_target(
    tiny: Tiny, explainer: Explainer, gallery: Streams
) -> None:
    """Same ranks as the evaluation; a target that is not searched is replaced by the best image."""
    store, ids = tiny.store, tiny.store.image_ids
    images = pd.DataFrame({"image_id": ids, "galleries": [["dress.train"]] * 12, "label": ids})
    protocol = Protocol(split="train")
    store.triplets.loc[2, "target"] = store.triplets.loc[2, "reference"]
    tasks = search_tasks(images, store.triplets, ids, protocol)
    streams = encode_gallery(tiny.model, store, all_gallery_rows(tasks), batch_size=12)
    evaluation = evaluate(
        tasks,
        store,
        streams,
        encode_queries(tiny.model, store, all_triplets(tasks), batch_size=3),
        protocol=protocol,
        relevant={},
        recall_at=[1, 10],
        resampling=Resampling(resamples=10),
    )
    fused = evaluation.rankings[evaluation.rankings["system"] == "fused"].set_index("triplet_id")
    names = [f"dress.train.{number:06d}" for number in (2, 0)]
    captions = {name: clean(CAPTIONS[int(name[-6:])]) for name in names}
    found = explain_triplets(explainer, store, tasks, streams, captions, names)
    assert list(found) == names
    assert found[names[1]].judged == "the target"
    assert found[names[1]].explanation.rank == fused.loc[names[1], "rank"]
    assert found[names[0]].judged == "the first result" and found[names[0]].explanation.rank == 1
    assert ids[found[names[0]].explanation.judged] == fused.loc[names[0], "image_ids"][0]
