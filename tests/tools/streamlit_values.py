"""What controls and components hold: a control's value as it is shown and as the browser sends it, a component's data."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit_tree import Node

WIDGETS = (
    "number_input",
    "slider",
    "selectbox",
    "radio",
    "checkbox",
    "text_input",
    "text_area",
    "button_group",
)


def header(raw: Any) -> dict[str, Any]:
    """What dashboard.plot.envelope packed, without its arrays; nothing where it is something else."""
    if not isinstance(raw, bytes) or len(raw) < 4:
        return {}
    (length,) = struct.unpack_from("<I", raw)
    found = json.loads(raw[4 : 4 + length])
    return found if isinstance(found, dict) else {}


def data(node: Node) -> Any:
    """A component's data: bytes, or what its JSON says."""
    kind = node.message.WhichOneof("data")
    if kind == "bytes":
        return node.message.bytes
    if kind in ("json", "mixed"):
        return json.loads(node.message.json if kind == "json" else node.message.mixed.json)
    return None


def shown(node: Node) -> Any:
    """The value that a control shows when the server has drawn it: what it was set to, else its default."""
    said, kind = node.message, node.kind
    if kind == "button_group":
        return list(said.raw_values) if said.set_value else [said.options[i].content for i in said.default]
    if kind == "slider":
        if said.type == said.SELECT_SLIDER:
            return list(said.raw_value) if said.set_value else [said.options[int(i)] for i in said.default]
        return list(said.value if said.set_value else said.default)
    if kind in ("selectbox", "radio"):
        if said.set_value:
            return said.raw_value if said.HasField("raw_value") else None
        return said.options[said.default] if said.HasField("default") else None
    return said.value if said.set_value else said.default


def state(node: Node, value: Any) -> WidgetState:
    """A control's value as the browser sends it."""
    made = WidgetState(id=node.id)
    if value is None:
        return made
    if node.kind == "number_input":
        made.double_value = float(value)
    elif node.kind == "checkbox":
        made.bool_value = bool(value)
    elif node.kind == "slider" and node.message.type != node.message.SELECT_SLIDER:
        made.double_array_value.data.extend(float(v) for v in _listed(value))
    elif node.kind in ("slider", "button_group"):
        made.string_array_value.data.extend(str(v) for v in _listed(value))
    else:
        made.string_value = str(value)
    return made


def _listed(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list | tuple) else [value])
