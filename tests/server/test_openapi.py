"""The OpenAPI document says everything that a stranger needs: words, examples, and every way to be refused."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from becalm_protocol.derived import PIPELINE_VERSION

PROBLEM = "application/problem+json"


@pytest.fixture
async def document(server: Any) -> dict[str, Any]:
    async with server.http() as client:
        told: dict[str, Any] = (await client.get("/openapi.json")).json()
        return told


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for one in schema.get("anyOf", [schema]):
        if "$ref" in one:
            found: dict[str, Any] = document["components"]["schemas"][one["$ref"].rpartition("/")[2]]
            return found
    return schema


def has_example(document: dict[str, Any], media: dict[str, Any]) -> bool:
    return "example" in media or "examples" in media or "example" in resolved(document, media["schema"])


async def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        assert operation["tags"], name
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (name, parameter["name"])
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)


async def test_every_body_has_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for media in operation.get("requestBody", {"content": {}})["content"].values():
            assert has_example(document, media), name
        for status, answer in operation["responses"].items():
            for kind, media in answer.get("content", {}).items():
                if kind == "application/json":
                    assert has_example(document, media), (name, status)


async def test_examples_show_the_pipeline_that_runs(document: dict[str, Any]) -> None:
    examples = [schema.get("example") for schema in document["components"]["schemas"].values()]
    shown = {one["pipeline_version"] for one in examples if isinstance(one, dict) and "pipeline_version" in one}
    assert shown == {PIPELINE_VERSION}


async def test_every_refusal_is_documented_with_its_type(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        refused = {int(status): answer for status, answer in operation["responses"].items() if int(status) >= 400}
        assert {403, 422} <= set(refused), name
        assert ("{" in name) <= (404 in refused), name
        assert ("requestBody" in operation) <= ({400, 413} <= set(refused)), name
        for status, answer in refused.items():
            assert list(answer["content"]) == [PROBLEM], (name, status)
            examples = answer["content"][PROBLEM]["examples"]
            assert examples, (name, status)
            for slug, example in examples.items():
                assert example["value"]["type"] == f"/problems/{slug}"
                assert example["value"]["status"] == status


async def test_every_type_of_refusal_has_its_page(server: Any, document: dict[str, Any]) -> None:
    types = {
        example["value"]["type"]
        for _, operation in operations(document)
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for example in answer["content"][PROBLEM]["examples"].values()
    }
    async with server.http() as client:
        pages = await asyncio.gather(*(client.get(one) for one in types))
    assert [page.status_code for page in pages] == [200] * len(types)


async def test_what_people_and_programs_open_without_a_token(server: Any) -> None:
    async with server.stranger() as stranger:
        for path, word in {
            "/": "becalm client",
            "/pair": "becalm pair",
            "/docs": "/v1/sessions",
            "/healthz": "alive",
            "/readyz": "ready",
            "/openapi.json": "paths",
            "/v1/asyncapi.json": "channels",
        }.items():
            answer = await stranger.get(path)
            assert (answer.status_code, word in answer.text) == (200, True), path
            assert "<script" not in answer.text


async def test_examples_are_true_to_their_schema(document: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip(
        "jsonschema_rs", reason="jsonschema-rs, which schemathesis brings, is not installed"
    )
    for name, schema in document["components"]["schemas"].items():
        if "example" in schema:
            whole = schema | {"components": document["components"]}
            jsonschema.validator_for(whole).validate(schema["example"]), name
