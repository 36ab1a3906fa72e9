"""Reads the parameters of one link, value by value, and notes what it could not use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ebm_plugins import starts
from ebm_plugins.config import Knob, knobs
from ebm_plugins.link_values import base_specs, start_text, start_value, values_of
from ebm_plugins.plans import MAX_SEED, plan
from ebm_plugins.records import ConfigError, Family, PluginError
from ebm_plugins.registry import Registry
from ebm_plugins.specs import RunSpec

MAX_PARAMETERS = 200
SHOWN = 60  # characters of a stranger's text that are shown back
_SEED = Knob(name="seed", kind="int", default=0, title="Seed", ge=0, le=MAX_SEED)


@dataclass(frozen=True)
class Mended:
    """A value of a link that could not be used: which parameter, what came, why not, and what is used instead."""

    parameter: str
    given: str
    reason: str
    used: str


def short(text: object) -> str:
    """A stranger's text, cut to what can be shown, without control characters."""
    shown = "".join(c if c.isprintable() else "�" for c in str(text)[: SHOWN + 1])
    return shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"


class Reader:
    """Reads the parameters of one link, and notes what it could not use."""

    def __init__(self, family: Family, registry: Registry, pairs: list[tuple[str, str]]) -> None:
        self.family, self.registry = family, registry
        self.mended: list[Mended] = []
        self.given: dict[str, str] = {}
        if len(pairs) > MAX_PARAMETERS:
            self.note(
                "", f"{len(pairs)} parameters", f"a link has at most {MAX_PARAMETERS}", "the first ones"
            )
        for name, value in pairs[:MAX_PARAMETERS]:
            plain = self._name(name)
            if plain in self.given:
                self.note(
                    plain, value, "it is given more than once", f"the first, {short(self.given[plain])}"
                )
            else:
                self.given[plain] = value

    @staticmethod
    def _name(name: str) -> str:
        return name.strip().lower()

    def note(self, parameter: str, given: object, reason: str, used: object) -> None:
        self.mended.append(Mended(short(parameter), short(given), short_reason(reason), short(used)))

    def take(self, name: str) -> str | None:
        return self.given.pop(name, None)

    def read(self) -> RunSpec:
        base = self._base()
        self._version(self.take("v"))
        self.take("family")
        spec = self._settle(self._read_on(base), base)
        for name, value in self.given.items():
            near = "no such parameter here"
            self.note(name, value, near, "nothing")
        return spec

    def _version(self, v: str | None) -> None:
        from ebm_plugins.stamps import read_stamp  # it knows runs, which reading a link does not need

        if v is not None and read_stamp(v) is None:
            self.note("v", v, "expected the version and digests that Copy link writes", "nothing")

    def _base(self) -> RunSpec:
        bases = base_specs(self.family)
        default = next(iter(bases))
        asked = self.take("preset")
        names = {name.lower(): name for name in bases}
        if asked is not None and asked.strip().lower() not in names:
            self.note(
                "preset",
                asked,
                "expected one of " + ", ".join(n for n in bases if n),
                default or "the defaults",
            )
            asked = None
        return bases[names[asked.strip().lower()] if asked else default]

    def _read_on(self, base: RunSpec) -> RunSpec:
        spec = base
        data = self.take("data")
        if data is not None:
            spec = self._try(spec, "data", data, dataset=self._known_data(data.strip()))
        spec = self._configs(spec, "train")  # what is learned decides which samplers fit
        sampler = self.take("sampler")
        if sampler is not None:
            key = sampler.strip().lower()
            old = self._sampler_key(spec)
            spec = self._try(spec, "sampler", sampler, sampler=key, **({} if key == old else {"sample": {}}))
        spec = self._configs(spec, "sample")
        spec = self._start(spec)
        seed = self.take("seed")
        if seed is not None:
            spec = self._seed(spec, seed)
        return self._stop(spec)

    def _known_data(self, key: str) -> str:
        return key if key.startswith("inline:") else key.lower()

    def _sampler_key(self, spec: RunSpec) -> str:
        try:
            return plan(spec, self.registry).spec.sampler
        except (ConfigError, PluginError):
            return spec.sampler or self.family.key

    def _try(self, spec: RunSpec, parameter: str, given: str, **change: Any) -> RunSpec:
        """The changed spec when it resolves, else the unchanged one and a note."""
        changed = replace(spec, **change)
        try:
            plan(changed, self.registry)
        except ConfigError as error:
            if error.field.split(".")[0] not in (parameter.split(".")[0],):
                return self._with_default_start(spec, changed, parameter, given, error)
            self.note(parameter, given, _expected(error, given), self._in_use(spec, parameter))
            return spec
        except PluginError as error:
            self.note(parameter, given, str(error), self._in_use(spec, parameter))
            return spec
        return changed

    def _with_default_start(
        self, spec: RunSpec, changed: RunSpec, parameter: str, given: str, error: ConfigError
    ) -> RunSpec:
        """A change that the base's start or configs do not survive: those go back to their defaults."""
        bare = replace(changed, start=None, train_stop=None, sample_stop=None)
        for candidate in (bare, replace(bare, sample={}), replace(bare, sample={}, train={})):
            try:
                plan(candidate, self.registry)
            except (ConfigError, PluginError):
                continue
            return candidate
        self.note(parameter, given, _expected(error, given), self._in_use(spec, parameter))
        return spec

    def _in_use(self, spec: RunSpec, parameter: str) -> str:
        try:
            values = values_of(plan(spec, self.registry).spec, self.registry)
        except (ConfigError, PluginError):
            return "the default"
        return values.get(parameter, "the default")

    def _configs(self, spec: RunSpec, part: str) -> RunSpec:
        model = self.family.train_config
        if part == "sample":
            sampler = self.registry.samplers.get(self._sampler_key(spec))
            model = sampler.config if sampler else self.family.sample_config
        for knob in knobs(model):
            text = self.take(f"{part}.{knob.name.lower()}")
            if text is not None:
                spec = self._config_value(spec, part, knob, text)
        return spec

    def _config_value(self, spec: RunSpec, part: str, knob: Knob, text: str) -> RunSpec:
        parameter = f"{part}.{knob.name}"
        try:
            value = knob.decode(text)
        except ValueError as error:
            self.note(parameter, text, f"expected {error}", self._in_use(spec, parameter))
            return spec
        return self._try(spec, parameter, text, **{part: {**getattr(spec, part), knob.name: value}})

    def _start(self, spec: RunSpec) -> RunSpec:
        kind = self.take("start")
        fields = {n: self.given.pop(n) for n in list(self.given) if n.startswith("start.")}
        if kind is None and not fields:
            return spec
        current = plan(spec, self.registry).spec.start
        assert current is not None
        if kind is not None and kind.strip().lower() not in starts.KINDS:
            self.note("start", kind, "expected one of " + ", ".join(starts.KINDS), current.name)
            kind = None
        cls = starts.KINDS[kind.strip().lower()] if kind else type(current)
        values = starts.as_dict(current) if isinstance(current, cls) else starts.as_dict(cls())
        values.pop("start")
        for parameter, text in fields.items():
            name = parameter.removeprefix("start.")
            if name not in values:
                self.note(
                    parameter, text, "expected one of " + ", ".join(f"start.{v}" for v in values), "nothing"
                )
                continue
            try:
                values[name] = start_value(name, text, plan(spec, self.registry).space.dim)
            except ValueError as error:
                self.note(
                    parameter, text, f"expected {error}", start_text(name, values[name]) or "the default"
                )
        asked = starts.from_dict({"start": cls.name, **values})
        return self._settle_start(spec, asked, kind or "")

    def _settle_start(self, spec: RunSpec, asked: starts.Start, given: str) -> RunSpec:
        for _ in range(8):
            try:
                plan(replace(spec, start=asked), self.registry)
                return replace(spec, start=asked)
            except ConfigError as error:
                if isinstance(asked, starts.Drawn) and not asked.states:
                    wanted = "nothing is drawn: expected `start.states` beside it"
                    self.note("start", given or asked.name, wanted, self._in_use(spec, "start"))
                    return spec
                name = error.field.removeprefix("start.")
                usual = getattr(type(asked)(), name, None)
                if error.field.startswith("start.") and usual and getattr(asked, name) != usual:
                    self.note(
                        error.field, error.got, _expected(error), start_text(name, usual) or "the default"
                    )
                    asked = replace(asked, **{name: usual})
                    continue
                self.note(error.field, error.got, _expected(error), self._in_use(spec, "start"))
                return spec
        return spec

    def _seed(self, spec: RunSpec, text: str) -> RunSpec:
        try:
            return replace(spec, seed=_SEED.decode(text))
        except ValueError as error:
            self.note("seed", text, f"expected {error}", spec.seed)
            return spec

    def _stop(self, spec: RunSpec) -> RunSpec:
        text = self.take("stop")
        if text is None:
            return spec
        parts = [p.strip() for p in text.split(",")] + [""]
        stops = {}
        for name, part in zip(("train_stop", "sample_stop"), parts, strict=False):
            low = 1 if name == "train_stop" else 0
            if part and not (part.isascii() and part.isdigit() and len(part) <= 9 and int(part) >= low):
                self.note(
                    "stop", text, "expected two whole numbers, TRAIN,SAMPLE, or nothing for either", "no stop"
                )
                return spec
            stops[name] = int(part) if part else None
        return replace(spec, **stops)  # type: ignore[arg-type]

    def _settle(self, spec: RunSpec, base: RunSpec) -> RunSpec:
        """The resolved spec, or the nearest one that resolves."""
        bare = RunSpec(family=self.family.key)
        for candidate in (spec, base, bare):
            try:
                return plan(candidate, self.registry).spec
            except ConfigError as error:
                last: Exception = error
                self.note(error.field, error.got, _expected(error), "the defaults")
            except PluginError as error:
                last = error
                self.note("data", candidate.dataset, str(error), "the defaults")
        raise last


def short_reason(text: str) -> str:
    """A reason, cut to a readable length."""
    return text if len(text) <= 240 else text[:240] + "…"


def _expected(error: ConfigError, given: str = "") -> str:
    """What was expected, with what came where that says more than the text of the link does: the reason."""
    got = short(error.got) if not given else str(error.got)
    plain = {given.strip().lower(), short(given).lower()}
    return f"expected {error.expected}" + (f", got {got}" if given and got.lower() not in plain else "")
