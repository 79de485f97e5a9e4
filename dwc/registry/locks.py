"""One promotion at a time, on one machine and across machines.

MLflow moves aliases without asking what they named before, so whoever reads, decides and moves must be
alone. A local database is guarded by a file lock, which the system releases when its holder dies. Behind a
server the holders may sit on different machines; there the lock is a registered model of a name of its own,
because its creation is the one thing in MLflow that succeeds for exactly one of several who try.
"""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from dwc.registry.store import is_local, reason, store_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

WAIT_SECONDS = 30.0  # moving aliases takes moments; the measuring is done before
_SUFFIX = "-promotion-lock"


@contextmanager
def promotion_lock(client: MlflowClient, name: str, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Be the only one who moves aliases of the registered model `name` inside the block.

    Raises ValueError where a server's lock is not free in time, saying who holds it and how to remove it.
    """
    if is_local(client.tracking_uri):
        with store_lock(client.tracking_uri):
            yield
        return
    lock = f"{name}{_SUFFIX}"
    _acquire(client, lock, wait_seconds)
    try:
        yield
    finally:
        client.delete_registered_model(lock)


def _acquire(client: MlflowClient, lock: str, wait_seconds: float) -> None:
    from mlflow.exceptions import MlflowException

    holder = f"Held by {getpass.getuser()} on {socket.gethostname()} while aliases are moved."
    limit = time.monotonic() + wait_seconds
    while True:
        try:
            client.create_registered_model(lock, description=holder)
            return
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise ValueError(f"{client.tracking_uri}: no lock can be had ({reason(error)}).") from error
        if time.monotonic() > limit:
            raise ValueError(_held(client, lock))
        time.sleep(0.2)


def _held(client: MlflowClient, lock: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_registered_model(lock)
    except MlflowException:  # released this moment
        return f"{lock}: others kept it all the time. Try again."
    since = datetime.fromtimestamp(found.creation_timestamp / 1000).isoformat(" ", "seconds")
    return (
        f"{lock}: {found.description} It has been there since {since}. If that process is gone, delete the "
        f"registered model `{lock}` on the MLflow page, and try again."
    )
