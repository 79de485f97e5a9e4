"""The search server as a process: brought up with progress, bound to an address, following its alias."""

from __future__ import annotations

import csv
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import torch
import uvicorn
from fastapi import FastAPI

from dwc.console import Teller
from dwc.files import atomic_file
from dwc.registry.served import served_now
from dwc.serving.app import create_app
from dwc.serving.fill import Unreadable, fill_from_pictures
from dwc.serving.follow import Follower
from dwc.serving.gallery_folder import GalleryFolder, open_gallery
from dwc.serving.image_store import ImageStore
from dwc.serving.live import Live, load_version
from dwc.serving.metrics import Metrics
from dwc.serving.service import Service

_SOURCE = "source"
_PACKAGE, _PICTURES = "package", "pictures"
_GRACE = 10  # seconds that requests have to end after Ctrl-C
_KEEP_ALIVE = 30  # seconds
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is served, and where.

    name: of the registered model; model: such as models:/dwc-wardrobe@champion, None = champion, else
    challenger; gallery: its folder; pictures: folder of pictures to index; store: image store with the
    pictures of the model's own gallery; allowed_hosts: further names under which the server may be asked;
    poll: seconds between looks at the registry.
    """

    name: str
    model: str | None
    gallery: Path
    pictures: Path | None
    store: Path
    host: str
    port: int
    allowed_hosts: Sequence[str]
    poll: float
    device: torch.device


@dataclass(frozen=True, kw_only=True)
class Started:
    """What is to be told of a server that is ready.

    hidden: images that this version has no embedding of, and no picture to make one from; reachable: from
    other machines.
    """

    live: Live
    hidden: int
    unreadable: Sequence[Unreadable]
    address: str
    reachable: bool


def run(settings: Settings, teller: Teller, tell: Callable[[Started], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; `tell` is called when all is ready.

    Raises ValueError for what the user can mend, and KeyboardInterrupt where it is not ready yet.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with (
        _listening(settings.host, settings.port) as listening,
        open_gallery(settings.gallery, settings.name) as folder,
    ):
        images = ImageStore(settings.store)
        load = partial(
            load_version,
            follow_package=_follows_package(folder, settings),
            picture_of=images.picture,
            device=settings.device,
        )
        unreadable = _index_pictures(folder, settings.pictures, teller)
        live = load(folder, served_now(settings.name, settings.model), teller=teller)
        tell(
            Started(
                live=live,
                hidden=folder.store.not_embedded(live.model),
                unreadable=unreadable,
                address=_address(listening),
                reachable=not _is_local(settings.host),
            )
        )
        with closing(Service(folder, live, images.example(live.gallery))) as service:
            _follow_and_serve(service, settings, load, listening)


def _follow_and_serve(
    service: Service, settings: Settings, load: Callable[..., Live], listening: socket.socket
) -> None:
    metrics = Metrics()
    follower = Follower(
        service=service,
        name=settings.name,
        address=settings.model,
        folder=settings.gallery,
        bring_up=load,
        counted=lambda outcome: metrics.exchanges.labels(outcome).inc(),
    )
    with follower.every(settings.poll):
        _serve(create_app(service, hosts=_hosts(settings), metrics=metrics), listening)


def _serve(app: FastAPI, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=_KEEP_ALIVE,
    )
    _Server(config).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends once for Ctrl-C and SIGTERM; uvicorn's own drops requests at the second, and passes them on."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take no more requests, and finish those that came."""
        self.should_exit = True


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take the address before minutes are spent on a gallery. Raises ValueError where it is taken."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
    except OSError as error:
        raise ValueError(
            f"{host}:{port} cannot be served ({error.strerror}). Give another --port."
        ) from error
    with listening:
        yield listening


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hosts(settings: Settings) -> list[str] | None:
    """Names under which the server may be asked; any, where it is offered to other machines."""
    if not _is_local(settings.host) and not settings.allowed_hosts:
        return None
    return [*_THIS_MACHINE, settings.host, *settings.allowed_hosts]


def _follows_package(folder: GalleryFolder, settings: Settings) -> bool:
    """Whether the gallery takes in what models bring: unless it was begun with a folder of pictures."""
    if folder.store.fact(_SOURCE) is None:
        folder.store.note(_SOURCE, _PICTURES if settings.pictures else _PACKAGE)
    return folder.store.fact(_SOURCE) == _PACKAGE


def _index_pictures(folder: GalleryFolder, pictures: Path | None, teller: Teller) -> list[Unreadable]:
    """Keep the pictures of a folder; those that cannot be read are listed in unreadable.csv."""
    if pictures is None:
        return []
    unreadable = teller.step(
        "Keep pictures", lambda: fill_from_pictures(folder, pictures, teller.progress("pictures"))
    )
    with atomic_file(folder.path / "unreadable.csv") as file, file.open("w", newline="") as content:
        writer = csv.writer(content)
        writer.writerow(("file", "reason"))
        writer.writerows((one.file, one.reason) for one in unreadable)
    return unreadable
