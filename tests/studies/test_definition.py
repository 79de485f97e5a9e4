"""studies.yaml: valid parameters, one reference each, and which runs are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dwc.studies.definition import (
    Case,
    Setting,
    Studies,
    Study,
    cases,
    effective,
    load_studies,
    parameters_digest,
    references,
    run_of,
)
from tests.conftest import ROOT

BASE: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STUDIES: Studies = load_studies(ROOT / "studies.yaml")
WANTED = {
    "editors", "image_weight", "ssg", "similarities", "alpha", "temperature", "mutual", "streams",
    "teacher_image", "caption_noise",
}  # fmt: skip


def test_all_studies_are_there() -> None:
    assert set(STUDIES.studies) == WANTED
    assert len(STUDIES.seeds) == 3


@pytest.mark.parametrize("name", sorted(WANTED))
def test_every_case_is_valid_and_changes_only_the_training(name: str) -> None:
    study, setting = STUDIES.studies[name], STUDIES.setting
    plain = effective(BASE, setting.parameters)
    assert not plain.train.challenger
    for case in cases(study, setting):
        params = effective(BASE, case.changes)
        assert params.model_dump(exclude={"train"}) == plain.model_dump(exclude={"train"})
    assert len({parameters_digest(BASE, case.changes) for case in cases(study, setting)}) == len(
        cases(study, setting)
    )


@pytest.mark.parametrize("name", sorted(WANTED))
def test_every_case_has_a_reference(name: str) -> None:
    study, setting = STUDIES.studies[name], STUDIES.setting
    every = cases(study, setting)
    chosen = [every[place] for place in references(study, setting, BASE)]
    for case, reference in zip(every, chosen, strict=True):
        if name == "caption_noise":
            assert (reference.variant, reference.level) == ("full", case.level)
        else:
            assert effective(BASE, reference.changes) == effective(BASE, setting.parameters)


def test_caption_noise_reaches_the_levels_beside_the_data_sets_own_noise() -> None:
    own = 0.15
    for level, changes in STUDIES.studies["caption_noise"].levels.items():
        replaced = changes.get("train.captions.replaced", 0.0)
        kept = 0.0 if changes.get("train.captions.leave_out_known_noise") else own
        assert replaced + (1 - replaced) * kept == pytest.approx(level / 100, abs=0.005)


def digest(**changes: object) -> str:
    return parameters_digest(BASE, {key.replace("__", "."): value for key, value in changes.items()})


def test_runs_are_the_same_where_their_effective_parameters_are() -> None:
    assert digest(train__loss__alpha=0.2) == digest() == digest(train__seed=7)
    assert digest(train__resume=False, train__challenger=False, evaluate__top=10) == digest()
    assert digest(train__editors=True) == digest(), "a default that params.yaml does not name"
    others = [
        digest(train__loss__alpha=0.3),
        digest(preprocess__resolution=64),
        digest(train__editors=False),
        digest(evaluate__split="test"),
    ]
    assert len({digest(), *others}) == 5


def test_a_run_has_all_changes_and_is_named_by_its_own() -> None:
    setting = Setting(description="", parameters={"train.epochs": 6, "train.dim": 64})
    case = Case(variant="a", level=None, changes={**setting.parameters, "train.dim": 32})
    run = run_of(case, setting, BASE, seed=3)
    assert run.changes == {"train.epochs": 6, "train.dim": 32, "train.seed": 3}
    assert run.own == {"train.dim": 32}


def test_a_study_without_one_plain_variant_is_refused() -> None:
    study = Study(title="Odd", question="?", variants={"a": {"train.dim": 8}, "b": {"train.dim": 9}})
    with pytest.raises(ValueError, match="`Odd` has 0 variants that change nothing"):
        references(study, Setting(description=""), BASE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("setting: {description: x}\nseeds: [1]\nmeasures: [mrr]\n"
         "studies: {a: {title: A}}", "studies.a.question"),
        ("seeds: [1]\nmeasures: [mrr]\nstudies: {}\nsetting: {description: x}\nmore: 1", "`more`"),
        ("setting: {description: x}\nseeds: [1]\nmeasures: [mrr]\n"
         "studies: {a: {title: A, question: q, axis: x}}", "`axis`"),
        ("a: [", "not valid YAML"),
    ],
)  # fmt: skip
def test_faults_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "studies.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_studies(tmp_path / "studies.yaml")


def test_a_wrong_parameter_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown key `train\.alpha`"):
        effective(BASE, {"train.alpha": 1})
