"""The project's Prefect server."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest

from flows.server import run_with_server


def test_its_pages_ask_the_server_they_come_from(prefect_api: str) -> None:
    with urllib.request.urlopen(prefect_api.removesuffix("/api") + "/ui-settings", timeout=10) as answer:
        assert json.load(answer)["api_url"] == prefect_api
        policy = answer.headers["Content-Security-Policy"]
    address = prefect_api.split("/")[2]
    assert f"http://{address}" in policy and f"ws://{address}" in policy
    assert all(host.startswith(("127.0.0.1", "localhost")) for host in re.findall(r"//([^ ;]+)", policy))


def test_an_unknown_command_is_named(prefect_api: str, tmp_path: object) -> None:
    with pytest.raises(ValueError, match="no command `not-a-program`"):
        run_with_server(tmp_path, ["not-a-program"])
