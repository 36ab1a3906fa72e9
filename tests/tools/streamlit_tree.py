"""What a page of Streamlit shows, kept as the browser keeps it: a tree that deltas change and finished runs prune."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.Delta_pb2 import Delta


@dataclass(eq=False)
class Node:
    """A block or an element: its kind ("markdown", "flex_container", …), its message, who made it, what is in it.

    ``run`` is the script run that last drew it, ``fragment`` the fragment that drew it ("" for the page's script).
    """

    kind: str = ""
    message: Any = None
    run: str = ""
    fragment: str = ""
    children: dict[int, Node] = field(default_factory=dict)
    is_block: bool = True

    @property
    def id(self) -> str:
        """The id that Streamlit gave it; it ends with the key that the app gave it."""
        return str(getattr(self.message, "id", ""))

    @property
    def key(self) -> str:
        """The key that the app gave it ("" where it gave none): ids are ``$$ID-HASH-KEY``."""
        parts = self.id.split("-", 2)
        return parts[2] if len(parts) == 3 and parts[2] != "None" else ""


class Tree:
    """The four containers of a page (main, sidebar, event, bottom) and all that lies in them."""

    def __init__(self) -> None:
        self.root = Node()

    def apply(self, path: list[int], delta: Delta, run: str) -> Node:
        """Put what a delta brings at its path, and return it. A block that is drawn anew keeps what is in it until
        the run ends."""
        parent = self.root
        for index in path[:-1]:
            parent = parent.children.setdefault(index, Node(run=run))
        old = parent.children.get(path[-1])
        if delta.WhichOneof("type") == "add_block":
            block = delta.add_block
            kept = old.children if old is not None and old.is_block else {}
            made = Node(block.WhichOneof("type") or "", block, run, delta.fragment_id, kept)
        elif delta.WhichOneof("type") == "new_element":
            kind = delta.new_element.WhichOneof("type") or ""
            made = Node(kind, getattr(delta.new_element, kind, None), run, delta.fragment_id, is_block=False)
        else:  # transient: a spinner, which leaves nothing
            return Node(is_block=False)
        parent.children[path[-1]] = made
        return made

    def prune(self, run: str, fragments: list[str]) -> None:
        """Take away what the run that has ended did not draw; of a fragment's run, only inside that fragment."""
        for container in self.root.children.values():
            _prune(container, run, fragments, "")

    def elements(self, kind: str = "") -> Iterator[Node]:
        """Every element from top to bottom, or those of one kind."""
        return (n for n in _walk(self.root) if not n.is_block and (not kind or n.kind == kind))

    def blocks(self) -> Iterator[Node]:
        """Every block from top to bottom."""
        return (n for n in _walk(self.root) if n.is_block and n.message is not None)


def _walk(node: Node) -> Iterator[Node]:
    for index in sorted(node.children):
        child = node.children[index]
        yield child
        yield from _walk(child)


def _prune(node: Node, run: str, fragments: list[str], inside: str) -> None:
    for index, child in list(node.children.items()):
        if _stale(child, run, fragments, inside):
            del node.children[index]
        elif child.is_block:
            own = child.fragment in fragments and child.run == run
            _prune(child, run, fragments, child.fragment if own else inside)


def _stale(child: Node, run: str, fragments: list[str], inside: str) -> bool:
    if child.run == run or child.kind == "toast":
        return False
    if not fragments:
        return True
    return bool(inside) and (child.is_block or bool(child.fragment))


def texts(node: Node) -> Iterator[str]:
    """What a person reads in this part of the page: headings, Markdown, code, alerts, exceptions."""
    for one in _walk(node):
        if one.is_block:
            continue
        if one.kind == "exception":
            yield f"{one.message.type}: {one.message.message}"
        elif one.kind == "code":
            yield one.message.code_text
        elif one.kind in ("markdown", "heading", "text", "alert"):
            yield one.message.body


def key_ends(nodes: Iterator[Node], end: str) -> Node | None:
    """The first whose key ends so (keys begin with the family's name), or None."""
    return next((n for n in nodes if n.key.endswith(end)), None)


__all__ = ["Node", "Tree", "key_ends", "texts"]
