"""What is refused before anything is read: too large, too many, from another page, for another host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16 * 2**20
"""Bytes of a request: a picture of 12 MB in base64."""

MAX_AT_ONCE = 128
"""Changing requests that are worked on or wait: 2 GB if all are of the largest size, some seconds of work."""

_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
}
_TOO_LARGE = f"The request has more than {MAX_BODY >> 20} MB. Scale the picture down."


class _Refusal(NamedTuple):
    status: int
    detail: str


class Guards:
    """ASGI middleware. hosts: names under which the server may be asked, None = any.

    A page of another site that somebody has open cannot use the server through his browser: it can neither
    send changes (`Origin`), nor read answers under a name of its own that points here (`Host`).
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Sequence[str] | None = None, at_once: int = MAX_AT_ONCE
    ) -> None:
        self._app = app
        self._hosts = None if hosts is None else {name.lower() for name in hosts}
        self._at_once = at_once
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        changing = scope["method"] in _CHANGING
        if refusal := self._refusal(Headers(scope=scope), changing):
            await _answer(refusal)(scope, receive, send)
            return
        self._inside += changing
        try:
            await self._app(scope, _limited(receive), _with_headers(send))
        finally:
            self._inside -= changing

    def _refusal(self, headers: Headers, changing: bool) -> _Refusal | None:
        host = headers.get("host", "")
        if self._hosts is not None and _hostname(host) not in self._hosts:
            return _Refusal(400, f"Host {host!r} is not served here. `dwc serve --allow-host` allows it.")
        if not changing:
            return None
        if (origin := headers.get("origin")) is not None and urlsplit(origin).netloc != host:
            return _Refusal(403, f"A page of {origin!r} may not use this server.")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > MAX_BODY:
            return _Refusal(413, _TOO_LARGE)
        if self._inside >= self._at_once:
            return _Refusal(503, "Too many requests are waiting. Ask again in a second.")
        return None


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _answer(refusal: _Refusal) -> JSONResponse:
    headers = {"Retry-After": "1"} if refusal.status == 503 else None
    return JSONResponse({"detail": refusal.detail}, refusal.status, headers)


def _limited(receive: Receive) -> Receive:
    """Count the bytes that come, whatever length was announced."""
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return counting


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
