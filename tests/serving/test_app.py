"""The HTTP interface, with the tiny model and a real gallery."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from dwc.serving import guards
from dwc.serving.app import create_app
from dwc.serving.retriever import Retriever
from dwc.serving.service import Asked, Service
from tests.serving.shop import base64_of, live_of, open_shop, question
from tests.serving.tiny import Tiny


@pytest.fixture
def service(tiny: Tiny, tmp_path: Path) -> Iterator[Service]:
    with open_shop(tiny, tmp_path / "gallery") as opened:
        yield opened


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), base_url="http://127.0.0.1:8000") as opened:
        yield opened


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def add(client: TestClient, name: str, content: bytes, *categories: str) -> Any:
    return client.post("/api/images", data={"id": name, "categories": categories}, files={"file": content})


def found(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [result["id"] for result in answer.json()["results"]]


def test_answers_are_those_of_the_retriever(tiny: Tiny, retriever: Retriever, client: TestClient) -> None:
    """With an uploaded picture, or by an id; with all that can be asked for."""
    for row, wish in enumerate(({}, {"image_weight": 0.3}, {"category": "shirt", "k": 200}, {"k": 1})):
        picture = tiny.images[row]
        expected = retriever.search(
            picture.read_bytes(),
            ["is red", "has a stripe"],
            int(wish.get("k", 5)),  # type: ignore[call-overload]
            wish.get("image_weight"),  # type: ignore[arg-type]
            wish.get("category"),  # type: ignore[arg-type]
        )
        texts = {"text": ["is red", "has a stripe"]}
        for which in ({"image": base64_of(picture), "image_id": None}, {"image_id": picture.stem}):
            response = client.post("/api/search", json=question(**texts, **which, **wish))
            assert found(response) == expected.ids
            answer = response.json()
            scores = [result["score"] for result in answer["results"]]
            assert scores == pytest.approx(expected.scores, abs=1e-5)
            for name in ("image_weight", "image_weight_cnn", "image_weight_clip", "learned_image_weight"):
                assert answer[name] == pytest.approx(getattr(expected, name), abs=1e-5)
            assert answer["model_version"] == "1" and answer["took_ms"] > 0
    assert client.post("/api/search", json=question(image_weight=0.3)).json()[
        "learned_image_weight"
    ] != pytest.approx(0.3, abs=1e-3)


def test_what_is_served(client: TestClient) -> None:
    about = client.get("/api/model").json()
    assert {name: about[name] for name in ("name", "version", "dataset", "categories", "images")} == {
        "name": "dwc-wardrobe",
        "version": "1",
        "dataset": "wardrobe",
        "categories": ["dress", "shirt"],
        "images": 12,
    }
    assert about["index"] == {"kind": "flat", "recall_at_10": 1.0}
    assert about["example"] == {"id": "dress-0", "text": "is red"}
    assert client.delete("/api/images/dress-0").status_code == 204
    assert client.get("/api/model").json()["example"] is None
    assert client.get("/health/live").json() == {"status": "alive"}


def test_ready_only_while_it_answers(service: Service) -> None:
    app = create_app(service)
    assert TestClient(app).get("/health/ready").status_code == 503
    with TestClient(app) as client:
        assert client.get("/health/ready").json() == {"status": "ready"}


def test_browsing_and_pictures(tiny: Tiny, client: TestClient) -> None:
    page = client.get("/api/images", params={"category": "dress", "query": "1", "limit": 1}).json()
    assert page == {"total": 1, "images": [{"id": "dress-10", "categories": ["dress"]}]}
    shuffled = client.get("/api/images", params={"shuffle": 5, "limit": 200}).json()["images"]
    assert sorted(image["id"] for image in shuffled) == sorted(tiny.store.image_ids)
    response = client.get("/api/images/dress-2/picture")
    assert response.headers["content-type"] == "image/webp"
    picture = np.asarray(Image.open(io.BytesIO(response.content)).convert("RGB"))
    assert np.array_equal(picture, np.asarray(Image.open(tiny.images[2]).convert("RGB")))
    again = client.get("/api/images/dress-2/picture", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304 and not again.content
    assert client.get("/api/images/nothing/picture").status_code == 404


def test_an_image_is_added_found_shown_and_deleted(tiny: Tiny, client: TestClient) -> None:
    content = png(Image.open(tiny.images[4]).convert("RGB").rotate(180))
    added = add(client, "new/Kleid (rot) 1", content, "dress", "sale", "sale")
    assert added.status_code == 201
    assert added.json() == {"id": "new/Kleid (rot) 1", "categories": ["dress", "sale"]}
    assert found(client.post("/api/search", json=question(category="sale"))) == ["new/Kleid (rot) 1"]
    assert "sale" in client.get("/api/model").json()["categories"]
    assert client.get("/api/images/new/Kleid%20(rot)%201/picture").status_code == 200
    assert client.post("/api/search", json=question(image_id="new/Kleid (rot) 1")).status_code == 200
    taken = add(client, "new/Kleid (rot) 1", content)
    assert taken.status_code == 409 and "is in the gallery already" in taken.json()["detail"]
    assert client.delete("/api/images/new/Kleid%20(rot)%201").status_code == 204
    assert client.delete("/api/images/new/Kleid%20(rot)%201").status_code == 404
    assert client.get("/api/images/new/Kleid%20(rot)%201/picture").status_code == 404
    assert "new/Kleid (rot) 1" not in found(client.post("/api/search", json=question(k=200)))
    assert client.post("/api/search", json=question(category="sale")).status_code == 404


def test_what_was_changed_is_there_after_a_restart(tiny: Tiny, tmp_path: Path) -> None:
    with open_shop(tiny, tmp_path) as service, TestClient(create_app(service)) as client:
        assert add(client, "mine", tiny.images[1].read_bytes(), "hat").status_code == 201
        client.delete("/api/images/dress-4")
        before = client.post("/api/search", json=question(k=200)).json()["results"]
    with open_shop(tiny, tmp_path) as service, TestClient(create_app(service)) as client:
        assert client.post("/api/search", json=question(k=200)).json()["results"] == before
        assert client.get("/api/model").json()["images"] == 12
        assert client.get("/api/images/mine/picture").status_code == 200


def test_images_added_at_the_same_time(tiny: Tiny, client: TestClient) -> None:
    """Twelve requests for six ids: each id once, nothing lost."""
    contents = [path.read_bytes() for path in tiny.images]
    with ThreadPoolExecutor(12) as pool:
        responses = list(
            pool.map(lambda number: add(client, f"id-{number % 6}", contents[number]), range(12))
        )
    assert sorted(response.status_code for response in responses) == [201] * 6 + [409] * 6
    listed = client.get("/api/images", params={"query": "id-"}).json()
    assert sorted(image["id"] for image in listed["images"]) == [f"id-{number}" for number in range(6)]


def test_explaining(tiny: Tiny, retriever: Retriever, client: TestClient) -> None:
    expected = retriever.explain(tiny.images[2].read_bytes(), "is zebra red", category="shirt")
    answer = client.post(
        "/api/explain", json=question(image_id=tiny.images[2].stem, text="is zebra red", category="shirt")
    ).json()
    assert answer["judged"] == expected.answer.ids[0]
    assert answer["rank"] == expected.explanation.rank == 1
    assert [word["text"] for word in answer["words"]] == ["is", "zebra", "red"]
    assert [word["known"] for word in answer["words"]] == [True, False, True]
    for word, other in zip(answer["words"], expected.explanation.words, strict=True):
        assert word["score"] == pytest.approx(other.effect.score, abs=1e-5)
        assert word["change"] == pytest.approx(other.effect.change, abs=1e-5)
        assert np.allclose(word["attended"], other.attended, atol=1e-5)
        assert np.allclose(word["looked_at"], other.looked_at, atol=1e-5)
    assert np.allclose(answer["rewritten"], expected.explanation.rewritten, atol=1e-5)
    assert answer["grid"] == list(np.shape(answer["rewritten"]))


def test_an_explanation_is_of_the_image_weight_asked_for(client: TestClient) -> None:
    for weight in (0.0, 1.0):
        asked = question(text="is red", image_weight=weight, k=12)
        answer = client.post("/api/search", json=asked).json()
        explained = client.post("/api/explain", json=asked).json()
        assert explained["image_weight_cnn"] == explained["image_weight_clip"] == weight
        first = answer["results"][0]
        assert explained["judged"] == first["id"] and explained["rank"] == 1
        rest = client.post("/api/search", json=asked | {"text": "is"}).json()["results"]
        lost = first["score"] - next(image["score"] for image in rest if image["id"] == first["id"])
        assert explained["words"][1]["text"] == "red"
        assert explained["words"][1]["score"] == pytest.approx(lost, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"image": "A" * 8}, 422, "Give either image"),
        ({"image_id": None}, 422, "Give either image"),
        ({"image_id": None, "image": "?"}, 422, "image is not valid base64"),
        ({"image_id": None, "image": "AAAA"}, 422, "uploaded image: cannot be decoded"),
        ({"image_id": "nobody"}, 404, "the gallery has no picture of it"),
        ({"category": "hats"}, 404, "category = hats: not in this gallery. Known: dress, shirt"),
        ({"text": " \t "}, 422, "pattern"),
        ({"text": "x" * 501}, 422, "at most 500 characters"),
        ({"text": ["is red"] * 9}, 422, "at most 8 items"),
        ({"text": []}, 422, "at least 1 item"),
        ({"k": 0}, 422, "greater than or equal to 1"),
        ({"k": 201}, 422, "less than or equal to 200"),
        ({"k": "5"}, 422, "valid integer"),
        ({"k": True}, 422, "valid integer"),
        ({"k": 2.5}, 422, "valid integer"),
        ({"image_weight": 1.5}, 422, "less than or equal to 1"),
        ({"surprise": 1}, 422, "Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_with_a_question_is_said(
    client: TestClient, change: dict[str, Any], status: int, message: str
) -> None:
    for route in ("/api/search", "/api/explain"):
        response = client.post(route, json=question(**change))
        assert response.status_code == status
        assert message in response.text


@pytest.mark.parametrize(
    "name", ["../up", "/root", ".hidden", "a//b", "a/../b", "a\\b", "", " a", "a" * 201, "a\n"]
)
def test_ids_that_could_be_mistaken_for_paths_are_refused(tiny: Tiny, client: TestClient, name: str) -> None:
    assert add(client, name, tiny.images[0].read_bytes()).status_code == 422
    assert client.get("/api/model").json()["images"] == 12


def test_pictures_that_are_none_or_unfold_into_too_much_are_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content, message in ((b"", "cannot be decoded"), (b"<svg/>", "cannot be decoded")):
        response = add(client, "bad", content)
        assert response.status_code == 422 and message in response.text
    bomb = png(Image.new("1", (9000, 9000)))
    assert len(bomb) < 20_000
    response = add(client, "bomb", bomb)
    assert response.status_code == 422 and "more than 50 megapixels" in response.text
    assert client.get("/api/images", params={"query": "b"}).json()["total"] == 0


def test_requests_that_are_too_large_are_refused(
    tiny: Tiny, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the length that is announced, and by what comes where none is."""
    monkeypatch.setattr(guards, "MAX_BODY", 1000)
    large = b'{"image": "' + b"A" * 2000 + b'", "text": "is red"}'

    def in_pieces() -> Iterator[bytes]:
        yield large[:900]
        yield large[900:]

    for content in (large, in_pieces()):
        response = client.post("/api/search", content=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 413, response.text
        assert "Scale the picture down" in response.json()["detail"]
    assert add(client, "large", b"A" * 2000).status_code == 413


def test_pages_of_others_and_other_names_are_refused(service: Service) -> None:
    app = create_app(service, hosts=["127.0.0.1", "search.example"])
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        for origin, status in (
            ("http://127.0.0.1:8000", 200),
            ("http://evil.example", 403),
            ("http://127.0.0.1:9999", 403),
            ("null", 403),
        ):
            response = client.post("/api/search", json=question(), headers={"Origin": origin})
            assert response.status_code == status
        for host, status in (
            ("search.example", 200),
            ("SEARCH.example:443", 200),
            ("evil.example", 400),
            ("[", 400),
        ):
            assert client.get("/api/model", headers={"Host": host}).status_code == status


def test_too_many_at_once_are_sent_away_and_the_others_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    let, answer = threading.Event(), service.answer

    def slowly(batch: Sequence[Asked]) -> Any:
        let.wait(20)
        return answer(batch)

    monkeypatch.setattr(service, "answer", slowly)
    monkeypatch.setattr("dwc.serving.app.Guards", partial(guards.Guards, at_once=4))
    with TestClient(create_app(service)) as client, ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(client.post, "/api/search", json=question()) for _ in range(10)]
        while sum(future.done() for future in waiting) < 6:
            pass
        assert client.get("/api/model").status_code == 200
        let.set()
        responses = [future.result() for future in waiting]
    assert sorted(response.status_code for response in responses) == [200] * 4 + [503] * 6
    refused = [response for response in responses if response.status_code == 503]
    assert all(response.headers["retry-after"] == "1" for response in refused)


