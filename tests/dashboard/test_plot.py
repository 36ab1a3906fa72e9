"""The two components from the Python side: what is sent, and what is made of what comes back."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from dashboard import head, plot, web
from dashboard.plot import envelope, figures, heights, stages
from ebm_plugins import palette


def opened(raw: bytes) -> dict[str, Any]:
    """What ``js/envelope.js`` does, in Python."""
    (length,) = struct.unpack_from("<I", raw)
    start = 4 + length
    assert start % 8 == 0

    def revive(value: dict[str, Any]) -> Any:
        if "$a" not in value:
            return value
        kind, shape, offset = value["$a"]
        assert offset % 8 == 0
        return np.frombuffer(raw, "<" + kind, int(np.prod(shape)), start + offset).reshape(shape)

    return dict(json.loads(raw[4:start], object_hook=revive))


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "i2", "u1", "?", ">f8"])
def test_arrays_arrive_as_they_were_sent(dtype: str) -> None:
    sent = (np.arange(15).reshape(3, 5) % 2 if dtype == "?" else np.arange(15).reshape(3, 5)).astype(dtype)
    got = opened(envelope.pack({"deep": [{"x": sent}], "text": "−", "none": None}))
    np.testing.assert_array_equal(got["deep"][0]["x"], sent)
    assert (got["text"], got["none"]) == ("−", None)


def test_empty_arrays_and_arrays_of_words_travel_too() -> None:
    got = opened(envelope.pack({"x": np.zeros((0, 2)), "names": np.array(["a", "b"]), "n": np.int64(3)}))
    assert got["x"].shape == (0, 2)
    assert (got["names"], got["n"]) == (["a", "b"], 3)


def test_plotlys_own_arrays_are_unpacked_and_halved() -> None:
    import plotly.graph_objects as go

    fig = go.Figure(go.Heatmap(z=np.arange(12.0).reshape(3, 4) + 0.5))
    got = opened(envelope.pack({"data": fig.to_plotly_json()["data"]}))
    z = got["data"][0]["z"]
    assert (z.dtype, z.shape) == (np.float32, (3, 4))
    assert z[2, 3] == 11.5


def test_the_same_content_has_the_same_digest() -> None:
    one, two = ({"x": np.arange(n)} for n in (3, 4))
    assert envelope.digest(envelope.pack(one)) == envelope.digest(envelope.pack({"x": np.arange(3)}))
    assert envelope.digest(envelope.pack(one)) != envelope.digest(envelope.pack(two))


def test_an_edit_is_read() -> None:
    edit = stages.parse({"number": 1, "states": [[0, 1], [1, 1]], "free": [1, 0]}, dim=2)
    assert edit is not None
    np.testing.assert_array_equal(edit.states, [[0, 1], [1, 1]])
    np.testing.assert_array_equal(edit.free, [True, False])


def test_an_empty_edit_takes_the_drawing_back() -> None:
    edit = stages.parse({"number": 1, "states": [], "free": None}, dim=2)
    assert edit is not None
    assert edit.cleared
    assert edit.free is None


def test_an_edit_in_a_projection_is_lifted() -> None:
    lift = {"mean": np.array([1.0, 0.0, 0.0]), "axes": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])}
    edit = stages.parse({"number": 1, "points": [[2.0, 3.0]]}, 3, lift)
    assert edit is not None
    np.testing.assert_array_equal(edit.states, [[1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    "message",
    [
        {"states": [[0, 1, 2]]},
        {"states": [[0, "x"]]},
        {"states": [[0, None]]},
        {"states": [[0, 1], [1]]},
        {"states": "text"},
        {"states": 7},
        {"states": [[1e999, 0]]},
        {"states": [[0, 1]] * 501},
        {"states": [[0, 1]], "free": [1]},
        {"states": [[0, 1]], "free": [0, 0]},
        {"states": {"a": 1}},
    ],
)
def test_a_message_that_does_not_fit_is_no_edit(message: dict[str, Any]) -> None:
    assert stages.parse({"number": 1, **message}, dim=2) is None


def test_every_colour_has_one_dark_counterpart() -> None:
    """The browser turns colours by their light value: two meanings of one light colour must turn alike, but for
    the halo, which is white where the page is."""
    pairs = [(palette.LIGHT[k].upper(), palette.DARK[k]) for k in palette.LIGHT if k != "page"]
    pairs += zip(palette.ENERGY_LIGHT, palette.ENERGY_DARK, strict=True)
    pairs += zip(palette.CATEGORIES_LIGHT, palette.CATEGORIES_DARK, strict=True)
    assert len({light for light, _ in pairs}) == len(set(pairs))


def asked(path: str, encoding: str, client: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a GET to the app's own routes, asked from this address."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"accept-encoding", encoding.encode())],
        "client": (client, 1),
    }
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    asyncio.run(Starlette(routes=web.routes(), middleware=web.middleware())(scope, receive, send))
    headers = {k.decode(): v.decode() for k, v in said[0]["headers"]}
    return said[0]["status"], headers, b"".join(m.get("body", b"") for m in said[1:])


def test_plotlys_script_is_served_for_ever_under_its_content() -> None:
    script = web.plotly_file().read_bytes()
    status, headers, body = asked(web.plotly_url(), "gzip, br", "192.0.2.7")
    assert status == 200
    assert "immutable" in headers["cache-control"]
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == script
    assert headers["x-content-type-options"] == "nosniff"
    _, headers, body = asked(web.plotly_url(), "identity", "192.0.2.7")
    assert "content-encoding" not in headers
    assert body == script
    assert json.loads(asked("/health", "", "127.0.0.1")[2])["status"] == "ok"


def page(body: bytes, path: str = "/hopfield", accept: bytes = b"text/html", kind: str = "text/html") -> Any:
    """What :class:`head.Head` makes of an answer: (headers asked with, answer's headers, body)."""
    asked_with: list[dict[str, str]] = []
    said: list[Any] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        asked_with.append({k.decode(): v.decode() for k, v in scope["headers"]})
        headers = [(b"content-type", kind.encode()), (b"content-length", b"9"), (b"etag", b"x")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})

    async def send(message: Any) -> None:
        said.append(message)

    headers = [(b"accept", accept), (b"accept-encoding", b"gzip"), (b"if-none-match", b"x")]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    asyncio.run(head.Head(app)(scope, None, send))  # type: ignore[arg-type]
    got = {k.decode(): v.decode() for k, v in said[0]["headers"]}
    return asked_with[0], got, b"".join(m.get("body", b"") for m in said[1:])


