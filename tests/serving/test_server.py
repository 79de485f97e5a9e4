"""`dwc serve` as a process: what it says, and what survives `kill -9`."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd
import pytest

from dwc.registry import tracking
from dwc.registry.versions import register_model
from dwc.serving.server import _listening
from tests.serving.shop import NAME, base64_of, question
from tests.serving.tiny import Tiny
from tests.sockets import listening

PARAMS = "data: {name: wardrobe}\n"


@pytest.fixture(scope="module")
def project(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registered challenger, and the store whose pictures its gallery is of."""
    root = tmp_path_factory.mktemp("project")
    (root / "params.yaml").write_text(PARAMS)
    (root / "build").mkdir()
    (root / "build/store").symlink_to(tiny.package.parent / "store")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracking.configure(None, root)
    example = pd.DataFrame({"image": [base64_of(tiny.images[0])], "text": ["is red"], "k": [2]})
    with tracking.stage_run("train", experiment="wardrobe", params={}, tags={}, upstream={}) as run:
        register_model(run.id, tiny.package, NAME, alias="challenger", tags={}, input_example=example)
    return root


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", "serve", "--port", "0", *options]


@contextmanager
def server(project: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A running server, its address, and what it printed; killed after the block if it still runs."""
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    process = subprocess.Popen(
        command(),
        cwd=project,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith("Ctrl-C"):
                break
        address = re.search(r"address +(http://\S+)", "".join(printed))
        assert address, "".join(printed)
        with httpx.Client(
            base_url=address[1], timeout=60, transport=httpx.HTTPTransport(retries=10)
        ) as client:
            assert client.get("/health/ready").status_code == 200
        yield process, address[1], "".join(printed)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_what_was_answered_with_success_survives_kill_9(project: Path, tiny: Tiny) -> None:
    with server(project) as (process, address, printed):
        assert listening([process.pid]) == {"127.0.0.1"}
        assert f"{NAME} version 1 (challenger)" in printed
        assert "12 images, kept in gallery/dwc-wardrobe" in printed
        assert "flat, recall@10 1.000" in printed
        refused = subprocess.run(command(), cwd=project, capture_output=True, text=True, timeout=300)
        assert refused.returncode == 1 and "another server uses this gallery" in refused.stderr
        assert "Traceback" not in refused.stderr
        added = add_until_killed(process, address, tiny)
        assert process.wait(30) == -signal.SIGKILL
    assert len(added) >= 5
    with server(project) as (process, address, printed), httpx.Client(base_url=address, timeout=60) as client:
        about = client.get("/api/model").json()
        assert about["images"] >= 11 + len(added)  # one that was not answered may be there too
        assert about["example"]["text"] == "is longer and blue"
        for name in added:
            assert client.get(f"/api/images/{name}/picture").status_code == 200
        found = client.post("/api/search", json=question(image_id="shirt-1", k=200, category="new")).json()
        assert {result["id"] for result in found["results"]} >= set(added)
        assert client.get("/api/images/dress-0/picture").status_code == 404
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert output.strip().endswith("Stopped.") and "Traceback" not in output


def add_until_killed(process: subprocess.Popen[str], address: str, tiny: Tiny) -> list[str]:
    """Delete an image, and add others from four threads until the server is killed; those answered by 201."""
    content = [path.read_bytes() for path in tiny.images]
    added: list[str] = []
    with httpx.Client(base_url=address, timeout=60) as client, ThreadPoolExecutor(4) as pool:
        assert client.delete("/api/images/dress-0").status_code == 204

        def add(number: int) -> None:
            form = {"id": f"new-{number}", "categories": ["new"]}
            response = client.post("/api/images", data=form, files={"file": content[number % 12]})
            if response.status_code == 201:
                added.append(f"new-{number}")
                if len(added) == 5:
                    process.kill()

        for future in [pool.submit(add, number) for number in range(40)]:
            if error := future.exception():
                assert isinstance(error, httpx.TransportError), error
    return added


def test_a_port_in_use_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ValueError, match=f"127.0.0.1:{port} cannot be served .*another --port"),
            _listening("127.0.0.1", port),
        ):
            pass


def test_without_a_model_one_line_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    result = subprocess.run(command(), cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 1
    assert "Train and register a model first" in result.stderr and "Traceback" not in result.stderr
