"""Perceptual fingerprints, and the pictures of one set that nearly equal one of another.

A fingerprint holds 128 bits that say, on a 9 × 9 grid of brightness, whether each cell is darker than its
right and its lower neighbour, and the mean colours of a 4 × 4 grid. Two pictures are near-duplicates where
at most 7 bits differ, and the colours by at most 8 of 255 levels on average. That finds pictures stored again
with another size, quality or format. It finds neither crops nor mirror images, and keeps apart one garment in
two colours.

At most 7 differing bits leave at least one of 8 bands of 16 bits equal, so only pictures that share a band
are compared: seconds for 75,000 of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

MAX_BITS = 7
MAX_COLOUR_LEVELS = 8.0
_BITS, _COLOURS = 16, 48  # bytes
_CHUNK = 2_000_000  # comparisons held in memory at a time

Fingerprints = UInt8[np.ndarray, "pictures 64"]


def fingerprint(picture: Image.Image) -> bytes:
    """The 64 bytes of an RGB picture: 16 of bits, 48 of colours."""
    grey = np.asarray(picture.convert("L").resize((9, 9), Image.Resampling.BOX))
    darker = np.stack([grey[:8, :8] < grey[:8, 1:], grey[:8, :8] < grey[1:, :8]])
    colours = np.asarray(picture.resize((4, 4), Image.Resampling.BOX))
    return np.packbits(darker).tobytes() + colours.tobytes()


def nearest_duplicates(queries: Fingerprints, others: Fingerprints) -> Int[np.ndarray, " queries"]:
    """For each query the row of the nearest near-duplicate in `others`, -1 where there is none."""
    unique_queries, back = np.unique(queries, axis=0, return_inverse=True)
    unique_others, first = np.unique(others, axis=0, return_index=True)
    if not len(queries) or not len(others):
        return np.full(len(queries), -1)
    found = _nearest(unique_queries, unique_others)[back.ravel()]
    return np.where(found >= 0, first[found], -1)


def _nearest(queries: Fingerprints, others: Fingerprints) -> Int[np.ndarray, " queries"]:
    query_bits, other_bits = _bits(queries), _bits(others)
    query_colours, other_colours = (part[:, _BITS:].astype(np.int16) for part in (queries, others))
    best = np.full(len(queries), MAX_BITS + 1)
    match = np.full(len(queries), -1)
    for asked, held in _sharing_a_band(queries, others):
        distance = np.bitwise_count(query_bits[asked, None] ^ other_bits[None, held]).sum(axis=2)
        near, by = np.nonzero(distance <= MAX_BITS)
        apart = np.abs(query_colours[asked[near]] - other_colours[held[by]]).mean(axis=1)
        alike = apart <= MAX_COLOUR_LEVELS
        near, by = near[alike], by[alike]
        for row, other, bits in zip(asked[near], held[by], distance[near, by], strict=True):
            if bits < best[row]:
                best[row], match[row] = bits, other
    return match


def _sharing_a_band(
    queries: Fingerprints, others: Fingerprints
) -> Iterator[tuple[Int[np.ndarray, " asked"], Int[np.ndarray, " held"]]]:
    """Groups of rows to compare: within a group, all agree in one of the bands."""
    for band in range(_BITS // 2):
        query_band, other_band = (_band(part, band) for part in (queries, others))
        query_order, other_order = (
            np.argsort(query_band, kind="stable"),
            np.argsort(other_band, kind="stable"),
        )
        values, starts = np.unique(query_band[query_order], return_index=True)
        lows = np.searchsorted(other_band[other_order], values, side="left")
        highs = np.searchsorted(other_band[other_order], values, side="right")
        groups = np.split(query_order, starts[1:])
        for group, low, high in zip(groups, lows, highs, strict=True):
            rows = max(1, _CHUNK // max(1, high - low))
            for start in range(0, len(group) if high > low else 0, rows):
                yield group[start : start + rows], other_order[low:high]


def _bits(fingerprints: Fingerprints) -> np.ndarray:
    return np.ascontiguousarray(fingerprints[:, :_BITS]).view(np.uint64)


def _band(fingerprints: Fingerprints, band: int) -> np.ndarray:
    return np.ascontiguousarray(fingerprints[:, 2 * band : 2 * band + 2]).view(np.uint16).ravel()
