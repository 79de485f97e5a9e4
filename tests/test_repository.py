"""What must hold of every file that is committed."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-postgres.lock")
FIXTURES = "dvcstore/"


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


@cache
def texts() -> dict[str, str]:
    """Path -> content of the files that are text."""
    found = {}
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(FIXTURES) and b"\0" not in (content := path.read_bytes()):
            found[name] = content.decode("utf-8")
    return found


def lines_with(pattern: str, *, suffix: str = "", without: str = "tests/test_repository.py") -> list[str]:
    expression = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts().items()
        if name.endswith(suffix) and not name.startswith(without)
        for number, line in enumerate(text.splitlines(), start=1)
        if expression.search(line)
    ]


def test_no_path_of_anybodys_machine() -> None:
    assert not lines_with(r"(?<![\w.])/(?:home|Users|root)/\w")


def test_no_secret() -> None:
    assert not lines_with(
        r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|ghp_\w{36}"
        r"|(?i:password|secret|token)\s*[:=]\s*['\"]\w{8,}"
    )


def test_no_package_index_in_the_locks() -> None:
    assert not [
        line
        for line in lines_with(r"https?://|--(?:extra-)?index-url|--find-links")
        if line.startswith(LOCKS)
    ]


def test_no_pickle_is_loaded() -> None:
    """The tests may write pickles, to see them refused."""
    loading = r"weights_only=False|allow_pickle=True|\bpickle\.load|\bjoblib\.load"
    assert not lines_with(loading, suffix=".py", without="tests/")
    loaded = lines_with(r"torch\.load\(", suffix=".py", without="tests/")
    assert not [line for line in loaded if "weights_only=True" not in line]


def test_no_page_asks_another_machine_for_anything() -> None:
    asking = r"""(?:src|href)=["']https?://[^"']+\.(?:js|css|woff2?)|@import|fonts\.googleapis"""
    assert not lines_with(asking, without="tests/")


def test_files_are_small() -> None:
    long = {name: text.count("\n") for name, text in texts().items() if name.endswith(".py")}
    assert not {name: lines for name, lines in long.items() if lines > (400 if "tests/" in name else 310)}
    large = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in files()}
    assert not {
        name: size for name, size in large.items() if size > 1_000_000 and not name.startswith(FIXTURES)
    }


def test_the_fixture_remote_stays_small() -> None:
    fixture = [
        path.stat().st_size for path in files() if path.relative_to(ROOT).as_posix().startswith(FIXTURES)
    ]
    assert sum(fixture) < 15_000_000


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    blocks = re.split(r"\n(?=[\w.-]+==)", (ROOT / name).read_text())
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize(("name", "extra"), [("requirements.lock", None), ("requirements-dev.lock", "dev")])
def test_the_lock_satisfies_pyproject(name: str, extra: str | None) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(), flags=re.MULTILINE))
    for text in wanted:
        requirement = Requirement(text)
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{text} is not in {name}; run `make lock`"
        assert requirement.specifier.contains(version, prereleases=True), f"{text}: {name} has {version}"


def test_the_development_lock_agrees_with_the_runtime_lock() -> None:
    locked = [
        dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(), flags=re.MULTILINE))
        for name in LOCKS[:2]
    ]
    assert locked[0].items() <= locked[1].items()
