"""The HTTP routes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from dwc.serving import schemas
from dwc.serving.batching import Batcher
from dwc.serving.explained_words import explain_answer
from dwc.serving.kept_pictures import MEDIA_TYPE
from dwc.serving.metrics import Metrics
from dwc.serving.questions import Answer, Question
from dwc.serving.service import Asked, NotFoundError, Service

R = TypeVar("R")

PAGE = Path(__file__).parent / "web" / "index.html"
_CACHED = "private, max-age=300"


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": schemas.Problem} for status in (400, 500, *statuses)}


_LARGE = (403, 413, 503)
router = APIRouter(responses=_problems())


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _batcher(request: Request) -> Batcher[Asked, Answer]:
    batcher: Batcher[Asked, Answer] = request.app.state.batcher
    return batcher


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


ServiceOf = Annotated[Service, Depends(_service)]
BatcherOf = Annotated[Batcher[Asked, Answer], Depends(_batcher)]
MetricsOf = Annotated[Metrics, Depends(_metrics)]


@router.get("/", include_in_schema=False)
def page() -> FileResponse:
    """The search page."""
    return FileResponse(PAGE, headers={"Cache-Control": "no-cache"})


@router.get("/health/live")
def alive() -> schemas.Status:
    """Whether the process answers at all."""
    return schemas.Status(status="alive")


@router.get("/health/ready", responses=_problems(503))
def ready(request: Request, response: Response) -> Any:
    """Whether questions are answered: a model is loaded, and the server is not about to end."""
    if request.app.state.ready:
        return schemas.Status(status="ready")
    return JSONResponse({"detail": "The server is starting or ending. Ask again."}, 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
def prometheus(metrics: MetricsOf) -> Response:
    """Counts and times for Prometheus."""
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/model")
def model(service: ServiceOf) -> schemas.ModelInfo:
    """Which model answers, and what it searches."""
    live, gallery = service.live, service.live.gallery
    version = live.served.version
    example = service.example
    return schemas.ModelInfo(
        name=version.name,
        version=version.version,
        uri=live.served.address,
        dataset=live.dataset,
        categories=gallery.categories,
        images=len(gallery),
        index=schemas.IndexInfo(kind=gallery.kind, recall_at_10=gallery.recall_at_10),
        loaded_at=live.loaded_at,
        example=None if example is None else schemas.Example(id=example.image_id, text=example.text),
    )


@router.get("/api/images")
def images(
    service: ServiceOf,
    category: Annotated[str, Query(max_length=100, description="only of this category")] = "",
    query: Annotated[str, Query(max_length=schemas.MAX_ID, description="part of the id")] = "",
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=schemas.MAX_PAGE)] = 60,
    shuffle: Annotated[
        int | None, Query(ge=0, le=2**31, description="seed of an order; none: as they came")
    ] = None,
) -> schemas.GalleryPage:
    """Images of the gallery, some at a time."""
    gallery = service.live.gallery
    found = gallery.browse(category=category or None, part=query, offset=offset, limit=limit, shuffle=shuffle)
    listed = [
        schemas.GalleryImage(id=name, categories=list(gallery.categories_of(name))) for name in found.ids
    ]
    return schemas.GalleryPage(total=found.total, images=listed)


@router.get(
    "/api/images/{image_id:path}/picture",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {}}}, 304: {"description": "as it was"}, **_problems(404)},
)
def picture(image_id: str, request: Request, service: ServiceOf) -> Response:
    """The picture of an image, upright and no larger than a page needs."""
    content = service.picture(image_id)
    if content is None:
        raise NotFoundError(f"{image_id}: the gallery has no picture of this id.")
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": _CACHED}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


@router.post("/api/images", status_code=201, responses=_problems(409, *_LARGE))
async def add_image(
    service: ServiceOf,
    file: Annotated[UploadFile, File(description="a picture file", json_schema_extra={"format": "binary"})],
    id: Annotated[schemas.NewId, Form()],
    categories: Annotated[
        list[schemas.Category], Form(default_factory=list, max_length=schemas.MAX_CATEGORIES)
    ],
) -> schemas.GalleryImage:
    """Add an image. When this answers, it is on the disk and can be found."""
    content = await file.read()
    kept = await _in(service.decoders, lambda: service.decode(content), "file")
    names = list(dict.fromkeys(categories))
    await _in(service.changes, lambda: service.add(id, names, kept))
    return schemas.GalleryImage(id=id, categories=names)


@router.delete("/api/images/{image_id:path}", status_code=204, responses=_problems(403, 404, 503))
async def remove_image(image_id: str, service: ServiceOf) -> None:
    """Delete an image and its picture for good."""
    await _in(service.changes, lambda: service.remove(image_id))


@router.post("/api/search", responses=_problems(404, *_LARGE))
async def search(
    request: schemas.SearchRequest, service: ServiceOf, batcher: BatcherOf
) -> schemas.SearchAnswer:
    """Search the gallery with a picture and a sentence."""
    started = time.perf_counter()
    asked = await _in(service.decoders, lambda: _prepared(service, request), "image")
    answer = await batcher.ask(asked)
    gallery = asked.live.gallery
    return schemas.SearchAnswer(
        results=[
            schemas.SearchResult(id=name, score=score, categories=list(gallery.categories_of(name)))
            for name, score in zip(answer.ids, answer.scores, strict=True)
        ],
        image_weight=answer.image_weight,
        image_weight_cnn=answer.image_weight_cnn,
        image_weight_clip=answer.image_weight_clip,
        learned_image_weight=answer.learned_image_weight,
        model_version=asked.live.served.version.version,
        took_ms=1000 * (time.perf_counter() - started),
    )


@router.post("/api/explain", responses=_problems(404, *_LARGE))
async def explain(request: schemas.SearchRequest, service: ServiceOf) -> schemas.ExplainAnswer:
    """Say why the first result is found: what each word does, and where it looks."""
    asked = await _in(service.decoders, lambda: _prepared(service, request), "image")
    return explain_answer(await _in(service.changes, lambda: service.explain(asked)))


def _prepared(service: Service, request: schemas.SearchRequest) -> Asked:
    """The question of a request. Raises ValueError for what cannot be read."""
    if (request.image is None) == (request.image_id is None):
        raise ValueError("Give either image, a picture in base64, or image_id, and not both.")
    content = (
        _bytes(request.image) if request.image is not None else service.reference(request.image_id or "")
    )
    return service.prepare(
        Question(
            image=content,
            text=request.text,
            k=request.k,
            image_weight=request.image_weight,
            category=request.category or None,
        )
    )


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"image is not valid base64 ({error}). Encode the picture file's bytes.") from error


async def _in(executor: Executor, work: Callable[[], R], field: str = "") -> R:
    """Do work in another thread; its ValueError becomes FastAPI's form of "this field is wrong"."""
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    except ValueError as error:
        if not field:
            raise
        problem = {"type": "value_error", "loc": ("body", field), "msg": str(error)}
        raise RequestValidationError([problem]) from error
