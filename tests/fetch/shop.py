"""A shop's web server on this machine, with all that goes wrong with shops."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image


def picture(side: int = 64, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((side, side), 60).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


class Shop:
    """Counts what is asked; `slow` seconds pass before /slow answers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: Counter[str] = Counter()
        self.slow = 5.0
        self.at_once = 0
        self.most_at_once = 0
        self.picture = picture()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.strip("/")
        self.asked[name] += 1
        first = self.asked[name] == 1
        if name.startswith("good"):
            time.sleep(0.01)
            self.send(handler, 200, self.picture)
        elif name == "gone":
            self.send(handler, 404, b"<html>not here</html>")
        elif name == "ill":
            self.send(handler, 500 if first else 200, b"" if first else self.picture)
        elif name == "always-ill":
            self.send(handler, 503, b"")
        elif name == "short":
            self.send(handler, 200, self.picture[:-50], length=len(self.picture))
        elif name == "short-once":
            self.send(handler, 200, self.picture[:-400] if first else self.picture)
        elif name == "page":
            self.send(handler, 200, b"<html>buy something else</html>")
        elif name == "pixel":
            self.send(handler, 200, picture(side=1, kind="GIF"))
        elif name == "png":
            self.send(handler, 200, picture(kind="PNG"))
        elif name == "large":
            self.send(handler, 200, b"\xff\xd8" + bytes(300_000))
        elif name == "slow":
            time.sleep(self.slow)
            self.send(handler, 200, self.picture)
        elif name == "moved":
            self.send(handler, 302, b"", location=f"{self.address}/good-moved")
        elif name == "circle":
            self.send(handler, 302, b"", location=f"{self.address}/circle")

    @staticmethod
    def send(
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        *,
        length: int | None = None,
        location: str | None = None,
    ) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        if location:
            handler.send_header("Location", location)
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def open_shop() -> Iterator[Shop]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                shop.at_once += 1
                shop.most_at_once = max(shop.most_at_once, shop.at_once)
            try:
                shop.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the fetcher has given up waiting
            finally:
                with lock:
                    shop.at_once -= 1

        def log_message(self, *_: object) -> None:
            pass

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop = Shop(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
