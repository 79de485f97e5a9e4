"""The search server as an ASGI application: routes, limits, metrics, and the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from dwc.serving.batching import Batcher
from dwc.serving.guards import Guards
from dwc.serving.metrics import MeasuredRequests, Metrics
from dwc.serving.questions import Answer
from dwc.serving.routes import router
from dwc.serving.service import Asked, ExistsError, NotFoundError, Service

WEB = Path(__file__).parent / "web"
LARGEST_BATCH = 16  # questions computed together: more gain little on a CPU and let the first ones wait


def create_app(
    service: Service,
    *,
    hosts: Sequence[str] | None = None,
    metrics: Metrics | None = None,
    largest_batch: int = LARGEST_BATCH,
) -> FastAPI:
    """The application; hosts: names under which it may be asked, None = any."""
    metrics = metrics or Metrics()
    batcher: Batcher[Asked, Answer] = Batcher(
        service.answer, largest=largest_batch, observe=metrics.batch_size.observe
    )
    metrics.watch(lambda: service.live, lambda: batcher.waiting)
    app = FastAPI(
        title="dwc search",
        summary="Search a catalogue with a picture and a sentence",
        version="1",
        docs_url=None,  # FastAPI's pages load their scripts from another machine
        redoc_url=None,
        lifespan=_answering,
    )
    app.state.service, app.state.batcher, app.state.metrics = service, batcher, metrics
    app.state.ready = False
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=WEB, check_dir=False), name="static")
    app.add_middleware(Guards, hosts=hosts)
    app.add_middleware(MeasuredRequests, metrics=metrics)
    app.add_exception_handler(NotFoundError, _not_found)
    app.add_exception_handler(ExistsError, _exists)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    return app


@asynccontextmanager
async def _answering(app: FastAPI) -> AsyncIterator[None]:
    """Answer questions while the server runs."""
    task = asyncio.create_task(app.state.batcher.run())
    app.state.ready = True
    try:
        yield
    finally:
        app.state.ready = False
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


async def _exists(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 409)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's list of what is wrong where, without what was sent: that may be a picture."""
    assert isinstance(error, RequestValidationError)
    kept = ("type", "loc", "msg")
    return JSONResponse({"detail": [{name: part[name] for name in kept} for part in error.errors()]}, 422)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The server failed to answer; its log says why."}, 500)
