"""The commands that the documents name exist, with the options and parameters they are given."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dwc.config import load_params, parse_params
from dwc.parameters import change_parameters
from flows.__main__ import app as flows_app
from flows.cli import app as dwc_app

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def blocks(language: str) -> list[str]:
    return [
        text
        for document in DOCUMENTS
        for kind, text in CODE.findall(document.read_text())
        if kind == language
    ]


COMMANDS = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]


def beginning(words: str) -> list[str]:
    return [command for command in COMMANDS if command.startswith(words)]


@pytest.mark.parametrize("command", beginning("make "))
def test_make_targets_exist(command: str) -> None:
    assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", beginning("python -m flows "))
def test_flow_commands_exist(command: str, tmp_path: Path) -> None:
    words = command.split()[3:]
    assert CliRunner().invoke(flows_app, [words[0], "--help"]).exit_code == 0
    copy = tmp_path / "params.yaml"
    copy.write_text((ROOT / "params.yaml").read_text())
    overrides = [words[place + 1] for place, word in enumerate(words) if word == "-S"]
    change_parameters(copy, None, overrides)
    load_params(copy)


@pytest.mark.parametrize("command", beginning("dwc "))
def test_dwc_commands_exist(command: str) -> None:
    result = CliRunner().invoke(dwc_app, [command.split()[1], "--help"])
    assert result.exit_code == 0
    for option in re.findall(r"--[a-z-]+", command):
        assert option in result.output


@pytest.mark.parametrize("text", blocks("yaml"))
def test_parameters_in_documents_are_valid(text: str) -> None:
    parse_params(yaml.safe_load(text), "document")


def test_files_that_documents_link_to_exist() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in link:
                assert (document.parent / link).exists(), f"{document.name}: {link}"