def test_many_questions_at_once_are_answered_each_for_itself(
    tiny: Tiny, service: Service, client: TestClient
) -> None:
    asked = [
        question(image_id=tiny.store.image_ids[row % 12], k=1 + row % 4, category=[None, "shirt"][row % 2])
        for row in range(32)
    ]
    alone = [client.post("/api/search", json=one).json()["results"] for one in asked]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda one: client.post("/api/search", json=one).json()["results"], asked))
    for first, second in zip(alone, together, strict=True):
        assert [result["id"] for result in first] == [result["id"] for result in second]
        assert [result["score"] for result in first] == pytest.approx(
            [result["score"] for result in second], abs=1e-5
        )
    sizes = re.search(r"dwc_batch_size_sum ([\d.]+)", client.get("/metrics").text)
    batches = re.search(r"dwc_batch_size_count ([\d.]+)", client.get("/metrics").text)
    assert sizes and batches
    assert float(sizes[1]) == 64 and float(batches[1]) < 60  # some were computed together


def test_a_question_on_its_way_is_answered_by_the_model_it_was_prepared_for(
    tiny: Tiny, service: Service
) -> None:
    from dwc.serving.questions import Question

    before = service.prepare(Question(image=tiny.images[0].read_bytes(), text="is red"))
    service.changes.submit(service.exchange, live_of(service._folder, tiny, "2")).result()
    after = service.prepare(Question(image=tiny.images[0].read_bytes(), text="is red"))
    assert [asked.live.served.version.version for asked in (before, after)] == ["1", "2"]
    first, second = service.answer([before, after])
    assert first.ids == second.ids


