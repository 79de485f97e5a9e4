"""Results of single queries: what follows from a rank, and the file that keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dwc.evaluation.protocols import Protocol, search_tasks
from dwc.evaluation.queries import QueryResults, load_queries, parse_queries, save_queries, searched_digest
from tests.evaluation.catalogue import IMAGE_IDS, images_table, triplets_table


def results(**columns: list[object]) -> QueryResults:
    table = {"triplet_id": ["a.0", "a.1", "NA"], "category": ["a", "a", "b"], "rank": [1.0, 4.0, np.inf]}
    return QueryResults(
        protocol="val/original/reference-masked", searched="5e", table=pd.DataFrame(table | columns)
    )


def test_recall_and_mrr_follow_from_the_rank() -> None:
    assert {name: part.tolist() for name, part in results().values("recall_at_3").items()} == {
        "a": [1.0, 0.0],
        "b": [0.0],
    }
    assert {name: part.tolist() for name, part in results().values("mrr").items()} == {
        "a": [1.0, 0.25],
        "b": [0.0],
    }


def test_other_measures_are_kept_as_they_are() -> None:
    kept = results(relevant_recall_at_5=[0.2, np.nan, 1.0])
    assert kept.values("relevant_recall_at_5")["b"].tolist() == [1.0]
    for metric in ("relevant_recall_at_5", "median_rank", "rank"):
        with pytest.raises(ValueError, match=f"`{metric}` is no measure of ranks"):
            results().values(metric)


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    written = results(relevant_recall_at_5=[1 / 3, np.nan, 1.0])
    save_queries(written, tmp_path / "queries.csv")
    read = load_queries(tmp_path / "queries.csv")
    assert (read.protocol, read.searched) == (written.protocol, written.searched)
    pd.testing.assert_frame_equal(read.table, written.table, check_dtype=False, rtol=1e-5)
    save_queries(read, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "queries.csv").read_bytes()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a file of query results"),
        ("# protocol: val\ntriplet_id,category,rank\na,b,1\n", "not a file of query results"),
        ("# protocol: val\n# searched: 5e\ntriplet_id,rank\na,1\n", "column `category` is missing"),
        ("# protocol: val\n# searched: 5e\ntriplet_id,category,rank\na,b,first\n", "could not convert"),
    ],
)
def test_other_files_are_named(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"HEAD:x.csv: .*{problem}"):
        parse_queries(text, "HEAD:x.csv")


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Run the evaluate stage first"):
        load_queries(tmp_path / "queries.csv")


def digest(images: pd.DataFrame, triplets: pd.DataFrame, ids: list[str] = IMAGE_IDS) -> str:
    return searched_digest(search_tasks(images, triplets, ids, Protocol(split="val")), ids)


def test_the_digest_is_of_what_is_searched() -> None:
    images, triplets = images_table(), triplets_table()
    same = digest(images, triplets)
    fewer = images.assign(galleries=[*images["galleries"][:3], ["a.train"], *images["galleries"][4:]])
    other_label = images.assign(label=["a0", "a1", "a2", "a2", "b0", "b1", "b2", "x"])
    other_target = triplets.assign(target=[1, 2, 5, 4])
    only_trained_on = images.assign(galleries=[*images["galleries"][:7], ["a.train"]])
    assert digest(only_trained_on, triplets) == same
    assert (
        len({same, digest(fewer, triplets), digest(other_label, triplets), digest(images, other_target)}) == 4
    )


def test_the_digest_does_not_depend_on_the_order_of_the_store() -> None:
    images, triplets = images_table(), triplets_table()
    turned = IMAGE_IDS[::-1]
    rows = {name: row for row, name in enumerate(turned)}
    renumbered = triplets.assign(
        reference=[rows[IMAGE_IDS[row]] for row in triplets["reference"]],
        target=[rows[IMAGE_IDS[row]] for row in triplets["target"]],
    )
    assert digest(images, renumbered, turned) == digest(images, triplets)
