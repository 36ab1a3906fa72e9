"""The OpenAPI 3.1 description of the JSON routes, made of the models that they answer with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dashboard.api_schema import (
    DIGEST,
    EXAMPLE_DIGEST,
    MODELS,
    Catalogue,
    Done,
    Ended,
    Problem,
    Waiting,
    example,
)
from ebm_plugins import __version__, link
from ebm_plugins.plans import MAX_SEED
from ebm_plugins.registry import Registry
from ebm_plugins.starts import KINDS, MAX_STATES

Tree = dict[str, Any]
ONE_OF: tuple[type[BaseModel], ...] = (Waiting, Ended, Done)
ETAG = {
    "ETag": ("The name of this very answer, for If-None-Match.", {"type": "string"}, '"9b1c9b1c9b1c9b1c"')
}
CACHE = {"Cache-Control": ("How long it may be kept.", {"type": "string"}, "no-cache")}
RETRY = {
    "Retry-After": (
        "Seconds to wait before the next question.",
        {"type": "string", "pattern": "^[0-9]+$"},
        "1",
    )
}
LOCATION = {"Location": ("Where to ask after the run.", {"type": "string"}, f"/api/v1/runs/{EXAMPLE_DIGEST}")}
ALLOW = {"Allow": ("The methods that are answered.", {"type": "string"}, "GET, HEAD")}
FOLLOW = {"status": {"operationId": "askAfterRun", "parameters": {"digest": "$response.body#/digest"}},
          "npz": {"operationId": "getArrays", "parameters": {"digest": "$response.body#/digest"}}}  # fmt: skip
ABOUT = (
    "What the dashboard does, without the dashboard: ask for a run by its link, wait for it, take its arrays. A caller "
    "waits for few runs at a time, and a run that nobody asks after is ended. Every route takes GET and HEAD."
)


def openapi(registry: Registry, patience: float) -> Tree:
    """The whole description; the families are those that are installed. ``patience`` in seconds."""
    _, defined = models_json_schema(
        [(model, "serialization") for model in MODELS], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "ebm-plugins", "version": __version__, "description": ABOUT, "license": {"name": "MIT"}},
        "servers": [{"url": "/"}],
        "paths": {
            "/api/v1/families": _get(
                "listFamilies", "What is installed",
                {"200": _json("Everything that is installed.", Catalogue, {**ETAG, **CACHE}), "304": _unchanged()},
                [_if_none_match()],
            ),
            "/api/v1/runs": _get(
                "askForRun", "A run by its link: its summary, or a place in the queue",
                {
                    "200": _json("It is made.", Done, {**ETAG, **CACHE}, FOLLOW),
                    "202": _json(f"It is queued or running, until nobody has asked for {patience:g} s.", Waiting, {**LOCATION, **RETRY, **CACHE}, FOLLOW),
                    "304": _unchanged(),
                    "400": _problem("No family, or none that is installed."),
                    "422": _problem("It cannot be made: too large for this host (``got`` has the number), data that are gone, or it failed.", field="sample.steps", expected="at most 2.0e+09 state updates", got="1.0e+10"),
                    "429": _problem("You, or all together, wait for as many runs as this host allows.", RETRY, field="runs", expected="at most 4 runs at a time for one caller", got="a fifth"),
                },
                [*_link_parameters(registry), _if_none_match()],
            ),
            "/api/v1/runs/{digest}": _get(
                "askAfterRun", "A run by its digest: its state or its summary. Asking keeps it going",
                {
                    "200": _one_of("What there is to say of it; ``Retry-After`` while it is not over, ``ETag`` once it is done.", {**ETAG, **CACHE, **RETRY}),
                    "304": _unchanged(),
                    "404": _no_run(),
                },
                [_digest(), _if_none_match()],
            ),
            "/api/v1/runs/{digest}.npz": _get(
                "getArrays", "A finished run's arrays, for numpy.load",
                {
                    "200": {
                        "description": "An .npz archive of arrays of numbers and text, without pickle.",
                        "headers": _headers({**ETAG, **CACHE}),
                        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
                    },
                    "304": _unchanged(),
                    "404": _no_run(),
                    "409": _problem("It is not made yet.", RETRY, field="digest", expected="a run that is made", got="one that is running"),
                },
                [_digest(), _if_none_match()],
            ),
            "/api/v1/openapi.json": _get(
                "describe", "This description",
                {
                    "200": {
                        "description": "OpenAPI 3.1.", "headers": _headers({**ETAG, **CACHE}),
                        "content": {"application/json": {"schema": {"type": "object", "required": ["openapi", "paths"]}, "example": {"openapi": "3.1.0", "paths": {}}}},
                    },
                    "304": _unchanged(),
                },
                [_if_none_match()],
            ),
        },
        "components": {"schemas": defined["$defs"]},
    }  # fmt: skip


def _get(name: str, summary: str, answers: Tree, parameters: list[Tree]) -> Tree:
    everywhere = {
        "401": _problem("This host asks its visitors to log in.", field="login", expected="somebody who is logged in", got="nobody"),
        "405": _problem("Only GET and HEAD are answered.", ALLOW, field="method", expected="GET or HEAD", got="POST"),
        "503": _problem("There is no engine for runs at the moment; what is stored is still answered.", RETRY, field="engine", expected="an engine that takes runs", got="none at the moment"),
    }  # fmt: skip
    operation = {
        "operationId": name, "summary": summary, "parameters": parameters,
        "responses": dict(sorted({**answers, **everywhere}.items())),
    }  # fmt: skip
    return {"get": operation}


def _json(
    text: str, model: type[BaseModel], headers: Mapping[str, Any] | None = None, links: Tree | None = None
) -> Tree:
    content = {"application/json": {"schema": _ref(model), "example": example(model)}}
    made: Tree = {"description": text, "headers": _headers(headers or {}), "content": content}
    return made | ({"links": links} if links else {})


def _one_of(text: str, headers: Mapping[str, Any]) -> Tree:
    models: dict[str, type[BaseModel]] = {"done": Done, "queued": Waiting, "running": Waiting}
    models |= dict.fromkeys(("failed", "refused", "killed", "left"), Ended)
    mapping = {state: _ref(model)["$ref"] for state, model in models.items()}
    schema = {
        "oneOf": [_ref(m) for m in ONE_OF],
        "discriminator": {"propertyName": "state", "mapping": mapping},
    }
    examples = {m.__name__: {"value": example(m)} for m in ONE_OF}
    return {
        "description": text,
        "headers": _headers(headers, seldom=("Retry-After", "ETag")),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _problem(text: str, headers: Mapping[str, Any] | None = None, **said: str) -> Tree:
    """Of an error: what it means, and what it says for example."""
    made = _json(
        text, Problem, {**(headers or {}), "Cache-Control": (*CACHE["Cache-Control"][:2], "no-store")}
    )
    made["content"]["application/json"]["example"] = example(Problem) | said
    return made


def _no_run() -> Tree:
    expected = "the digest of a run that is under way or kept here"
    return _problem("There is no such run here (any more): ask for it by its link.", field="digest", expected=expected, got=EXAMPLE_DIGEST)  # fmt: skip


def _unchanged() -> Tree:
    return {"description": "It is as you have it.", "headers": _headers({**ETAG, **CACHE})}


def _headers(headers: Mapping[str, Any], seldom: tuple[str, ...] = ()) -> Tree:
    return {
        name: {"description": text, "required": name not in seldom, "schema": schema, "example": one}
        for name, (text, schema, one) in headers.items()
    }


def _ref(model: type[BaseModel]) -> Tree:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _parameter(name: str, text: str, schema: Tree, one: Any = None, **more: Any) -> Tree:
    example = {} if one is None else {"example": one}
    return {"name": name, "in": "query", "description": text, "schema": schema, **example, **more}


def _digest() -> Tree:
    text = "The spec digest of a run: 64 hex digits, as an answer gives it."
    return {
        "name": "digest", "in": "path", "required": True, "description": text,
        "schema": {"type": "string", "pattern": DIGEST}, "example": EXAMPLE_DIGEST,
    }  # fmt: skip


def _if_none_match() -> Tree:
    text = "ETags of what you have already: 304 where one of them is this answer's."
    return {"name": "If-None-Match", "in": "header", "description": text, "schema": {"type": "string"}, "example": '"9b1c"'}  # fmt: skip


def _link_parameters(registry: Registry) -> list[Tree]:
    """A link's parameters. Only ``family`` or ``link`` can make a request fail: the rest is mended, and said to be."""
    tiny = next((family for family in registry.families.values() if family.example is not None), None)
    address = link.write(tiny.example, registry) if tiny is not None and tiny.example is not None else "/KEY"
    text, whole = {"type": "string"}, {"type": "integer"}
    config = {"type": "object", "additionalProperties": {"type": "string"}}
    families = {"type": "string", "enum": list(registry.families)}
    return [
        _parameter("family", "An installed family. One of ``family`` and ``link`` is needed.", families, tiny and tiny.key),
        _parameter("link", "A page's link as a whole, percent-encoded; the other parameters then count for nothing.", text, address),
        _parameter("preset", "A preset of the family, by name.", text),
        _parameter("data", "A dataset that the family takes, by key.", text),
        _parameter("sampler", "A sampler that runs on it, by key.", text),
        _parameter("seed", "The seed.", whole | {"minimum": 0, "maximum": MAX_SEED}, 3),
        _parameter("start", "Where sampling begins; its fields are ``start.NAME``.", {"type": "string", "enum": list(KINDS)}, "noise"),
        _parameter("start.n", "How many states, of noise.", whole | {"minimum": 1, "maximum": MAX_STATES}, 20),
        _parameter("stop", "Snapshots of training and of sampling after which it stops, ``TRAIN,SAMPLE``.", text, ",20"),
        _parameter(
            "settings", "Settings by name, each a parameter of its own: ``train.NAME``, ``sample.NAME``, ``start.NAME``. "
            "``/api/v1/families`` has their names and bounds.",
            config, {"sample.steps": "20"}, style="form", explode=True,
        ),
    ]  # fmt: skip
