import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dwc.evaluation.evaluate import evaluate
from dwc.evaluation.examples import best_queries, worst_queries
from dwc.evaluation.explanation import ExplainedQuery
from dwc.evaluation.figures import curve_figures, kinds_figure
from dwc.evaluation.protocols import Protocol, all_gallery_rows, search_tasks
from dwc.evaluation.published import comparison
from dwc.evaluation.report import write_report
from dwc.evaluation.table import result_table
from tests.evaluation.catalogue import (
    images_table,
    one_hot_streams,
    queries_scoring,
    triplets_table,
    write_store,
)
from tests.evaluation.explanations import explanation

ORIGINAL = Protocol(split="val")
SCORES = [[0.9, 0.5, 0.1, 0.0, 0.9, 0.5, 0.4, 0.0]] * 4
TRAIN_CURVE = pd.DataFrame(
    {
        "epoch": [1, 2],
        "cnn_contrastive": [3.0, 2.0],
        "clip_contrastive": [2.5, 1.5],
        "heldout_recall_at_10": [0.2, 0.3],
        "heldout_cnn_recall_at_10": [0.1, None],
        "seconds": [9.0, 9.0],
    }
)


def run(tmp_path, relevant=None, triplets=None, protocol=ORIGINAL):
    triplets = triplets_table() if triplets is None else triplets
    store = write_store(tmp_path, triplets)
    tasks = search_tasks(images_table(), store.triplets, store.image_ids, protocol)
    evaluation = evaluate(
        tasks,
        store,
        one_hot_streams(all_gallery_rows(tasks)),
        queries_scoring(SCORES, SCORES),
        protocol=protocol,
        relevant=relevant or {},
        recall_at=[1, 10],
    )
    return evaluation, store


def page_of(tmp_path, **options) -> str:
    dataset = options.pop("dataset", "wardrobe")
    relevant = options.pop("relevant", {})
    evaluation, store = run(tmp_path, relevant, options.pop("triplets", None))
    file = tmp_path / "report.html"
    facts = {"Date": "2026-01-01", "Code": "abc123 <dirty>"}
    write_report(file, evaluation, store, images_table(), relevant, dataset=dataset, facts=facts, **options)
    return file.read_text(encoding="utf-8")


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_all_sections_stand_in_the_report(tmp_path):
    page = page_of(tmp_path, train_curve=TRAIN_CURVE, relevant={"a.0": ["a1", "a2"]})
    assert headings(page) == [
        "Results",
        "By category",
        "Training",
        "Image weights",
        "Queries that went well",
        "Queries that went worst",
    ]
    for text in ("val/original/reference-masked", "2026-01-01", "✓ target", "also right", "Held-out R@10"):
        assert text in page


def test_what_is_unknown_is_left_out(tmp_path):
    page = page_of(tmp_path)
    assert "Training" not in headings(page)
    assert "also right" not in page and "Relevant R@" not in page


def test_the_report_needs_nothing_from_elsewhere(tmp_path):
    page = page_of(tmp_path, train_curve=TRAIN_CURVE)
    assert not re.search(r"https?://|//[a-z]+\.|@import|<script|<link", page)
    assert set(re.findall(r'(?:src|href)="([a-z]+:|#)', page)) <= {"data:", "#"}


def test_the_report_is_well_formed_and_escapes_texts(tmp_path):
    class Balance(HTMLParser):
        void = frozenset({"meta", "img", "br"})

        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag, attrs):
            if tag not in self.void:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    page = page_of(tmp_path, train_curve=TRAIN_CURVE)
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert "abc123 &lt;dirty&gt;" in page
    assert "is red &amp; &lt;b&gt;red&lt;/b&gt;" in page


def test_the_same_results_give_the_same_bytes(tmp_path):
    assert page_of(tmp_path / "a", train_curve=TRAIN_CURVE) == page_of(
        tmp_path / "b", train_curve=TRAIN_CURVE
    )


def test_queries_without_a_hit_are_shown_and_said(tmp_path):
    triplets = triplets_table()
    triplets.loc[0, "target"] = 7
    page = page_of(tmp_path, triplets=triplets)
    assert "1 query has no hit in its gallery" in page
    assert "not in gallery" in page


