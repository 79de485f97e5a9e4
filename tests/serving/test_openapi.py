"""The server keeps what its own OpenAPI promises, asked by schemathesis with valid and invalid requests."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.openapi import format as register_format
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.serving.shop import open_shop, served_over_http
from tests.serving.tiny import Tiny

FORM = "POST /api/images"  # fields of forms are texts: null arrives as "null", which is a valid id
EXAMPLES = 8  # requests to each route, of each kind
ROUTES = {
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /api/model",
    "GET /api/images",
    "POST /api/images",
    "GET /api/images/{image_id}/picture",
    "DELETE /api/images/{image_id}",
    "POST /api/search",
    "POST /api/explain",
}


@pytest.fixture(scope="module")
def schema(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.schemas.BaseSchema]:
    files = [path.read_bytes() for path in tiny.images]
    register_format("picture", st.sampled_from([base64.b64encode(file).decode() for file in files]))
    register_format("binary", st.sampled_from(files))
    with (
        open_shop(tiny, tmp_path_factory.mktemp("openapi") / "gallery") as service,
        served_over_http(service) as address,
    ):
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


def operations(schema: schemathesis.schemas.BaseSchema) -> dict[str, schemathesis.schemas.APIOperation]:
    found = (result.ok() for result in schema.get_all_operations())
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def test_every_route_is_described(schema: schemathesis.schemas.BaseSchema) -> None:
    assert operations(schema).keys() == ROUTES


@pytest.mark.parametrize("kind", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("route", sorted(ROUTES))
def test_the_server_keeps_its_promises(
    schema: schemathesis.schemas.BaseSchema, route: str, kind: GenerationMode
) -> None:
    """Statuses, types, headers and bodies as declared; valid requests accepted, invalid ones refused."""
    operation = operations(schema)[route]
    if kind is GenerationMode.NEGATIVE and not (operation.body or operation.query):
        pytest.skip("there is nothing about its requests that could be wrong")
    statuses = set()

    @given(case=operation.as_strategy(generation_mode=kind))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        excluded = [negative_data_rejection] if route == FORM else []
        statuses.add(case.call_and_validate(excluded_checks=excluded).status_code)

    ask()
    if (
        route in ("POST /api/search", "POST /api/explain", "POST /api/images")
        and kind is GenerationMode.POSITIVE
    ):
        assert statuses & {200, 201}, statuses  # the questions were such that there were answers


@pytest.mark.parametrize("left_out", ["id", "file"])
def test_a_form_without_one_of_its_fields_is_refused(
    schema: schemathesis.schemas.BaseSchema, left_out: str
) -> None:
    fields = {"id": (None, "new"), "file": ("new.png", b"?")}
    del fields[left_out]
    answer = httpx.post(f"{schema.location.removesuffix('openapi.json')}api/images", files=fields)
    assert answer.status_code == 422 and left_out in answer.text
