"""A pytest plugin (entry point ``pytest11``): a registry for plugins' tests. Nothing but
pytest is imported until it is used, NumPy neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ebm_plugins.registry import Registry


@pytest.fixture(scope="session")
def ebm_registry() -> Registry:
    """The built-in families, datasets and samplers, with discovery off: what else is installed changes no test."""
    from ebm_plugins.registry import load

    return load(discover=False)