def test_explained_queries_stand_in_the_report(tmp_path):
    explanations = {"b.0": ExplainedQuery(explanation=explanation(), judged="the target")}
    page = page_of(tmp_path, explanations=explanations)
    assert headings(page)[-1] == "Queries explained"
    for text in ("Score of the target", "&lt;mauve&gt;", "Most attended word of each region", "picture 80 %"):
        assert text in page
    assert "<mauve>" not in page
    section = page[page.index("Queries explained") :]
    assert "b.0" in section and "a.0" not in section


def test_image_weights_are_shown_by_kind_of_change(tmp_path, monkeypatch):
    title = "By what the text asks to change"
    assert title not in page_of(tmp_path / "few")
    monkeypatch.setattr("dwc.evaluation.kinds.FEWEST", 4)
    page = page_of(tmp_path / "enough")
    assert title in page
    for stream in ("CNN", "CLIP"):
        assert f"Histograms of the image weight by kind of change, {stream} stream" in page
    assert page.count("colour (4)") == 2


def test_a_histogram_of_each_kind_is_as_high_as_its_row():
    weights = {"colour": np.array([0.1, 0.11, 0.9]), "fit": np.array([0.5])}
    axes = kinds_figure(weights, "cnn").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fit (1)", "colour (3)"]
    fit, colour = (patch.get_data() for patch in axes.patches)
    assert fit.values.max() == pytest.approx(0.82) and colour.values.max() == pytest.approx(1.82)
    assert colour.values[4] == pytest.approx(1.82) and colour.values[36] == pytest.approx(1.41)
    medians = [line.get_xdata()[0] for line in axes.get_lines()[:2]]
    assert medians == pytest.approx([0.5, 0.11])


def test_noise_of_the_captions_is_named(tmp_path):
    page = page_of(tmp_path, noise={"a.0": ["clean", "wrong_neighbour"]})
    assert "caption 2 is noisy (wrong neighbour)" in page
    assert "caption 1" not in page


def ranked(*rows: tuple[str, str, int | None, float]) -> pd.DataFrame:
    columns = ["triplet_id", "category", "rank", "image_weight_cnn"]
    return pd.DataFrame(rows, columns=columns).astype({"rank": "Int64"})


def test_the_best_take_turns_by_category_and_differ_in_image_weight():
    rows = [(f"a.{n}", "a", 1, n / 10) for n in range(9)] + [("b.0", "b", 3, 0.5), ("b.1", "b", 2, 0.5)]
    assert best_queries(ranked(*rows), 4) == ["a.0", "b.1", "a.8", "b.0"]
    assert best_queries(ranked(("a.0", "a", None, 0.5)), 4) == ["a.0"]


def test_the_worst_are_the_largest_ranks():
    rows = ranked(("q", "a", 5, 0.1), ("r", "a", None, 0.1), ("s", "b", 90, 0.1), ("t", "b", 90, 0.1))
    assert worst_queries(rows, 3) == ["r", "s", "t"]


def test_curves_are_grouped_by_quantity():
    figures = curve_figures(TRAIN_CURVE)
    assert {caption: len(figure.axes[0].get_lines()) for caption, figure in figures.items()} == {
        "Contrastive loss": 2,
        "Held-out R@10, %": 3,  # both streams, the mark at the best, and the CNN stream
    }


@pytest.mark.parametrize("gallery", ["original", "references_and_targets"])
def test_published_results_stand_only_beside_their_own_protocol(tmp_path, gallery):
    metrics = run(tmp_path, protocol=Protocol(split="val", gallery=gallery))[0].metrics
    found = comparison("fashioniq", metrics)
    assert {row.gallery for row in found.rows} == {gallery}
    assert found.cutoffs == (10,)  # recall at 50 was not measured
    assert "the mean here is over a, b alone" in found.deviations
    masking = "the reference is masked here, other than in CLIP4Cir, SPRC"
    assert (masking in found.deviations) == (gallery == "original")
    assert comparison("wardrobe", metrics) is None


def test_published_results_stand_in_the_report(tmp_path):
    page = page_of(tmp_path, dataset="fashioniq")
    assert "Beside published results" in headings(page)
    assert "DQU-CIR" in page and "54.65" in page and "61.97" not in page


def test_the_terminal_table_fits_eighty_columns(tmp_path, capsys):
    metrics = run(tmp_path, {"a.0": ["a1"], "b.0": ["b1"]})[0].metrics
    Console(width=80).print(result_table(metrics))
    text = capsys.readouterr().out
    assert "Rel. R@10" in text and "CLIP sum" in text and "…" not in text
