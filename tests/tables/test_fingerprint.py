"""Pictures stored again are found among others, and found the same way as by comparing all with all."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from dwc.tables.fingerprint import (
    MAX_BITS,
    MAX_COLOUR_LEVELS,
    Fingerprints,
    fingerprint,
    nearest_duplicates,
)
from tests.real_data import real_data


def as_rows(pictures: list[Image.Image]) -> Fingerprints:
    joined = b"".join(fingerprint(picture.convert("RGB")) for picture in pictures)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 64)


def photos(every: int) -> list[Image.Image]:
    files = sorted(real_data("photos").rglob("*.jpg"))[::every]
    return [Image.open(file).convert("RGB") for file in files]


def stored_again(picture: Image.Image, kind: str, quality: int, scale: float) -> Image.Image:
    buffer = io.BytesIO()
    size = (round(scale * picture.width), round(scale * picture.height))
    picture.resize(size).save(buffer, kind, quality=quality)
    return Image.open(buffer)


def test_bits_and_colours_are_where_they_belong() -> None:
    """Brighter from left to right: every cell is darker than its right neighbour, none than its lower one."""
    ramp = np.tile(np.arange(0, 225, 25, dtype=np.uint8), (9, 1))
    rows = as_rows([Image.fromarray(ramp).resize((90, 90), Image.Resampling.NEAREST)])
    assert rows[0, :16].tolist() == [255] * 8 + [0] * 8
    assert rows[0, 16:19].tolist() == [rows[0, 16]] * 3  # grey: the three colours are equal
    assert rows[0, 16] < rows[0, 25]


@pytest.mark.parametrize(
    ("kind", "quality", "scale"), [("JPEG", 40, 0.5), ("WEBP", 70, 1.0), ("PNG", 0, 0.7)]
)
def test_photographs_stored_again_are_found_and_no_others(kind: str, quality: int, scale: float) -> None:
    originals = photos(every=15)
    again = [stored_again(picture, kind, quality, scale) for picture in originals[::2]]
    match = nearest_duplicates(as_rows(again), as_rows(originals))
    assert (match == np.arange(0, len(originals), 2)).mean() >= 0.95
    assert set(match) <= {-1, *range(0, len(originals), 2)}


def test_different_photographs_are_no_duplicates() -> None:
    rows = as_rows([picture.resize((200, 150)) for picture in photos(every=4)])
    half = len(rows) // 2
    assert (nearest_duplicates(rows[:half], rows[half:]) == -1).all()


def test_one_garment_in_two_colours_is_no_duplicate() -> None:
    red = Image.effect_noise((64, 64), 90).convert("RGB")
    blue = Image.merge("RGB", red.split()[::-1])
    channels = list(red.split())
    channels[0] = channels[0].point(lambda level: min(255, level + 60))
    assert nearest_duplicates(as_rows([red]), as_rows([blue])).tolist() == [0]  # grey noise: the same picture
    assert nearest_duplicates(as_rows([red]), as_rows([Image.merge("RGB", channels)])).tolist() == [-1]


def random_rows(random: np.random.Generator, count: int) -> Fingerprints:
    """Skewed bits, as pictures on a white ground have them, and similar colours."""
    chances = np.where(np.arange(128) % 16 < 8, 0.03, 0.5)
    bits = np.packbits(random.random((count, 128)) < chances, axis=1)
    return np.concatenate([bits, random.integers(100, 110, (count, 48), dtype=np.uint8)], axis=1)


def test_the_banded_search_finds_what_comparing_all_finds() -> None:
    random = np.random.default_rng(3)
    others = random_rows(random, 400)
    queries = others[random.integers(400, size=300)].copy()
    for row in queries:
        for bit in random.choice(128, random.integers(0, 12), replace=False):
            row[bit // 8] ^= 1 << (bit % 8)
    bits = [np.unpackbits(part[:, :16], axis=1).astype(int) for part in (queries, others)]
    distance = np.abs(bits[0][:, None] - bits[1][None]).sum(axis=2)
    apart = np.abs(queries[:, None, 16:].astype(int) - others[None, :, 16:]).mean(axis=2)
    allowed = np.where((distance <= MAX_BITS) & (apart <= MAX_COLOUR_LEVELS), distance, 999)
    match = nearest_duplicates(queries, others)
    found = match >= 0
    assert (found == (allowed.min(axis=1) < 999)).all()
    assert 100 < found.sum() < 300
    rows = np.flatnonzero(found)
    assert (allowed[rows, match[rows]] == allowed[rows].min(axis=1)).all()


def test_seventy_five_thousand_take_seconds() -> None:
    random = np.random.default_rng(4)
    rows = random_rows(random, 75_000)
    start = time.process_time()
    nearest_duplicates(rows[:25_000], rows[25_000:])
    assert time.process_time() - start < 30


def test_nothing_is_like_nothing() -> None:
    rows = random_rows(np.random.default_rng(5), 3)
    assert nearest_duplicates(rows, rows[:0]).tolist() == [-1, -1, -1]
    assert nearest_duplicates(rows[:0], rows).tolist() == []
