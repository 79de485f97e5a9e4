"""Files of links: an image id and its address on each line, as FashionIQ's `asin2url.<category>.txt` have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dwc.raw.annotations import file_stem, read_text

PATTERN = "asin2url.*.txt"

Links = dict[str, list[str]]
"""Image id -> its addresses, the first named first."""


def read_links(places: Iterable[Path]) -> Links:
    """Read files of links, and those named `asin2url.*.txt` of folders. An id may have several addresses.

    Raises ValueError naming file and line where a line is no id with an address.
    """
    links: Links = {}
    for file in _files(places):
        for number, line in enumerate(read_text(file).splitlines(), start=1):
            if line.strip():
                name, address = _parse(line, f"{file}: line {number}")
                addresses = links.setdefault(name, [])
                if address not in addresses:
                    addresses.append(address)
    return links


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        files = sorted(place.glob(PATTERN)) if place.is_dir() else [place]
        if not files or not files[0].is_file():
            raise ValueError(f"{place}: no file of links, and no folder with {PATTERN}.")
        yield from files


def _parse(line: str, where: str) -> tuple[str, str]:
    words = line.split()
    if len(words) != 2 or not words[1].lower().startswith(("http://", "https://")):
        raise ValueError(f"{where}: expected an image id and an http address, with a space or tab between.")
    return file_stem(words[0], where), words[1]
