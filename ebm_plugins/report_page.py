"""A whole run as one HTML page that reads well and prints well: no script, no request, light on paper."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ebm_plugins import charts_svg, curves, digests, framed, numbers
from ebm_plugins.config import knobs
from ebm_plugins.records import Family, Run, claim
from ebm_plugins.registry import Registry
from ebm_plugins.runs import environment_tag, result_digest, spec_digest
from ebm_plugins.spaces import BinaryGrid
from ebm_plugins.stamps import environment_of

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.55 "Source Sans 3", "Source Sans Pro", "Segoe UI", Arial, sans-serif; color: #1A1E26;
  background: #FFFFFF; margin: 0 auto; padding: 32px 20px 64px; max-width: 820px; }
h1 { font: 600 34px/1.2 "Source Serif 4", "Source Serif Pro", Georgia, serif; margin: 0 0 4px; }
h2 { font: 600 22px/1.3 "Source Serif 4", "Source Serif Pro", Georgia, serif; margin: 40px 0 12px; }
h3 { font-size: 15px; margin: 0 0 6px; }
p { margin: 0 0 10px; max-width: 75ch; }
.muted, figcaption { color: #59616E; font-size: 14px; }
.verdict { border: 1px solid #DFE3E9; border-radius: 8px; padding: 12px 16px; margin: 20px 0; }
code { font: 13px/1.5 "Source Code Pro", Consolas, monospace; overflow-wrap: anywhere; }
.link { background: #F5F6F8; border-radius: 8px; padding: 10px 14px; display: block; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 5px 14px 5px 0; border-bottom: 1px solid #DFE3E9;
  overflow-wrap: anywhere; }
thead th { color: #59616E; font-weight: 600; }
tbody th { font-weight: 400; }
figure { margin: 0; }
figure svg { display: block; width: 100%; height: auto; }
.stage { max-width: 560px; }
.figures { display: grid; grid-template-columns: 1fr 1fr; gap: 24px 20px; margin-top: 20px; }
@media screen and (max-width: 640px) { .figures { grid-template-columns: 1fr; } }
@page { size: A4; margin: 16mm 15mm 18mm; }
@media print {
  body { font-size: 10.5pt; padding: 0; max-width: none; }
  h1 { font-size: 22pt; } h2 { font-size: 14pt; margin-top: 18pt; }
  h2, h3 { break-after: avoid; }
  figure, tr, .verdict, .link, .digests { break-inside: avoid; }
  .digests td { font: 8pt/1.5 "Source Code Pro", Consolas, monospace; overflow-wrap: normal; white-space: nowrap; }
  ul { margin: 0; padding-left: 14pt; }
  .figures { grid-template-columns: 1fr 1fr; gap: 12pt; }
  .stage { max-width: 120mm; margin: 0 auto; }
  table { font-size: 9.5pt; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""


def page(run: Run, registry: Registry, link: str) -> str:
    """The report of a finished run. ``link`` is its whole address."""
    family = registry.families[run.spec.family]
    title = family.title
    sampler = registry.samplers.get(run.spec.sampler)
    about = (
        f"{sampler.title if sampler else title} on {run.data.name or run.spec.dataset}, seed {run.spec.seed}"
    )
    verdict = "" if run.verdict is None else (
        f'<p class="verdict"><strong>{_(run.verdict.head)}</strong> {_(_words(run.verdict.text))}</p>'
    )  # fmt: skip
    stage = framed.themed(framed.still(run), False)
    stage = stage.replace(
        'aria-hidden="true"', f'role="img" aria-label="{_("The last states of the run.")}"', 1
    )
    few = (
        isinstance(run.space, BinaryGrid) and len(run.sampling.last) < 18
    )  # as ebm_plugins.thumbs draws them
    moment = "The first chain at its start, half-way and at its end" if few else "At the end of the run"
    shown = ", ".join(words for _role, words in framed.legend(run))
    training = [
        curves.Panel(_words(name), curves.metric_curve("", values, "snapshot"), f"{name} against snapshot")
        for name, values in run.training.metrics.items()
        if len(values) > 1
    ]
    diagnostics = [curves.energy_traces(run)]
    parts = [
        f"<h1>{_(title)}</h1>",
        f'<p class="muted">{_(about)}. {_(claim(run.exactness))}.</p>',
        verdict,
        f'<figure class="stage">{stage}<figcaption>{moment}: {_(shown)}.</figcaption></figure>',
        _section(
            "Truth", _numbers(run) + _figures(curves.comparison(run) if run.exactness != "descent" else [])
        ),
        _section("Training", _figures(training)) if training else "",
        _section("Diagnostics", _figures(diagnostics)),
        _section("Settings", _settings(run, family)),
        _section("The same run again", f'<code class="link">{_(link)}</code>' + _digests(run, registry)),
        _section("References", _references(family.lens.references if family.lens else ())),
    ]
    notes = "".join(f'<p class="muted">{_(note)}</p>' for note in run.notes)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{_(title)}: a run</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        f"<style>{CSS}</style></head><body><main>{''.join(parts)}{notes}</main></body></html>\n"
    )


def _(text: object) -> str:
    """Text from anywhere as text."""
    return html.escape("".join(c if c.isprintable() or c == "\n" else " " for c in str(text)), quote=True)


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{_(title)}</h2>{inner}</section>" if inner else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join(
        f'<tr><th scope="row">{_(row[0])}</th>' + "".join(f"<td>{_(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    top = "".join(f'<th scope="col">{_(name)}</th>' for name in head)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>" if body else ""


def _figures(panels: list[curves.Panel]) -> str:
    inner = "".join(
        f"<figure><h3>{_(p.title)}</h3>{_unique(charts_svg.svg(p.figure, p.alt), i)}<figcaption>{_(p.alt)}</figcaption></figure>"
        for i, p in enumerate(panels)
    )
    return f'<div class="figures">{inner}</div>' if inner else ""


def _unique(svg: str, number: int) -> str:
    """Ids are the page's: all charts clip alike, so that one name would do, but not in every reader."""
    return svg.replace('id="c"', f'id="c{number}"').replace("url(#c)", f"url(#c{number})")