def test_a_page_gets_what_must_be_there_before_its_first_paint() -> None:
    asked_with, headers, body = page(b"<html><head><title>x</title></head><body></body></html>")
    assert "accept-encoding" not in asked_with
    assert "if-none-match" not in asked_with
    assert headers["content-length"] == str(len(body))
    assert "etag" not in headers
    text = body.decode()
    assert text.index("BidiComponent.") < text.index("</head>")
    assert f'[class*="{plot.host("", "plane").strip()}"]' in text
    assert text.startswith("<html><head><title>x</title><style>")
    assert text.endswith("</head><body></body></html>")


@pytest.mark.parametrize(
    "given",
    [{"path": "/static/js/a.js"}, {"accept": b"*/*"}, {"kind": "application/json"}, {"path": "/plotly.js"}],
)
def test_what_is_no_page_is_passed_on_as_it_is(given: dict[str, Any]) -> None:
    body = b'{"a": "</body>"}'
    _, headers, got = page(body, **given)
    assert got == body
    assert headers["etag"] == "x"


def test_only_scripts_that_are_there_and_not_under_way_are_named() -> None:
    import streamlit

    folder = Path(streamlit.__file__).parent / "static" / "static" / "js"
    names = head.scripts()
    assert 5 < len(names) == len(set(names)) <= head.MOST
    assert all((folder / name).is_file() for name in names)
    assert not any(name.startswith("index.") for name in names)


def _page() -> None:
    import numpy as np
    import plotly.graph_objects as go

    from dashboard import plot

    fig = go.Figure(go.Scatter(x=np.arange(3.0), y=np.arange(3.0)))
    plot.figure(fig, key="a", height=200, alt="Three points")
    payload = {"kind": "plane", "dim": 2, "charts": [], "frames": {}, "steps": np.arange(2)}
    assert plot.stage(payload, key="b") is None
    assert plot.edited(payload, key="b") is None


def test_both_components_mount_without_a_browser() -> None:
    at = AppTest.from_function(_page).run(timeout=30)
    assert not at.exception
    mounted = at.get("bidi_component")
    assert [m.proto.component_name for m in mounted] == ["ebm.figure", "ebm.stage.plane"]
    got = opened(mounted[0].proto.bytes)
    assert got["alt"] == "Three points"
    assert got["layout"]["height"] == 200
    assert got["data"][0]["x"].dtype == np.float32


def test_a_component_sends_a_loader_and_the_app_serves_its_script_for_ever() -> None:
    from starlette.requests import Request

    from dashboard import web

    def asked(path: str) -> Any:
        return web._module(Request({"type": "http", "method": "GET", "path": path, "headers": []}))

    urls = web.module_urls()
    assert {url.split(".")[1] for url in urls} == {"copying", "cost", "figure", "picture", "stage", "wells"}
    for url in urls:
        answer = asked(url)
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
        assert b"export default function" in answer.body
    assert asked("/ebm.stage.0000000000000000.js").status_code == 404


def test_a_note_above_a_plot_is_read_over_the_figure_and_covers_nothing() -> None:
    """What stands at the plot's upper left, outside it, wraps as the page does; every other word stays where it is."""
    import plotly.graph_objects as go

    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1]))
    figure.update_layout(margin={"t": 42})
    where = {"x": 0, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left", "showarrow": False}
    figure.add_annotation(text="over 400<br>exact draws", yanchor="bottom", **where)
    figure.add_annotation(text="inside", yanchor="top", **where)
    layout, said = figures.lifted(figure.to_plotly_json()["layout"])
    assert said == "over 400 exact draws"
    assert [one["text"] for one in layout["annotations"]] == ["inside"]
    assert layout["margin"]["t"] == figures.LEAST
    figure.add_annotation(text="a panel's title", x=0.5, y=1, xref="paper", yref="paper", yanchor="bottom")
    assert figures.lifted(figure.to_plotly_json()["layout"])[0]["margin"]["t"] == 42  # it needs the room
    assert figures.lifted({"height": 3}) == ({"height": 3}, "")


def test_where_all_is_larger_the_room_that_is_kept_is_too() -> None:
    """Heights and widths are in rem, and the size of letters follows the window's width."""
    page = head.markup().decode()
    assert "@media screen and (min-width:2400px){:root:root{font-size:24px;--scale:1.5}}" in page
    assert '[class*="tall-250-"]{min-height:15.625rem}' in page
    assert '[class*="across-420-"]{width:26.25rem!important}' in page
    assert heights.tall("a", 247) == "a tall-250-"
    assert heights.tall("a", 10**6).endswith(f"tall-{heights.TALLEST}-")
