"""The search page's files: all are packaged, and they fit together."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import dwc
from tests.conftest import ROOT

PACKAGE = Path(dwc.__file__).parent
WEB = PACKAGE / "serving" / "web"
HTML = (WEB / "index.html").read_text(encoding="utf-8")
MODULES = {file.name: file.read_text(encoding="utf-8") for file in WEB.glob("*.js")}
IDS = re.findall(r'\bid="([^"]+)"', HTML)


def test_every_file_is_in_the_wheel_and_in_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packaged = {
        file
        for pattern in project["tool"]["setuptools"]["package-data"]["dwc"]
        for file in PACKAGE.glob(pattern)
    }
    assert {file for file in WEB.rglob("*") if file.is_file()} <= packaged
    assert "!dwc" in (ROOT / ".dockerignore").read_text().splitlines()


def test_files_that_the_page_names_exist() -> None:
    named = re.findall(r'(?:src|href)="static/([^"]+)"', HTML)
    assert {"app.js", "style.css"} <= set(named)
    imported = [name for text in MODULES.values() for name in re.findall(r'from "\./([^"]+)"', text)]
    assert all((WEB / name).is_file() for name in named + imported)
    assert set(MODULES) == {"app.js", *imported}  # and no module is left over


def test_elements_that_the_modules_ask_for_are_in_the_page() -> None:
    asked = {name for text in MODULES.values() for name in re.findall(r'byId\("([^"]+)"\)', text)}
    assert asked <= set(IDS)
    assert len(IDS) == len(set(IDS))
    referred = " ".join(
        re.findall(r'(?:for|aria-(?:labelledby|describedby|controls))="([^"]+)"', HTML)
    ).split()
    assert set(referred) <= set(IDS)


def test_the_policy_can_forbid_code_and_styles_in_the_text() -> None:
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", HTML)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', HTML)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]


def test_modules_put_no_text_into_the_page_as_html() -> None:
    """Ids and texts come from users: they are only ever set as text."""
    assert not [
        name
        for name, text in MODULES.items()
        if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    ]
