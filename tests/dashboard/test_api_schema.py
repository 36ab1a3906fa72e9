"""The OpenAPI description: complete, true to the routes, and its examples are answers."""

from __future__ import annotations

from typing import Any

import pytest
from api_desk import Desk, call, query
from jsonschema import Draft202012Validator
from starlette.routing import Route

from dashboard import api, api_calls, api_schema, api_waits
from ebm_plugins import load

REGISTRY = load(discover=False)


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(api_calls, "_engine", lambda: Desk(registry=REGISTRY))
    monkeypatch.setattr(api_calls, "_allowed", lambda request: True)
    found: dict[str, Any] = call("/api/v1/openapi.json").json
    return found


def validator(described: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": described["components"]})


def operations(described: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, item["get"]) for path, item in described["paths"].items()]


def test_every_route_is_described_and_no_other(described: dict[str, Any]) -> None:
    served = {r.path for r in api.routes() if isinstance(r, Route)} - {"/api/{rest:path}"}
    assert set(described["paths"]) == served
    assert described["openapi"] == "3.1.0"
    assert all(list(item) == ["get"] for item in described["paths"].values())


def test_every_answer_has_a_description_its_headers_and_an_example(described: dict[str, Any]) -> None:
    seen = 0
    for path, operation in operations(described):
        assert {"200", "401", "405", "503"} <= set(operation["responses"])
        for status, answer in operation["responses"].items():
            assert answer["description"]
            assert "Cache-Control" in answer["headers"], (path, status)
            assert all("example" in h and h["description"] for h in answer["headers"].values())
            for kind, content in answer.get("content", {}).items():
                if kind != "application/json":
                    continue
                examples = [e["value"] for e in content.get("examples", {}).values()] or [content["example"]]
                for example in examples:
                    assert not list(validator(described, content["schema"]).iter_errors(example)), (
                        path,
                        status,
                    )
                    seen += 1
    assert seen > 25


def test_every_parameter_and_field_is_explained(described: dict[str, Any]) -> None:
    for _, operation in operations(described):
        assert all(p["description"] and p["schema"] for p in operation["parameters"])
    for name, schema in described["components"]["schemas"].items():
        assert schema["description"], name
        assert schema["additionalProperties"] is False
        assert set(schema["required"]) == set(schema["properties"]), name
        assert all(p["description"] for p in schema["properties"].values()), name


def test_statuses_that_the_calls_raise_are_described(described: dict[str, Any]) -> None:
    """Each Refusal in the code, by its number."""
    import ast
    from pathlib import Path

    tree = ast.parse(Path(api_calls.__file__).read_text(encoding="utf-8"))
    raised = {
        node.args[0].value for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refusal" and isinstance(node.args[0], ast.Constant)
    }  # fmt: skip
    assert raised == {400, 401, 404, 405, 409, 422, 429, 503}
    everywhere = {int(status) for _, operation in operations(described) for status in operation["responses"]}
    assert raised | {200, 202, 304} == everywhere


def test_answers_are_what_the_description_says(
    described: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    monkeypatch.setattr(api_calls, "_engine", lambda: desk)
    monkeypatch.setattr(api_calls, "_waits", api_waits.Waits(held=api_waits.Settings(runs=1)))
    made = "/api/v1/runs?" + query(family="bowl", data="cloud", sample__steps=5, bogus=1)
    digest = call(made).json["digest"]
    refused = "/api/v1/runs?" + query(family="bowl", data="cloud", train__epochs=501)
    call(refused)
    gone = next(key for key in desk.jobs if key != digest)
    desk.hold = True
    queued = "/api/v1/runs?" + query(family="bowl", data="cloud", seed=7)
    of_a_digest = "/api/v1/runs/{digest}"
    cases = [
        ("/api/v1/families", "/api/v1/families", 200), ("/api/v1/openapi.json", "/api/v1/openapi.json", 200),
        (made, "/api/v1/runs", 200), (queued, "/api/v1/runs", 202), ("/api/v1/runs", "/api/v1/runs", 400),
        (refused, "/api/v1/runs", 422), (f"{queued}7", "/api/v1/runs", 429),
        (f"/api/v1/runs/{digest}", of_a_digest, 200), (f"/api/v1/runs/{gone}", of_a_digest, 200),
        (f"/api/v1/runs/{gone}1", of_a_digest, 404), (f"/api/v1/runs/{digest}.npz", of_a_digest + ".npz", 200),
    ]  # fmt: skip
    for address, path, status in cases:
        answer = call(address)
        assert answer.status == status, address
        said = described["paths"][path]["get"]["responses"][str(status)]
        missing = {n.lower() for n, h in said["headers"].items() if h["required"]} - set(answer.headers)
        assert not missing, (address, missing)
        kind = answer.headers["content-type"]
        assert kind in said["content"], address
        if kind == "application/json":
            errors = list(validator(described, said["content"][kind]["schema"]).iter_errors(answer.json))
            assert not errors, (address, errors)


def test_an_answer_has_nothing_that_is_not_described() -> None:
    with pytest.raises(ValueError, match="extra"):
        api_schema.Problem.model_validate({"field": "a", "expected": "b", "got": "c", "trace": "/root/x"})
