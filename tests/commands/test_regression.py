"""`dwc regression` in a real repository, with results of forty queries as the evaluate stage writes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from dwc.cli import app
from dwc.evaluation.queries import QueryResults, save_queries

PARAMS = "data: {name: tiny}\nevaluate: {recall_at: [1, 10], bootstrap: {resamples: 200}}\n"


def write(file: Path, ranks: list[int], *, protocol: str = "val/original/reference-masked") -> None:
    ids = [f"dress.val.{number:06d}" for number in range(len(ranks))]
    table = pd.DataFrame({"triplet_id": ids, "category": "dress", "rank": [float(rank) for rank in ranks]})
    save_queries(QueryResults(protocol=protocol, searched="5e", table=table), file)


def commit(root: Path) -> None:
    for command in (["add", "--all"], ["commit", "--quiet", "--allow-empty", "--message", "next"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose first commit finds half of its queries among the first ten."""
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    (root / "params.yaml").write_text(PARAMS)
    write(root / "metrics/queries.csv", [5, 50] * 20)
    commit(root)
    monkeypatch.chdir(root)
    monkeypatch.setenv("COLUMNS", "100")
    return root


def regression(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["regression", *arguments])


def test_the_same_results_are_no_regression(project: Path) -> None:
    result = regression("--against", "HEAD")
    assert result.exit_code == 0, result.output
    assert "R@10 does not differ significantly from HEAD." in result.output


def test_a_significant_loss_ends_with_status_1_and_says_so_in_the_pull_request(project: Path) -> None:
    write(project / "metrics/queries.csv", [500, 50] * 20)
    result = regression("--against", "HEAD", "--markdown", "comment.md")
    assert result.exit_code == 1
    assert "R@10 is significantly worse than HEAD." in result.output
    assert "-50.0 (" in result.output and "WORSE" in result.output
    comment = (project / "comment.md").read_text()
    assert comment.startswith("### ❌ R@10 is significantly worse than HEAD.")
    assert (
        "| R@10 | 50.0 | 0.0 | -50.0 (-65.0 to -35.0)" in comment
        or "| R@10 | 50.0 | 0.0 | -50.0 (" in comment
    )
    assert "| dress.val.000000 | 5 | 500 |" in comment


def test_a_loss_within_chance_passes(project: Path) -> None:
    write(project / "metrics/queries.csv", [500, *([50, 5] * 19), 50])
    result = regression("--against", "HEAD")
    assert result.exit_code == 0, result.output


def test_a_significant_gain_passes(project: Path) -> None:
    write(project / "metrics/queries.csv", [5] * 40)
    result = regression("--against", "HEAD")
    assert result.exit_code == 0 and "significantly better" in result.output


def test_the_primary_metric_decides(project: Path) -> None:
    """At R@1 everything is lost, at R@10 nothing."""
    write(project / "metrics/queries.csv", [1] * 40)
    commit(project)
    write(project / "metrics/queries.csv", [2] * 40)
    assert regression("--against", "HEAD").exit_code == 0
    (project / "params.yaml").write_text(
        PARAMS.replace("recall_at:", "primary_metric: recall_at_1, recall_at:")
    )
    assert regression("--against", "HEAD").exit_code == 1


def test_any_revision_or_file(project: Path) -> None:
    write(project / "metrics/queries.csv", [500, 50] * 20)
    commit(project)
    assert regression("--against", "HEAD").exit_code == 0
    assert regression("--against", "HEAD~1").exit_code == 1
    write(project / "kept.csv", [5, 50] * 20)
    assert regression("--against", "kept.csv").exit_code == 1


@pytest.mark.parametrize(
    ("against", "problem"),
    [("nowhere", "no results of single queries there"), ("HEAD~1", "no results of single queries there")],
)
def test_revisions_without_results_say_what_to_do(project: Path, against: str, problem: str) -> None:
    result = regression("--against", against)
    assert result.exit_code == 2
    assert problem in result.stderr and "--against champion" in result.stderr
    assert "Traceback" not in result.stderr


def test_other_protocols_and_other_queries_are_refused(project: Path) -> None:
    write(project / "metrics/queries.csv", [5, 50] * 20, protocol="val/original/reference-kept")
    result = regression("--against", "HEAD")
    assert result.exit_code == 2 and "cannot be compared with results under" in result.stderr
    write(project / "metrics/queries.csv", [5] * 41)
    result = regression("--against", "HEAD")
    assert result.exit_code == 2 and "1 are new, 0 are gone" in result.stderr


def test_without_an_evaluation_it_says_so(project: Path) -> None:
    (project / "metrics/queries.csv").unlink()
    result = regression("--against", "HEAD")
    assert result.exit_code == 2 and "Run the evaluate stage first" in result.stderr
