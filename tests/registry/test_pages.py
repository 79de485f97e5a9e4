"""Addresses of MLflow's pages."""

from __future__ import annotations

import pytest

from dwc.registry import tracking
from dwc.registry.pages import run_page, version_page
from tests.conftest import ROOT


def test_a_store_that_nobody_serves_has_no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DWC_MLFLOW_PAGES", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert run_page("0123") is None and version_page("dwc-tiny", "3") is None


def test_people_may_reach_the_server_under_another_name_than_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DWC_MLFLOW_PAGES", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert version_page("dwc-tiny", "3") == "http://mlflow:5000/#/models/dwc-tiny/versions/3"
    monkeypatch.setenv("DWC_MLFLOW_PAGES", "https://mlflow.example/")
    assert version_page("dwc-tiny", "3") == "https://mlflow.example/#/models/dwc-tiny/versions/3"


def test_a_run_and_its_artifact(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("DWC_MLFLOW_PAGES", "http://127.0.0.1:5000")
    tracking.configure(None, ROOT)
    with tracking.stage_run("train", experiment="tiny", params={}, tags={}, upstream={}) as run:
        page = f"http://127.0.0.1:5000/#/experiments/1/runs/{run.id}"
        assert run_page(run.id) == page
        assert run_page(run.id, "evaluation/report.html") == f"{page}/artifacts/evaluation/report.html"
