"""Asking git about a repository: the one place where it is run."""

from __future__ import annotations

import subprocess
from pathlib import Path


class GitError(ValueError):
    """A git command that failed, with what git says."""


def git(root: Path, *arguments: str, seconds: float | None = None) -> str:
    """Output of a git command in a folder, without blanks around it.

    seconds: how long it may take, None = as long as it takes. Raises GitError where it fails, is late, or
    there is no git.
    """
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git {' '.join(arguments)}: {error}") from error
    if done.returncode:
        raise GitError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()
