"""Every kind of picture that a catalogue holds becomes the same upright RGB square, or a clear error."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dwc.decoding import open_picture
from dwc.store.pictures import square
from dwc.store.pixels import build_pixels, open_pixels


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def colour_of(data: bytes) -> tuple[int, ...]:
    picture = open_picture(data)
    assert picture.mode == "RGB"
    return picture.getpixel((1, 1))


def test_grey_palette_and_cmyk_become_rgb() -> None:
    assert colour_of(encoded(Image.new("L", (4, 4), 200))) == (200, 200, 200)
    assert colour_of(encoded(Image.new("RGB", (4, 4), (10, 200, 30)).quantize(4))) == (10, 200, 30)
    red, green, blue = colour_of(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert red > 230 and green < 25 and blue < 25


def test_transparency_is_put_on_white() -> None:
    assert colour_of(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))) == (255, 255, 255)
    assert colour_of(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 255)))) == (255, 0, 0)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    half = Image.fromarray(np.full((4, 4), 32768, dtype=np.uint16))
    assert colour_of(encoded(half))[0] in (127, 128)


def test_exif_rotation_is_applied() -> None:
    picture = Image.new("RGB", (8, 4), "white")
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    assert open_picture(encoded(picture, "JPEG", exif=exif)).size == (4, 8)


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    assert colour_of(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])) == (255, 0, 0)


def test_square_takes_the_centre() -> None:
    wide = Image.new("RGB", (30, 10), "red")
    wide.paste("blue", (10, 0, 20, 10))
    pixels = square(wide, 10)
    assert pixels.shape == (10, 10, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == (0, 0, 255)).all()


def test_a_single_pixel_can_be_scaled_up() -> None:
    assert (square(Image.new("RGB", (1, 1), (1, 2, 3)), 8) == (1, 2, 3)).all()


@pytest.mark.parametrize(
    "data", [b"", b"no picture", encoded(Image.new("RGB", (64, 64), "red"), "JPEG")[:300]]
)
def test_undecodable_data_is_a_clear_error(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.jpg"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"broken\.jpg: cannot be decoded .*Replace or remove it"):
        open_picture(file)


def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(ValueError, match=r"2000 × 1000 pixels are more than 1 megapixels"):
        open_picture(encoded(Image.new("1", (2000, 1000))), max_megapixels=1.0)


def test_the_pixel_store_keeps_the_order(tmp_path: Path) -> None:
    paths = []
    for number in range(5):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (9, 7), (number, 0, 0)).save(paths[-1])
    calls: list[tuple[int, int]] = []
    build_pixels(paths, tmp_path / "pixels.npy", 4, workers=3, progress=lambda *done: calls.append(done))
    pixels = open_pixels(tmp_path / "pixels.npy")
    assert pixels.shape == (5, 4, 4, 3)
    assert [int(image[0, 0, 0]) for image in pixels] == [0, 1, 2, 3, 4]
    assert calls[-1] == (5, 5)
