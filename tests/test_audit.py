"""The audit of dependencies against a source of advisories on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows.process import free_port
from tests.conftest import ROOT

LOCK = "safe==1.0 --hash=sha256:{0}\nbroken==2.1 --hash=sha256:{0}\n".format("0" * 64)
ADVISORY = {
    "id": "GHSA-test",
    "aliases": ["CVE-2026-0001"],
    "summary": "it burns",
    "affected": [
        {
            "package": {"name": "broken", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.2"}]}],
        }
    ],
}


class Advisories(BaseHTTPRequestHandler):
    """Answers as OSV does: one advisory, of `broken`."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = {"vulns": [ADVISORY]} if asked["package"]["name"] == "broken" else {}
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def source() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Advisories)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def audit(
    folder: Path, source: str, lock: str = LOCK, accepted: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a copy of the audit beside a pyproject.toml of its own."""
    (folder / ".ci").mkdir()
    script = folder / ".ci/audit.py"
    script.write_text((ROOT / ".ci/audit.py").read_text())
    (folder / "pyproject.toml").write_text(f"[tool.audit.accepted]\n{accepted}")
    (folder / "some.lock").write_text(lock)
    return subprocess.run(
        [sys.executable, str(script), str(folder / "some.lock")],
        env={"AUDIT_SOURCE": source, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_an_advisory_fails_and_names_package_and_remedy(tmp_path: Path, source: str) -> None:
    done = audit(tmp_path, source)
    assert done.returncode == 1
    assert done.stdout == "broken 2.1: CVE-2026-0001, GHSA-test, mended in 2.2\n"


def test_without_one_it_says_how_much_was_looked_at(tmp_path: Path, source: str) -> None:
    done = audit(tmp_path, source, lock=LOCK.splitlines()[0] + "\n")
    assert (done.returncode, done.stdout) == (0, "No advisory concerns the 1 locked packages.\n")


@pytest.mark.parametrize("name", ["GHSA-test", "CVE-2026-0001"])
def test_an_accepted_advisory_passes(tmp_path: Path, source: str, name: str) -> None:
    assert audit(tmp_path, source, accepted=f'{name} = "only on Windows"\n').returncode == 0


def test_where_nobody_answers_it_says_so_and_fails_only_where_asked_to(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port(0)}/v1/query"
    for name, required, status in (("a", "0", 0), ("b", "1", 1)):
        (tmp_path / name).mkdir()
        done = audit(tmp_path / name, nobody, AUDIT_REQUIRED=required)
        assert done.returncode == status
        assert done.stdout.startswith("Dependencies were not audited")
        assert done.stdout.count("\n") == 1
