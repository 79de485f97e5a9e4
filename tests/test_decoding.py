"""Every kind of picture file that real catalogues hold is decoded the right way, or refused in a sentence."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dwc.decoding import TooLargeError, decode, open_picture, own_size_limit


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG of raw rows, for kinds that Pillow reads and does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def corner(data: bytes) -> tuple[int, ...]:
    picture = open_picture(data)
    assert picture.mode == "RGB"
    return picture.getpixel((0, 0))


def test_grey_with_alpha_stands_on_white() -> None:
    assert corner(encoded(Image.new("LA", (4, 4), (0, 0)))) == (255, 255, 255)
    assert corner(encoded(Image.new("LA", (4, 4), (40, 255)))) == (40, 40, 40)


def test_a_transparent_palette_colour_is_white() -> None:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([10, 20, 30, 200, 0, 0])
    assert corner(encoded(picture)) == (200, 0, 0)
    assert corner(encoded(picture, transparency=1)) == (255, 255, 255)
    assert corner(encoded(picture, "GIF", transparency=1)) == (255, 255, 255)


@pytest.mark.parametrize(("value", "shown"), [(65535, 255), (32896, 128), (200, 1), (0, 0)])
def test_sixteen_bit_grey_is_scaled_even_where_it_is_dark(value: int, shown: int) -> None:
    picture = Image.fromarray(np.full((4, 4), value, dtype=np.uint16))
    assert corner(encoded(picture)) == corner(encoded(picture, "TIFF")) == (shown,) * 3


def test_sixteen_bit_colour_and_alpha_are_scaled() -> None:
    colour = struct.pack(">HHH", 65535, 32896, 0)
    assert corner(png(1, 1, 16, 2, b"\0" + colour)) == (255, 128, 0)
    assert corner(png(1, 1, 16, 6, b"\0" + colour + struct.pack(">H", 0))) == (255, 255, 255)
    assert corner(png(1, 1, 16, 4, b"\0" + struct.pack(">HH", 32896, 65535))) == (128, 128, 128)


def test_floating_point_grey_is_scaled_by_its_range() -> None:
    for values, shown in (([0.5, 1.0], 128), ([100.0, 255.0], 100), ([np.nan, 1.0], 0)):
        picture = Image.fromarray(np.array([values], dtype=np.float32))
        assert corner(encoded(picture, "TIFF")) == (shown,) * 3


def turned(orientation: int) -> bytes:
    """A picture, stored as the EXIF orientation says, whose upright form is red at the top left alone."""
    upright = Image.new("RGB", (32, 16), "white")
    upright.paste("red", (0, 0, 16, 8))
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    exif = stored.getexif()
    exif[0x0112] = orientation
    return encoded(stored, "JPEG", exif=exif, quality=95)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int) -> None:
    picture = open_picture(turned(orientation))
    assert picture.size == (32, 16)
    red, elsewhere = (
        picture.getpixel((4, 3)),
        [picture.getpixel(place) for place in ((28, 3), (4, 12), (28, 12))],
    )
    assert red[0] > 200 > 100 > red[1]
    assert all(min(colour) > 200 for colour in elsewhere)


def test_broken_exif_data_leave_the_picture_as_it_is() -> None:
    good = turned(6)
    place = good.index(b"Exif\0\0") + 6
    broken = good[:place] + b"\xff" * 20 + good[place + 20 :]
    assert open_picture(broken).size == (16, 32)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_shows_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert corner(data) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_the_content_counts_and_not_the_suffix(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(encoded(Image.new("RGB", (16, 16), (250, 10, 10)), kind))
    red, green, blue = open_picture(file).getpixel((8, 8))
    assert red > 220 and green < 40 and blue < 40


def test_a_bomb_is_refused_by_its_header() -> None:
    """20,000 × 20,000 pixels would be 1.2 GB."""
    bomb = png(20_000, 20_000, 8, 2, b"\0")
    tracemalloc.start()
    try:
        with own_size_limit(), pytest.raises(TooLargeError, match="20000 × 20000 pixels") as refusal:
            decode(io.BytesIO(bomb), max_megapixels=100)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert refusal.value.size == (20_000, 20_000)
    with pytest.raises(ValueError, match=r"uploaded image: .*raise validate\.max_megapixels"):
        open_picture(bomb)


def test_a_raised_limit_is_the_only_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow alone warns above its limit and refuses above twice of it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    large = encoded(Image.new("RGB", (50, 50)))
    with pytest.raises(ValueError, match="uploaded image"):
        open_picture(large)
    with own_size_limit():
        assert open_picture(large).size == (50, 50)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_every_truncation_is_an_error_that_says_so() -> None:
    noise = Image.effect_noise((40, 30), 60).convert("RGB")
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF"):
        whole = encoded(noise, kind)
        for length in (0, 10, len(whole) // 3, len(whole) - 30):
            with own_size_limit(), pytest.raises(ValueError, match="uploaded image: cannot be decoded"):
                open_picture(whole[:length])


def test_random_damage_is_never_another_kind_of_error() -> None:
    random = np.random.default_rng(1)
    noise = Image.effect_noise((24, 20), 60).convert("RGB")
    exif = noise.getexif()
    exif[0x0112] = 6
    seeds = [encoded(noise, kind, exif=exif) for kind in ("JPEG", "PNG", "WEBP")]
    refused = 0
    with own_size_limit():
        for number in range(600):
            data = bytearray(seeds[number % 3])
            for place in random.integers(0, min(len(data), 300), size=6):
                data[place] = random.integers(256)
            try:
                open_picture(bytes(data), max_megapixels=1)
            except ValueError:
                refused += 1
    assert 100 < refused < 600


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    for name in ("folder.jpg", "nothing.jpg"):
        with pytest.raises(ValueError, match=name):
            open_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((800, 1200), 100, (100, 150)),
        ((1200, 800), 101, (300, 200)),
        ((800, 1200), 400, (400, 600)),
        ((800, 1200), 401, (800, 1200)),
        ((800, 1200), 2000, (800, 1200)),
    ],
)
def test_a_large_jpeg_is_decoded_at_the_scale_that_suffices(
    size: tuple[int, int], short_side: int, expected: tuple[int, int]
) -> None:
    jpeg, png = (encoded(Image.new("RGB", size, "red"), kind) for kind in ("JPEG", "PNG"))
    assert open_picture(jpeg, short_side=short_side).size == expected
    assert open_picture(png, short_side=short_side).size == size


def test_a_turned_jpeg_at_a_smaller_scale_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_picture(
        encoded(Image.new("RGB", (800, 400), "red"), "JPEG", exif=exif), short_side=100
    ).size == (
        100,
        200,
    )