def _numbers(run: Run) -> str:
    if run.exactness == "descent":
        found = numbers.descent(run)
        return _table(
            ("Number", "Value", "Beside"),
            [
                ("Energy at the end", _n(found.last, 3), f"start {_n(found.first, 3)}"),
                ("Energy rose", str(found.rises), f"of {found.steps} steps"),
                ("States", str(found.states), f"{found.chains} followed"),
            ],
        )
    held = numbers.of(run)
    floor = "" if math.isnan(held.floor_high) else (
        f"{held.count} exact draws: {_n(held.floor_low, 3)} to {_n(held.floor_high, 3)}"
    )  # fmt: skip
    exact = "" if math.isnan(held.exact_energy) else f"exact {_n(held.exact_energy, 3)}"
    rows = [
        ("Total variation", _n(held.total_variation, 3), floor),
        ("Mean energy", f"{_n(held.mean_energy, 3)} ± {_n(held.energy_error, 3)}", exact),
        ("log Z", _n(held.log_z, 4), held.log_z_kind),
        ("Effective draws", _n(held.ess, 0), f"of {held.draws}"),
        ("R-hat", _n(held.rhat, 3), "wants 1.01 or less"),
    ]
    report = run.report
    if report is not None and not math.isnan(report.acceptance):
        rows.append(("Acceptance", f"{100 * report.acceptance:.0f} %", "of proposals"))
    reason = (
        f'<p class="muted">There is no exact answer here. {_(_words(held.reason))}</p>' if held.reason else ""
    )
    return reason + _table(("Number", "Value", "Beside"), [row for row in rows if row[1] != "—"])


def _n(value: float, digits: int) -> str:
    if math.isnan(value):
        return "—"
    return "very large" if math.isinf(value) else f"{value:.{digits}f}".replace("-", "−")


def _settings(run: Run, family: Family) -> str:
    """What determines the run. Of a model that learns nothing, the knobs of learning that were left alone are one row."""
    spec = run.spec.as_dict()
    rows = [("data", str(spec["dataset"])), ("sampler", str(spec["sampler"])), ("seed", str(spec["seed"]))]
    plain: dict[str, Any] = {}
    if not family.needs_data(run.configs.train):
        plain = {k.name: k.default for k in knobs(family.train_config) if k.kind != "choice"}
    told = {k: v for k, v in spec["train"].items() if k not in plain or v != plain[k]}
    rows += [(f"train.{k}", _value(v)) for k, v in told.items()]
    if len(told) < len(spec["train"]):
        rows.append(("train, all else", "as by default; nothing is learned in this run"))
    rows += [(f"sample.{k}", _value(v)) for k, v in spec["sample"].items()]
    start: Mapping[str, Any] = spec["start"] or {}
    rows += [
        ("start" if k == "start" else f"start.{k}", _value(v)) for k, v in start.items() if v not in ([], ())
    ]
    rows += [(k, str(spec[k])) for k in ("train_stop", "sample_stop") if spec[k] is not None]
    return _table(("Setting", "Value"), rows)


def _value(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = text or "(none)"
    return text if len(text) <= 120 else text[:119] + "…"


def _digests(run: Run, registry: Registry) -> str:
    rows = [
        ("spec, equal everywhere", spec_digest(run.spec, registry)),
        ("result, in this environment", result_digest(run)),
        ("environment", made_in := environment_of(run)),
    ]
    if made_in == environment_tag():  # elsewhere nothing here knows what it was made with
        rows += [(name, str(value)) for name, value in digests.environment().items() if name != "features"]
    return f'<div class="digests">{_table(("Digest or version", "Value"), rows)}</div>'


def _references(references: Iterable[str]) -> str:
    inner = "".join(f"<li>{_(_words(one))}</li>" for one in references)
    return f"<ul>{inner}</ul>" if inner else ""


def _words(text: str) -> str:
    """Markdown's marks taken off."""
    return text.replace("**", "").replace("*", "").replace("`", "").replace("_", " ")