def test_metrics(client: TestClient) -> None:
    client.post("/api/search", json=question())
    client.get("/api/images/dress-0/picture")
    client.get("/somewhere/else")
    text = client.get("/metrics").text
    for line in (
        'dwc_requests_total{method="POST",route="/api/search",status="200"} 1.0',
        'dwc_requests_total{method="GET",route="/api/images/{image_id:path}/picture",status="200"} 1.0',
        'dwc_requests_total{method="other",route="other",status="404"} 1.0',
        'dwc_model_version{name="dwc-wardrobe"} 1.0',
        'dwc_index_recall_at_10{kind="flat"} 1.0',
        "dwc_gallery_images 12.0",
        "dwc_batch_size_count 1.0",
    ):
        assert line in text
    assert 'dwc_request_seconds_bucket{le="+Inf",method="POST",route="/api/search"} 1.0' in text


def test_nothing_is_loaded_from_elsewhere(client: TestClient) -> None:
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
    policy = client.get("/api/model").headers["content-security-policy"]
    assert "default-src 'self'" in policy


def test_a_fault_of_the_server_is_no_stack_trace(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(batch: Sequence[Asked]) -> Any:
        raise RuntimeError("of the model")

    monkeypatch.setattr(service, "answer", fail)
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        response = client.post("/api/search", json=question())
    assert response.status_code == 500
    assert response.json() == {"detail": "The server failed to answer; its log says why."}
