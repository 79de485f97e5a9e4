"""A search service over the tiny model, in this process, and requests to it as a page sends them."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image

from dwc.console import SilentTeller
from dwc.registry.served import Served
from dwc.registry.versions import ModelVersion
from dwc.serving.app import create_app
from dwc.serving.gallery_folder import GalleryFolder, open_gallery
from dwc.serving.live import Live, bring_up
from dwc.serving.service import Example, Service
from tests.serving.tiny import Tiny

NAME = "dwc-wardrobe"


def served(version: str = "1") -> Served:
    uri = f"models:/{NAME}/{version}"
    return Served(
        version=ModelVersion(name=NAME, version=version, uri=uri), address=f"models:/{NAME}@champion"
    )


def live_of(folder: GalleryFolder, tiny: Tiny, version: str = "1") -> Live:
    """The tiny package, brought up with the pictures that its gallery was made of."""
    files = {path.stem: path for path in tiny.images}
    return bring_up(
        folder,
        tiny.package,
        served(version),
        follow_package=True,
        picture_of=lambda name: Image.open(files[name]).convert("RGB") if name in files else None,
        device="cpu",
        teller=SilentTeller(),
    )


@contextmanager
def open_shop(tiny: Tiny, path: Path) -> Iterator[Service]:
    """A service over a gallery in `path`, new or as it was left."""
    with open_gallery(path, NAME) as folder:
        service = Service(folder, live_of(folder, tiny), Example(image_id=tiny.images[0].stem, text="is red"))
        try:
            yield service
        finally:
            service.close()


def base64_of(picture: Path) -> str:
    return base64.b64encode(picture.read_bytes()).decode()


def question(**changes: Any) -> dict[str, Any]:
    """A request to /api/search or /api/explain."""
    return {"image_id": "dress-0", "text": "is red", "k": 5} | changes


@contextmanager
def served_over_http(service: Service) -> Iterator[str]:
    """The application behind a real HTTP server in a thread; yields its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(service), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
