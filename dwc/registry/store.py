"""Where runs and models are kept: the tracking store's address, its first use, and locks around it.

MLflow is imported inside the functions of this package: it reads its settings (telemetry among them) at that
moment, and it takes seconds that only those who track should pay.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

ADDRESS = "MLFLOW_TRACKING_URI"
_SQLITE = "sqlite:///"
_DEFAULTS = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # MLflow's own 7 tries take minutes to say that nobody answers
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


def prepare_mlflow() -> None:
    """Set what MLflow reads when it is imported: no telemetry, no chatter. The user's own settings win."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def store_address(uri: str | None, root: Path) -> str:
    """The store to use: MLFLOW_TRACKING_URI, else `uri`, else SQLite in `<root>/.mlflow`."""
    return os.environ.get(ADDRESS) or uri or f"{_SQLITE}{root.resolve() / '.mlflow' / 'mlflow.db'}"


def open_store(address: str) -> MlflowClient:
    """Make `address` MLflow's store in this process, creating its tables where there are none.

    One process at a time: a new SQLite database that several create at once is spoilt. Raises ValueError
    where the store does not answer.
    """
    prepare_mlflow()
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        with store_lock(address):  # before the client is made, which already creates the tables
            _keep_to_this_process(address)
            client = mlflow.MlflowClient(address)
            client.search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        raise ValueError(
            f"{ADDRESS} = {address}: the MLflow store does not answer ({reason(error)}). Start the "
            f"server, or unset {ADDRESS} to keep runs in .mlflow/."
        ) from error
    return client


def current_client() -> MlflowClient:
    """A client of the store that `open_store` chose."""
    prepare_mlflow()
    import mlflow

    return mlflow.MlflowClient()


def experiment_id(client: MlflowClient, name: str) -> str:
    """Id of the experiment, made on first use; artifacts of a local store lie beside its database."""
    with store_lock(client.tracking_uri):
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        database = _database(client.tracking_uri)
        location = (database.parent / "artifacts" / name).as_uri() if database else None
        return _create_experiment(client, name, location)


def _create_experiment(client: MlflowClient, name: str, location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another machine of the same server was quicker
        if found is None:
            raise
        return str(found.experiment_id)


@contextmanager
def store_lock(address: str) -> Iterator[None]:
    """Let one process of this machine at a time change the store; a process that dies lets go."""
    file = _lock_file(address)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_local(address: str) -> bool:
    """Whether the store is a database file of this machine."""
    return _database(address) is not None


def first_line(error: BaseException | None) -> str:
    """What an error says, in one line of at most 300 characters."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def reason(error: BaseException | None) -> str:
    """What lies at the bottom of a chain of errors: MLflow and SQLAlchemy wrap theirs several times."""
    while error and (deeper := error.__cause__ or error.__context__):
        error = deeper
    return first_line(error)


def _lock_file(address: str) -> Path:
    """Beside the database, or for a server in the temporary folder, one for each user of the machine."""
    if database := _database(address):
        return database.with_name(f"{database.name}.lock")
    return Path(tempfile.gettempdir()) / f"dwc-registry-{getpass.getuser()}.lock"


def _database(address: str) -> Path | None:
    return Path(address.removeprefix(_SQLITE)) if address.startswith(_SQLITE) else None


def _keep_to_this_process(address: str) -> None:
    """Set MLflow's address, but not in the environment, where it would look like the user's choice."""
    import mlflow

    before = os.environ.get(ADDRESS)
    mlflow.set_tracking_uri(address)
    if before is None:
        os.environ.pop(ADDRESS, None)
    else:
        os.environ[ADDRESS] = before
