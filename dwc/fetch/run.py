"""Fetching many pictures, a few at a time; what did not come is listed with the reason."""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx

from dwc.fetch.links import Links
from dwc.fetch.picture import Picture, Unavailable, fetch
from dwc.files import atomic_file
from dwc.tables.lookalikes import SUFFIXES

Progress = Callable[[int, int], None]
Fetch = Callable[[str], Awaitable[Picture]]


class DeadLink(NamedTuple):
    """A picture that did not come. `lasting`: `yes` where asking again is of no use, else `no`."""

    image_id: str
    address: str
    reason: str
    lasting: str


@dataclass
class Outcome:
    """What became of the links: pictures that came, pictures that were there before, links that are dead."""

    fetched: int = 0
    present: int = 0
    dead: list[DeadLink] = field(default_factory=list)


async def fetch_images(
    links: Links,
    folder: Path,
    report: Path,
    *,
    connections: int = 8,
    attempts: int = 4,
    first_wait: float = 0.5,
    time_limit: float = 30.0,
    max_bytes: int = 50_000_000,
    min_side: int = 32,
    again: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Fetch every picture that `folder` lacks into it as <id>.<suffix>, each file whole or not at all.

    `report` (CSV) gets the links that are dead, also on interruption. The same call goes on where an earlier
    one ended; links that the report names as lastingly dead are asked again only with `again`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lacking = _lacking(links, folder)
    dead = [] if again else _lastingly_dead(report, lacking)
    outcome = Outcome(present=len(links) - len(lacking), dead=dead)
    given_up = {link.image_id for link in dead}
    wanted = [name for name in lacking if name not in given_up]
    limits = httpx.Limits(max_connections=connections)
    try:
        async with httpx.AsyncClient(follow_redirects=True, limits=limits, timeout=time_limit) as client:
            fetch_one = partial(
                fetch,
                client,
                attempts=attempts,
                first_wait=first_wait,
                time_limit=time_limit,
                max_bytes=max_bytes,
                min_side=min_side,
            )
            named = iter([(name, links[name]) for name in wanted])
            counted = _counter(progress, len(links) - len(wanted), len(links))
            async with asyncio.TaskGroup() as group:
                for _ in range(connections):
                    group.create_task(_work(named, fetch_one, folder, outcome, counted))
    finally:
        _write_report(outcome.dead, report)
    return outcome


async def _work(
    named: Iterator[tuple[str, Sequence[str]]],
    fetch_one: Fetch,
    folder: Path,
    outcome: Outcome,
    counted: Callable[[], None],
) -> None:
    """Take one picture after another; the workers share the iterator."""
    for name, addresses in named:
        dead = await _obtain(name, addresses, fetch_one, folder)
        if dead is None:
            outcome.fetched += 1
        else:
            outcome.dead.append(dead)
        counted()


async def _obtain(name: str, addresses: Sequence[str], fetch_one: Fetch, folder: Path) -> DeadLink | None:
    """Fetch a picture from the first address that has it; otherwise say what the last one answered."""
    lasting = True
    for address in addresses:
        try:
            picture = await fetch_one(address)
        except Unavailable as unavailable:
            lasting &= unavailable.lasting
            dead = DeadLink(name, address, str(unavailable), "yes" if lasting else "no")
        else:
            with atomic_file(folder / f"{name}{picture.suffix}") as file:
                file.write_bytes(picture.content)
            return None
    return dead


def _counter(progress: Progress | None, done: int, total: int) -> Callable[[], None]:
    def counted() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return counted


def _lacking(links: Links, folder: Path) -> list[str]:
    there = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 -- no Path for each of 70,000 names
            if suffix.lower() in SUFFIXES and not entry.name.startswith("."):
                there.add(stem)
    return [name for name in links if name not in there]


def _lastingly_dead(report: Path, lacking: Sequence[str]) -> list[DeadLink]:
    if not report.is_file():
        return []
    wanted = set(lacking)
    with report.open(encoding="utf-8", newline="") as file:
        rows = [DeadLink(*(row.get(name) or "" for name in DeadLink._fields)) for row in csv.DictReader(file)]
    return [row for row in rows if row.lasting == "yes" and row.image_id in wanted]


def _write_report(dead: Sequence[DeadLink], report: Path) -> None:
    with atomic_file(report) as file, file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(DeadLink._fields)
        writer.writerows(sorted(dead))
