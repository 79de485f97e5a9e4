"""Dockerfile and compose.yaml: no root, no secret, nothing reachable from other machines."""

import re
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def instructions(name: str) -> list[str]:
    joined = re.sub(r"\\\n", " ", DOCKERFILE)
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.startswith(f"{name} ")]


def test_the_image_does_not_run_as_root() -> None:
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    users = re.findall(r"^USER (\S+)", last_stage, flags=re.MULTILINE)
    assert users and users[-1] not in ("root", "0")


def test_the_image_installs_only_what_is_locked_and_no_development_tools() -> None:
    installs = [step for step in instructions("RUN") if "pip install" in step]
    assert "--require-hashes" in installs[0] and "--no-deps" in installs[1] and "--offline" in installs[1]
    assert "requirements-dev" not in DOCKERFILE


def test_the_image_copies_only_what_it_runs() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    assert patterns[0] == "*"
    assert not {"!.git", "!.env", "!.venv", "!data", "!tests"} & set(patterns)
    for pattern in patterns:
        if pattern.startswith("!"):
            assert (ROOT / pattern[1:]).exists(), pattern


def test_what_the_dockerfile_copies_is_in_its_context() -> None:
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for name in ("requirements.lock", "requirements-postgres.lock", "entrypoint.sh"):
        assert f"!{name}" in allowed


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_privileged(name: str) -> None:
    service = SERVICES[name]
    assert not {"privileged", "network_mode", "pid", "cap_add"} & service.keys()
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


def test_secrets_come_from_the_environment_only() -> None:
    text = (ROOT / "compose.yaml").read_text()
    values = re.findall(r"(?i)password\w*: +(\S+)", text) + re.findall(
        r"postgresql[+\w]*://\w+:([^@]*)@", text
    )
    assert len(values) == 2
    for value in values:
        assert value.startswith("${"), value
    assert re.search(r"^POSTGRES_PASSWORD=$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_database_driver_that_is_named_is_installed() -> None:
    """SQLAlchemy's own choice for `postgresql://` changes from version to version."""
    uri = SERVICES["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"]
    driver = re.fullmatch(r"postgresql\+(\w+)", uri.split("://")[0])
    assert driver, uri
    assert driver[1] in (ROOT / "requirements-postgres.in").read_text()


@pytest.mark.parametrize("name", ["postgres", "mlflow", "prefect"])
def test_servers_say_when_they_are_healthy(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_mlflow_knows_under_which_names_it_is_asked() -> None:
    hosts = SERVICES["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert SERVICES["worker"]["environment"]["MLFLOW_TRACKING_URI"].removeprefix("http://") in hosts


def test_the_gpu_is_asked_for_by_its_own_profile_only() -> None:
    assert SERVICES["worker-gpu"]["profiles"] == ["gpu"] and "deploy" in SERVICES["worker-gpu"]
    assert SERVICES["worker"]["profiles"] == ["cpu"] and "deploy" not in SERVICES["worker"]
