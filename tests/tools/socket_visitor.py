"""Somebody who looks at pages over Streamlit's own websocket, without a browser."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.util import calc_hash
from websockets.sync.client import connect


@dataclass
class Page:
    """What one run of a page sent: its Markdown (and which of it may hold HTML), its exceptions, how long it took."""

    texts: list[str] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)
    seconds: float = 0.0
    status: int = -1

    @property
    def text(self) -> str:
        """All Markdown on the page."""
        return "\n".join(self.texts)


class Visitor:
    """One session."""

    def __init__(self, url: str) -> None:
        address = url.replace("http", "ws", 1) + "/_stcore/stream"
        self._connection = connect(address, max_size=None, subprotocols=["streamlit"], proxy=None)
        self._socket: Any = self._connection.__enter__()

    def open(self, path: str, query: str, seconds: float = 60.0) -> Page:
        """Follow an address to the end of the page's script."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_script_hash = calc_hash(path) if path else ""
        began, page = time.perf_counter(), Page()
        self._socket.send(message.SerializeToString())
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(self._socket.recv(timeout=seconds))
            kind = answer.WhichOneof("type")
            if kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                element = answer.delta.new_element
                which = element.WhichOneof("type")
                if which == "exception":
                    page.exceptions.append(f"{element.exception.type}: {element.exception.message}")
                elif which == "markdown":
                    page.texts.append(element.markdown.body)
                    if element.markdown.allow_html:
                        page.html.append(element.markdown.body)
                elif which == "html":
                    page.html.append(element.html.body)
            elif kind == "script_finished" and answer.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                if answer.script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
                    continue
                page.seconds, page.status = time.perf_counter() - began, answer.script_finished
                return page

    def leave(self) -> None:
        """Close the tab."""
        self._connection.__exit__(None, None, None)
