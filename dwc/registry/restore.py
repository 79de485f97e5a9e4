"""Restoring what a model version was made from: commit, parameters and data, in a git worktree of its own.

git and dvc are run as commands, the user's own: the program knows their files, not their code.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dwc.git import GitError, git
from dwc.registry.chain import Chain, version_chain
from dwc.registry.lineage import RESTORABLE, STATE, UNKNOWN, data_revision
from dwc.registry.store import prepare_mlflow, reason

_DVC = (sys.executable, "-m", "dvc")
_LOCAL_CONFIG = Path(".dvc") / "config.local"


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What lies in the folder now."""

    git_sha: str
    data: str


def restore(uri: str, root: Path, into: Path) -> Restored:
    """Put the commit, parameters and data of a version into a new worktree of the repository in `root`.

    The worktree shares DVC's cache with `root`; its runs and models are its own. Raises ValueError, leaving
    nothing behind, where something of the state was not recorded or cannot be had any more.
    """
    chain = version_chain(uri)
    _require_recorded(chain)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise ValueError(f"{into}: there is something already. Name a new or empty folder.")
    _require_commit(chain, root)
    git(root, "worktree", "add", "--detach", str(into.resolve()), chain.git_sha)
    try:
        _put_state(chain, into)
        _put_data(chain, root, into)
    except BaseException:
        git(root, "worktree", "remove", "--force", str(into.resolve()))
        raise
    return Restored(git_sha=chain.git_sha, data=chain.data)


def _require_recorded(chain: Chain) -> None:
    """Refuse a version whose code no commit holds, saying what cannot be restored."""
    if chain.git_sha == UNKNOWN:
        raise ValueError(
            f"{chain.uri}: it was trained outside a git repository, so its code cannot be restored. Commit "
            "the project and train again."
        )
    if chain.git_dirty == "false":
        return
    lost = [file for file in chain.git_changes if file not in RESTORABLE]
    if lost:
        raise ValueError(
            f"{chain.uri}: it was trained with changes that no commit holds, so they cannot be restored: "
            f"{', '.join(lost)}. Parameters and data are kept (`dwc lineage {chain.uri}`); commit "
            f"{chain.git_sha} comes closest. Commit before training what must be restorable."
        )


def _require_commit(chain: Chain, root: Path) -> None:
    try:
        git(root, "cat-file", "-e", f"{chain.git_sha}^{{commit}}")
    except GitError as error:
        raise ValueError(
            f"{chain.uri}: commit {chain.git_sha} is not in this repository. Fetch it (`git fetch --all`), "
            "or run the command in the repository that the model was trained in."
        ) from error


def _put_state(chain: Chain, into: Path) -> None:
    """Write the run's params.yaml and data.dvc over the commit's."""
    prepare_mlflow()
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory(prefix="dwc-state-") as scratch:
        try:
            folder = mlflow.artifacts.download_artifacts(
                run_id=chain.train.run_id, artifact_path=STATE, dst_path=scratch
            )
        except (MlflowException, OSError) as error:
            raise ValueError(
                f"{chain.uri}: the parameters of its train run {chain.train.run_id} cannot be read "
                f"({reason(error)}). The run was deleted, or made before runs kept them."
            ) from error
        for name in RESTORABLE:
            if (file := Path(folder) / name).is_file():
                shutil.copyfile(file, into / name)


def _put_data(chain: Chain, root: Path, into: Path) -> None:
    """Check the data out of the cache that `root` uses, or else fetch them from the remote."""
    found = data_revision(into)
    if found != chain.data:
        raise ValueError(f"{chain.uri}: it was trained on data {chain.data}, but its data.dvc names {found}.")
    cache = _dvc(root, "cache", "dir").strip()
    if (local := root / _LOCAL_CONFIG).is_file():
        shutil.copyfile(local, into / _LOCAL_CONFIG)
    _dvc(into, "cache", "dir", "--local", str((root / cache).resolve()))
    try:
        _dvc(into, "checkout", "--quiet", "data.dvc")
    except ValueError:
        try:
            _dvc(into, "pull", "--quiet", "data.dvc")
        except ValueError as error:
            raise ValueError(
                f"{chain.uri}: its data revision {chain.data} is neither in DVC's cache nor on the remote "
                f"any more. {error}"
            ) from error


def _dvc(folder: Path, *arguments: str) -> str:
    """What a DVC command says. Raises ValueError with its message where it fails."""
    done = subprocess.run([*_DVC, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ValueError(f"dvc {arguments[-1]}: {' '.join(said)}")
    return done.stdout
