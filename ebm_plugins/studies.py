"""Running a family's studies: experiments that are no single run, each a stream of figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ebm_plugins.config import build
from ebm_plugins.records import FAULTS, ConfigError, PluginError
from ebm_plugins.registry import Registry


def study(family: str, title: str, values: Mapping[str, Any], seed: int, registry: Registry) -> Iterator[Any]:
    """The figures of a study, as it yields them; ``values`` are the fields of its config that were set.

    Its randomness is the fourth stream of the seed. Raises ConfigError for what the user can mend, PluginError
    when the study raises or yields something else than a Plotly figure.
    """
    found = registry.families.get(family)
    if found is None:
        raise ConfigError("family", "one of " + ", ".join(registry.families), family)
    if title not in found.studies:
        raise ConfigError("study", "one of " + (", ".join(found.studies) or "(none)"), title)
    model, function = found.studies[title]
    config = build(model, values, "study.")
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(4)[3])
    try:
        for figure in function(config, rng):
            if not hasattr(figure, "to_plotly_json"):
                raise PluginError(
                    family, title, f"It yielded a {type(figure).__name__} where a figure was expected."
                )
            yield figure
    except (PluginError, ConfigError):
        raise
    except FAULTS as error:
        raise PluginError(family, title, f"It raised {type(error).__name__}: {error}") from error


def latest(figures: Sequence[Any]) -> list[Any]:
    """The figures to show of those that came: one with the same axis titles as an earlier one redraws it."""
    shown: dict[str, Any] = {}
    for figure in figures:
        layout = figure.to_plotly_json().get("layout", {})
        axes = sorted(name for name in layout if name.startswith(("xaxis", "yaxis")))
        titles = [_title(layout[name].get("title")) for name in axes]
        shown[repr(titles)] = figure
    return list(shown.values())


def _title(title: Any) -> str:
    return str(title.get("text", "") if hasattr(title, "get") else title or "")
