"""``python -m ebm_plugins list | check KEY | new NAME | run LINK``: the workbench without its pages."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ebm_plugins.records import claim

if TYPE_CHECKING:
    from ebm_plugins.records import Family, Run, Sampler
    from ebm_plugins.registry import Registry
    from ebm_plugins.testing import Result

KINDS = ("families", "datasets", "samplers")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ebm-plugins", prog_name="ebm_plugins")
def main() -> None:
    """A workbench for energy-based models, from the command line."""


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def list_(as_json: bool) -> None:
    """List what is installed: families, datasets, samplers, and what failed to load."""
    with _quiet():
        from ebm_plugins.registry import load

        registry = load()
    if as_json:
        click.echo(json.dumps(_listing(registry), indent=2))
        return
    for kind in KINDS:
        rows = [
            (key, record.title, provider.name, provider.version)
            for key, record in getattr(registry, kind).items()
            for provider in [registry.provider(record)]
        ]
        _table(kind.capitalize(), rows)
    _table("Failures", [(f.plugin, f.stage, f.message) for f in registry.failures])


@main.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Another seed draws other states everywhere.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--traceback", "traces", is_flag=True, help="Print where the plugin raised what made a check fail."
)
def check(keys: tuple[str, ...], seed: int, as_json: bool, traces: bool) -> None:
    """Run the conformance checks on families and samplers; 'all' is everything installed. Status 1 if one fails, or if
    a sampler cannot be checked."""
    with _quiet():
        from ebm_plugins import blas
        from ebm_plugins.registry import load
        from ebm_plugins.testing import ExpectationError, record_of, summary

        blas.one_thread()
        registry = load()
    wanted = [*registry.families, *registry.samplers] if keys == ("all",) else list(dict.fromkeys(keys))
    try:
        records = [record_of(key, registry) for key in wanted]
    except KeyError as error:
        left_out = "".join(f"\n  {f.plugin} was left out ({f.stage}): {f.message}" for f in registry.failures)
        message = f"expected an installed family or sampler, got {error.args[0]}{left_out}"
        raise click.ClickException(message) from None
    found: dict[str, Any] = {}
    conforms = True
    for record in records:
        try:
            results = _checked(record, registry, seed)
        except ExpectationError as error:
            raise click.ClickException(str(error)) from error
        total = summary(results)
        conforms = conforms and total.conforms
        found[record.key] = [asdict(r) | {"p": None if np.isnan(r.p) else r.p} for r in results]
        if not as_json:
            marks = [(r.check, r.outcome, r.figure, f"{r.seconds:.2f} s", r.message) for r in results]
            _table(f"{record.title} ({record.key})", [("check", "result", "figure", "time", ""), *marks])
            for one in results if traces else ():
                if one.traceback and one.outcome == "fail":
                    click.echo(f"{one.check}:\n{one.traceback}")
            counts = f"{total.passed} passed, {total.failed} failed, {total.expected} expected failures"
            click.echo(f"{record.key}: {counts}, {total.skipped} skipped in {total.seconds:.1f} s")
            if total.unchecked:
                click.echo(f"{record.key}: not checked: {total.unchecked}")
            click.echo()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    if not conforms:
        sys.exit(1)


def _checked(record: Family | Sampler, registry: Registry, seed: int) -> list[Result]:
    """The results of every check; on a terminal, which of them is being run."""
    from ebm_plugins.testing import checking, checks_for

    names, results = [one.name for one in checks_for(record)], []
    shown = sys.stderr.isatty()
    with _quiet():
        stream = checking(record, registry, seed)
        for number, name in enumerate(names, 1):
            if shown:
                click.echo(f"\r\033[K{record.key}: {number} of {len(names)}, {name}", err=True, nl=False)
            results += [result for result in [next(stream, None)] if result is not None]
        if shown:
            click.echo("\r\033[K", err=True, nl=False)
    return results


@main.command()
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=Path(),
    help="The folder that the package's own folder is made in (default: this one).",
)
def new(name: str, into: Path) -> None:
    """Write a package with a family called NAME (like 'my-family'): it installs, conforms and has a page at once."""
    from ebm_plugins.scaffold import BadNameError, write

    try:
        folder = write(name, into)
    except (BadNameError, OSError) as error:
        raise click.ClickException(str(error)) from error
    for path in sorted(folder.iterdir()):
        click.echo(f"wrote  {path}")
    key = folder.name.removeprefix("ebm-")
    click.echo(f"next   pip install -e {folder} && python -m ebm_plugins check {key}")


@main.command()
@click.argument("link")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.npz",
    help="Save the params and the last states as NumPy arrays (params/NAME, states).",
)
@click.option(
    "--data",
    "files",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="The file (or pictures, one --data each) that a link's own data came from, where they are not kept here.",
)
def run(link: str, output: Path | None, files: tuple[Path, ...]) -> None:
    """Run what LINK describes (a copied link, or just '/FAMILY?sample.steps=100') and say how it ended."""
    from ebm_plugins import blas, runs
    from ebm_plugins import link as links
    from ebm_plugins.records import ConfigError, PluginError
    from ebm_plugins.registry import load

    if output is not None and (output.suffix != ".npz" or not output.parent.is_dir()):
        raise click.BadParameter(
            f"expected FILE.npz in a folder that exists, got {output}", param_hint="--output"
        )
    blas.one_thread()
    try:
        _bring(links.dataset_of(link), files)
        with _quiet():
            registry = load()
            spec, mended = links.parse(link, registry)
        for one in mended:
            click.echo(f"mended       {one.parameter or 'link'}={one.given}: {one.reason}; used {one.used}")
        with _quiet():
            made = runs.run(spec, registry)
        for line in _summary(made, registry):
            click.echo(line)
        if output is not None:
            _save(output, made)
            click.echo(f"saved        {output}")
    except (ConfigError, PluginError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _bring(key: str, files: Sequence[Path]) -> None:
    """See that the data which a link names by their digest are here: from the store, else from their file."""
    from ebm_plugins import own, stored
    from ebm_plugins.file_limits import MOST_BYTES
    from ebm_plugins.files import read

    if not stored.missing(key):
        return
    digest = stored.digest_of(key)
    if not files:
        wanted = f"the link's data ({stored.space_of(key).describe()}, SHA-256 {digest}) are not kept on this machine"
        raise click.ClickException(f"{wanted}: give the file that they came from with --data FILE")
    for path in files:
        if path.stat().st_size > MOST_BYTES:
            raise click.ClickException(f"{path}: expected at most {MOST_BYTES / 1e6:g} MB")
    made = own.recognise(read([(path.name, path.read_bytes()) for path in files]), key)
    if made is None:
        names = ", ".join(map(str, files))
        raise click.ClickException(f"no way to read {names} gives the link's data (SHA-256 {digest})")
    own.keep(made)


def _quiet() -> contextlib.AbstractContextManager[Any]:
    """What plugins print while they load and run goes to stderr: stdout is ours."""
    return contextlib.redirect_stdout(sys.stderr)


def _summary(made: Run, registry: Registry) -> Iterator[str]:
    from ebm_plugins import link as links
    from ebm_plugins import runs

    yield f"run          {links.write(made.spec, registry)}"
    for note in made.notes:
        yield f"note         {note}"
    if made.sampling.diverged is not None:
        yield f"diverged     at snapshot {made.sampling.diverged}; the last good states are kept"
    if made.verdict is not None:
        yield f"verdict      {made.verdict.status}: {made.verdict.head} {made.verdict.text}".rstrip()
    for part, metrics in (("training", made.training.metrics), ("sampling", made.sampling.metrics)):
        last = [f"{name} {values[-1]:.4g}" for name, values in metrics.items() if len(values)]
        if last:
            yield f"{part:<12} " + ", ".join(last)
    yield f"states       {len(made.sampling.last)} in {made.space.describe()}"
    yield f"exactness    {claim(made.exactness)}"
    yield f"spec         {runs.spec_digest(made.spec, registry)}"
    yield f"result       {runs.result_digest(made)}"
    yield f"environment  {runs.environment_tag()}"


def _save(path: Path, made: Run) -> None:
    arrays = {f"params/{name}": value for name, value in made.params.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, states=made.sampling.last, **arrays)


def _listing(registry: Registry) -> dict[str, Any]:
    """The registry as plain data."""
    listing: dict[str, Any] = {}
    for kind in KINDS:
        listing[kind] = [
            {"key": record.key, "title": record.title, "provider": asdict(registry.provider(record))}
            for record in getattr(registry, kind).values()
        ]
    listing["providers"] = [asdict(p) for p in dict.fromkeys(registry.providers.values())]
    listing["failures"] = [asdict(failure) for failure in registry.failures]
    return listing


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in columns as wide as their widest cell; the last one runs free."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    click.secho(title, bold=True)
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo(("  " + "  ".join([*cells, row[-1]])).rstrip())
    click.echo()


if __name__ == "__main__":
    main(prog_name="python -m ebm_plugins")
