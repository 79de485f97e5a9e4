"""Following an alias: the version that it names anew is made ready beside the old one and takes its place."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dwc.console import SilentTeller
from dwc.registry.served import Served, served_now
from dwc.serving.gallery_folder import GalleryFolder
from dwc.serving.live import Live, index_gallery
from dwc.serving.service import Service

PATIENCE = 60.0
"""Seconds until a version that could not be brought up is tried again."""

_LOGGER = logging.getLogger(__name__)


class EndedError(Exception):
    """The server ends while a version is brought up."""


@dataclass(kw_only=True)
class Follower:
    """Asks the registry which version is meant, and lets the service change to it.

    name, address: see `served_now`; folder: of the gallery; bring_up: as `load_version`;
    counted: is told how each change ended.
    """

    service: Service
    name: str
    address: str | None
    folder: Path
    bring_up: Callable[..., Live]
    counted: Callable[[str], None] = lambda outcome: None
    patience: float = PATIENCE
    _ended: threading.Event = field(default_factory=threading.Event)
    _not_before: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def every(self, seconds: float) -> Iterator[None]:
        """Look again and again during the block."""
        thread = threading.Thread(target=self._run, args=(seconds,), name="follow", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def look(self) -> None:
        """Look once, and do what is to be done. Raises ValueError where the registry does not answer."""
        live, served = self.service.live, served_now(self.name, self.address)
        if served.version != live.served.version:
            self._change_to(served)
        elif served != live.served:  # the same version under another alias
            self._exchange(replace(live, served=served))
        elif live.gallery.worn:
            self._index_anew(live)

    def _run(self, seconds: float) -> None:
        answered = True
        while not self._ended.wait(seconds):
            try:
                self.look()
                answered = True
            except EndedError:
                return
            except Exception as error:  # whatever it is, the version that answers goes on answering
                if answered or not isinstance(error, ValueError):
                    _LOGGER.warning(
                        "The registry cannot be followed at present: %s", error, exc_info=_fault(error)
                    )
                answered = False

    def _change_to(self, served: Served) -> None:
        if time.monotonic() < self._not_before.get(served.version.uri, 0.0):
            return
        try:
            with self._own_files() as folder:
                live = self.bring_up(folder, served, teller=_Stoppable(self._ended))
                before = self.service.live.model
                self._exchange(live)
                folder.store.forget_models({before, live.model})  # a rollback needs the last one
        except EndedError:
            raise
        except Exception as error:
            self._not_before[served.version.uri] = time.monotonic() + self.patience
            self.counted("failed")
            _LOGGER.error(
                "%s cannot be brought up, version %s goes on answering: %s",
                served.version.uri,
                self.service.live.served.version.version,
                error,
                exc_info=_fault(error),
            )
        else:
            self.counted("done")

    def _index_anew(self, live: Live) -> None:
        with self._own_files() as folder:
            progress = _Stoppable(self._ended).progress("images")
            gallery = index_gallery(folder, live.encoder, live.model, progress)
        self._exchange(replace(live, gallery=gallery))

    def _exchange(self, live: Live) -> None:
        self.service.changes.submit(self.service.exchange, live).result()

    @contextmanager
    def _own_files(self) -> Iterator[GalleryFolder]:
        folder = GalleryFolder.at(self.folder)
        with closing(folder.store):
            yield folder


class _Stoppable(SilentTeller):
    """Long work that ends with the server."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended

    def progress(self, description: str) -> Callable[[int, int], None]:
        """A callback that raises EndedError once the server ends."""

        def check(done: int, total: int) -> None:
            if self._ended.is_set():
                raise EndedError

        return check


def _fault(error: Exception) -> bool:
    """Whether an error is the program's own, whose stack trace helps."""
    return not isinstance(error, ValueError)
