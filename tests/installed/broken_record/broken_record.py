"""Yields something that is no record."""

from ebm_plugins import hookimpl


@hookimpl
def register_families():
    yield {"key": "broken-record", "title": "A mapping is not a Family"}
