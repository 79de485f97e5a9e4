"""Fetching one picture: what counts as gone for good, what is tried again, and what is a picture at all."""

from __future__ import annotations

import asyncio
import io
import random
from typing import NamedTuple

import httpx
from PIL import Image

from dwc.decoding import UndecodableError, decode

TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
MAX_WAIT = 60.0
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}  # the others are named as their format


class Unavailable(Exception):  # noqa: N818 -- it is a finding about a link, not an error
    """A picture did not come. `lasting`: asking again is of no use; `wait`: seconds the server asks for."""

    def __init__(self, reason: str, *, lasting: bool, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.lasting = lasting
        self.wait = wait


class Picture(NamedTuple):
    """A picture's file as it came, and the suffix that fits its content."""

    content: bytes
    suffix: str


async def fetch(
    client: httpx.AsyncClient,
    address: str,
    *,
    attempts: int,
    first_wait: float,
    time_limit: float,
    max_bytes: int,
    min_side: int,
) -> Picture:
    """Fetch and verify a picture, with waits that double from `first_wait` seconds between attempts.

    `time_limit`: seconds for one attempt; `min_side`: a smaller picture is a placeholder, pixels.
    Raises Unavailable with the last attempt's reason.
    """
    for attempt in range(attempts):
        try:
            async with asyncio.timeout(time_limit):
                content = await _download(client, address, max_bytes)
            return await asyncio.to_thread(verified, content, min_side)
        except TimeoutError:
            problem = Unavailable(f"no answer within {time_limit:g} seconds", lasting=False)
        except Unavailable as unavailable:
            problem = unavailable
        if problem.lasting:
            break
        if attempt + 1 < attempts:
            doubled = first_wait * 2**attempt * random.uniform(0.75, 1.25)
            await asyncio.sleep(min(max(doubled, problem.wait), MAX_WAIT))
    raise problem


async def _download(client: httpx.AsyncClient, address: str, max_bytes: int) -> bytes:
    content = bytearray()
    try:
        async with client.stream("GET", address) as response:
            _require_success(response)
            async for part in response.aiter_bytes():
                content += part
                if len(content) > max_bytes:
                    raise Unavailable(f"is larger than {max_bytes / 1e6:g} MB", lasting=True)
    except (httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise Unavailable(f"{error}", lasting=True) from error
    except httpx.HTTPError as error:
        raise Unavailable(f"{type(error).__name__}: {error}".rstrip(": "), lasting=False) from error
    return bytes(content)


def _require_success(response: httpx.Response) -> None:
    if not response.is_success:
        wait = response.headers.get("Retry-After", "")
        raise Unavailable(
            f"HTTP {response.status_code}",
            lasting=response.status_code not in TRY_AGAIN,
            wait=float(wait) if wait.isdecimal() else 0.0,
        )


def verified(content: bytes, min_side: int) -> Picture:
    """Make sure that what came is a whole picture. Raises Unavailable, not lastingly if it is cut short."""
    try:
        picture = decode(io.BytesIO(content), max_megapixels=100)
        with Image.open(io.BytesIO(content)) as header:
            kind = header.format or ""
    except UndecodableError as error:
        began_as_picture = error.size != (0, 0)
        raise Unavailable(f"what came {error}", lasting=not began_as_picture) from error
    if min(picture.size) < min_side:
        width, height = picture.size
        raise Unavailable(f"what came is a placeholder of {width} × {height} pixels", lasting=True)
    return Picture(content, SUFFIXES.get(kind, f".{kind.lower()}"))
