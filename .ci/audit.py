"""Known vulnerabilities of what the lock files install: `python .ci/audit.py LOCK…`.

pip-audit asks the OSV database, or the server that AUDIT_SOURCE names. Exit status 1 where an advisory
concerns a locked version, but for those that [tool.audit.accepted] in pyproject.toml names with a reason.
Where the source cannot be reached, one line says that nothing was audited, which fails with AUDIT_REQUIRED=1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def main(locks: list[str]) -> int:
    """Print what pip-audit finds; returns the exit status."""
    answer, complaint = ask(locks)
    if answer is None:
        print(f"Dependencies were not audited: the source of advisories gave no answer ({complaint}).")
        return int(os.environ.get("AUDIT_REQUIRED") == "1")
    accepted = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["audit"]["accepted"]
    found = [line for package in answer["dependencies"] for line in advisories(package, accepted)]
    print("\n".join(found) or f"No advisory concerns the {len(answer['dependencies'])} locked packages.")
    return int(bool(found))


def ask(locks: list[str]) -> tuple[dict[str, Any] | None, str]:
    """pip-audit's answer; None with its last word where it has none."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    source = ["--vulnerability-service", "osv", "--progress-spinner", "off"]
    if address := os.environ.get("AUDIT_SOURCE"):
        source += ["--osv-url", address]
    files = [part for lock in locks for part in ("--requirement", lock)]
    done = subprocess.run([*command, *source, *files], capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        return None, last_word(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, ""


def last_word(complaint: str) -> str:
    """What the last line of an error calls it."""
    lines = complaint.strip().splitlines() or ["it said nothing"]
    return lines[-1].partition(":")[0].rpartition(".")[2]


def advisories(package: dict[str, Any], accepted: dict[str, str]) -> list[str]:
    """A line for each advisory that nobody has accepted."""
    return [
        f"{package['name']} {package['version']}: {', '.join(sorted({found['id'], *found['aliases']}))}, "
        f"mended in {', '.join(found['fix_versions']) or 'no version yet'}"
        for found in package.get("vulns", [])
        if not {found["id"], *found["aliases"]} & set(accepted)
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
