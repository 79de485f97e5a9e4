"""Fetching pictures from a server on this machine that fails in every way a shop's does."""

from __future__ import annotations

import asyncio
import csv
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from dwc.cli import app
from dwc.fetch.links import read_links
from dwc.fetch.run import Outcome, fetch_images
from tests.fetch.shop import Shop, open_shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def run(shop: Shop, folder: Path, *names: str, **options: Any) -> Outcome:
    links = {name: [f"{shop.address}/{name}"] for name in names}
    settings = {"first_wait": 0.01, "time_limit": 5.0, "attempts": 3} | options
    return asyncio.run(fetch_images(links, folder, folder.with_name("dead.csv"), **settings))


def dead(folder: Path) -> dict[str, tuple[str, str]]:
    with folder.with_name("dead.csv").open() as file:
        return {row["image_id"]: (row["reason"], row["lasting"]) for row in csv.DictReader(file)}


def test_pictures_come_as_they_are_and_named_by_their_content(shop: Shop, tmp_path: Path) -> None:
    folder, seen = tmp_path / "images", []
    outcome = run(shop, folder, "good-a", "png", "moved", progress=lambda *done: seen.append(done))
    assert (outcome.fetched, outcome.present, outcome.dead) == (3, 0, [])
    assert sorted(path.name for path in folder.iterdir()) == ["good-a.jpg", "moved.jpg", "png.png"]
    assert (folder / "good-a.jpg").read_bytes() == shop.picture
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert dead(folder) == {}


def test_what_fails_for_a_moment_is_asked_again(shop: Shop, tmp_path: Path) -> None:
    outcome = run(shop, tmp_path / "images", "ill", "short-once")
    assert outcome.fetched == 2
    assert shop.asked == {"ill": 2, "short-once": 2}
    assert (tmp_path / "images" / "short-once.jpg").read_bytes() == shop.picture


LASTING = {
    "gone": "HTTP 404",
    "page": "what came is no picture",
    "pixel": "what came is a placeholder of 1 × 1 pixels",
    "circle": "Exceeded maximum allowed redirects",
    "large": "is larger than 0.2 MB",
}


@pytest.mark.parametrize("name", LASTING)
def test_what_is_gone_for_good_is_asked_once_and_not_in_the_next_run(
    name: str, shop: Shop, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    run(shop, folder, name, max_bytes=200_000)
    reason, lasting = dead(folder)[name]
    assert reason.startswith(LASTING[name])
    assert lasting == "yes"
    assert list(folder.iterdir()) == []
    asked = shop.asked[name]
    assert asked == 1 or name == "circle"
    assert [link.image_id for link in run(shop, folder, name).dead] == [name]
    assert shop.asked[name] == asked
    run(shop, folder, name, again=True)
    assert shop.asked[name] > asked


@pytest.mark.parametrize(
    ("name", "told"),
    [("always-ill", "HTTP 503"), ("short", "RemoteProtocolError"), ("slow", "no answer within 0.2 seconds")],
)
def test_what_keeps_failing_is_reported_and_asked_in_the_next_run(
    name: str, told: str, shop: Shop, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    shop.slow = 0.5
    run(shop, folder, name, time_limit=0.2 if name == "slow" else 5.0, attempts=2)
    reason, lasting = dead(folder)[name]
    assert reason.startswith(told)
    assert lasting == "no"
    assert shop.asked[name] == 2
    assert list(folder.iterdir()) == []
    run(shop, folder, name, time_limit=0.2 if name == "slow" else 5.0, attempts=2)
    assert shop.asked[name] == 4


def test_a_dead_server_is_no_crash(tmp_path: Path) -> None:
    with open_shop() as closed:
        pass
    outcome = run(closed, tmp_path / "images", "good", attempts=1)
    assert outcome.dead[0].reason.startswith("ConnectError")


def test_only_so_many_are_fetched_at_a_time(shop: Shop, tmp_path: Path) -> None:
    run(shop, tmp_path / "images", *(f"good-{number}" for number in range(20)), connections=3)
    assert 1 < shop.most_at_once <= 3


def test_what_is_there_is_not_fetched_again(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "good-a.png").write_bytes(b"mine")
    outcome = run(shop, folder, "good-a", "good-b")
    assert (outcome.fetched, outcome.present) == (1, 1)
    assert shop.asked == {"good-b": 1}


def test_the_second_address_helps_where_the_first_is_dead(shop: Shop, tmp_path: Path) -> None:
    links = {"a": [f"{shop.address}/gone", f"{shop.address}/good-a"]}
    outcome = asyncio.run(fetch_images(links, tmp_path / "images", tmp_path / "dead.csv"))
    assert outcome.fetched == 1
    assert not outcome.dead


def test_an_interrupted_run_goes_on(shop: Shop, tmp_path: Path) -> None:
    names = [f"good-{number:03}" for number in range(400)]
    links, folder = tmp_path / "asin2url.dress.txt", tmp_path / "images"
    links.write_text("".join(f"{name}\t{shop.address}/{name}\n" for name in ["gone", *names]))
    start = [sys.executable, "-c", "from dwc.cli import app; app()"]
    command = [*start, "fetch-images", str(links), "--out", str(folder), "--connections", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while sum(shop.asked.values()) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "goes on from here" in told
    assert "Traceback" not in told
    came = {path.name for path in folder.iterdir()}
    assert 0 < len(came) < 400
    for name in came:
        with Image.open(folder / name) as whole:
            whole.load()
    before = shop.asked.copy()
    result = CliRunner().invoke(app, ["fetch-images", str(links), "--out", str(folder)])
    assert result.exit_code == 0
    assert f"{400 - len(came)} pictures fetched, {len(came)} were there" in result.output
    assert "Dead links: 1," in result.output
    assert len(list(folder.iterdir())) == 400
    assert all(shop.asked[Path(name).stem] == before[Path(name).stem] for name in came)
    assert shop.asked["gone"] == 1
    assert (tmp_path / "images_dead_links.csv").read_text().count("gone") == 2  # the id and its address


def test_links_of_a_folder_and_their_errors(tmp_path: Path) -> None:
    (tmp_path / "asin2url.dress.txt").write_text("B1 \t http://a/1.jpg\n\nB2\thttp://a/2.jpg\n")
    (tmp_path / "asin2url.shirt.txt").write_text("B2\thttp://a/2.jpg\nB1\thttp://b/1.jpg\n")
    assert read_links([tmp_path]) == {"B1": ["http://a/1.jpg", "http://b/1.jpg"], "B2": ["http://a/2.jpg"]}
    bad = tmp_path / "bad.txt"
    for line, told in {
        "B1": "line 2: expected an image id",
        "B1 ftp://a": "line 2: expected",
        "../../B1 http://a": "is a path",
    }.items():
        bad.write_text(f"B0 http://a\n{line}\n")
        with pytest.raises(ValueError, match=told):
            read_links([bad])
    with pytest.raises(ValueError, match="no file of links"):
        read_links([tmp_path / "nothing"])
