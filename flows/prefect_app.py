"""The Prefect server's application, its pages told to ask no other machine for anything.

They would ask a statistics service for its settings, whatever the server's own settings say. Started by
uvicorn, as `prefect server start` starts Prefect's own.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = ("127.0.0.1:*", "localhost:*")


class OwnMachineOnly:
    """Adds a Content-Security-Policy to every answer; `hosts` are those that pages may connect to."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        addresses = " ".join(f"http://{host} https://{host} ws://{host} wss://{host}" for host in hosts)
        self._policy = (
            "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
            f"connect-src 'self' data: blob: {addresses}"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the header."""

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = self._policy
            await send(message)

        await self._app(scope, receive, with_policy)


def create_app() -> FastAPI:
    """Prefect's application behind the policy; its pages may also ask PREFECT_UI_API_URL's host."""
    from prefect.server.api.server import create_app as create_prefect

    app = create_prefect(final=True)
    named = urlsplit(os.environ.get("PREFECT_UI_API_URL", "")).netloc
    app.add_middleware(OwnMachineOnly, hosts=(*HERE, *([named] if named else [])))
    return app
