"""Query strings as a stranger with bad intentions writes them: a grammar, drawn from with a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import quote, quote_from_bytes

from ebm_plugins import classroom, starts
from ebm_plugins.config import knobs
from ebm_plugins.registry import Registry

NUMBERS = [
    "0", "-0", "−0", "-1", "1e309", "-1e309", "NaN", "nan", "inf", "-Infinity", "1e-400", "2**64", str(2**63), str(2**64), "9" * 4301,
    "0x10", "1_000", "1,5", "१२३", "1e", "+5", " 7 ", "٣", "½", "1e308", "4.9e-324", "0.1" * 50, "1/0", "True", "None", "1" * 20_001,
]  # fmt: skip
TEXTS = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "$\\frac{1}{0}$", "$$\\def\\x{\\x\\x}\\x$$",
    "`code` **bold** [a](http://b) ![i](//c)", ":material/home: :red[x] :streamlit:", "|a|b|\n|-|-|\n|1|2|", "# heading\n\n- list",
    "%s%s%n%x", "{0.__class__.__mro__}", "{{7*7}}", "${jndi:ldap://x}", "f'{1}'", "'; DROP TABLE runs; --", "__import__('os').system('touch MARK')",
    "../../../../etc/passwd", "..\\..\\win.ini", "/etc/passwd\x00.npz", "file:///etc/passwd", "~root/.ssh/id_rsa", "con", "C:\\Windows",
    "stored:plane:" + "0" * 64, "stored:grid9999x9999:" + "f" * 64, "stored:../../x:" + "a" * 64, "stored:vectors64:" + "z" * 64,
    "inline:64x64:" + "A" * 5000, "inline:-1x9:AAAA", "inline:0x0:", "inline:", "stored:",
    "\u202egnp.exe\u202c", "\u2066a\u2069", "\u200b\u200d\ufeff", "a\u0300" * 300, "😀" * 60, "İıſK", "ﷺ" * 20, "\U000e0041", "\ud7ff\ue000", "\uffff",
    "\x00", "\x1b[31mred", "\r\nSet-Cookie: a=b", "\t\v\f", "\x7f\x80\x9f", "null", "undefined", "[]", "{}", "[object Object]", "constructor",
    "AAAA", "____", "====", "-" * 4097, "A" * 4096, "A" * 4097, ",", ",,,", "0,1,2", ",".join(["0"] * 3000), "0," * 9999, ";", "a;b=c",
]  # fmt: skip
RAW = ["%", "%%", "%0", "%zz", "%00", "%ff%fe", "%c0%ae%c0%ae/", "%ed%a0%80", "%25%32%35", "%u0041", "+", "%2B", "%26a=b", "#", "&&", "=", "=="]  # fmt: skip


def names_of(family: str, registry: Registry) -> list[str]:
    """Every parameter that a family's link may have, and some that none has."""
    record = registry.families[family]
    models = [record.sample_config, *(s.config for s in registry.samplers.values())]
    fields = {f"train.{k.name}" for k in knobs(record.train_config)}
    fields |= {f"sample.{k.name}" for model in models for k in knobs(model)}
    fields |= {f"start.{n}" for n in ("n", "rows", "copies", "kind", "amount", "states", "free")}
    reserved = ("family", "data", "preset", "sampler", "seed", "start", "stop", "v", "embed", "link")
    return [*reserved, *classroom.WORDS, *sorted(fields), "train.", "sample", "start.", "__proto__", "key"]


def honest_of(family: str, registry: Registry) -> list[str]:
    """Words that mean something to a link."""
    return [*registry.datasets, *registry.samplers, *registry.families[family].presets, *starts.KINDS, "true", "1", "5", "0.3"]  # fmt: skip


def links(
    seed: int, count: int, registry: Registry, pages: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """``count`` pairs of a page (a family's key, or one of ``pages``) and a query string, the same for the same seed."""
    random_ = random.Random(seed)
    families = list(registry.families)
    known = {f: (names_of(f, registry), honest_of(f, registry)) for f in families}
    for _ in range(count):
        page = random_.choice([*families, *families, *pages])
        names, honest = known[page if page in known else random_.choice(families)]
        yield page, query(random_, names, honest)


def query(random_: random.Random, names: list[str], honest: list[str]) -> str:
    """One query string: a handful of parameters, seldom very many, and seldom a very long one."""
    kind = random_.random()
    if kind < 0.02:
        return (
            quote(random_.choice(names))
            + "="
            + random_.choice(["A", "%F0%9F%98%80", "0,", "%25", "9"]) * random_.choice([3000, 8000])
        )
    if kind < 0.03:
        return "a" * 100_000 if random_.random() < 0.5 else "seed=" + "7" * 100_000
    if kind < 0.05:
        return "&".join(
            f"{quote(random_.choice(names))}={i}" for i in range(random_.choice([201, 1001, 3000]))
        )
    parts = [_pair(random_, names, honest) for _ in range(random_.randint(1, 7))]
    if random_.random() < 0.2:
        parts += random_.choices(parts, k=random_.randint(1, 4))
    return random_.choice(["&"] * 8 + [";", "&&", "&amp;"]).join(parts)


def _pair(random_: random.Random, names: list[str], honest: list[str]) -> str:
    name = random_.choice(names)
    odd = random_.random()
    if odd < 0.1:
        name = random_.choice(
            [
                name.upper(),
                f" {name}\t",
                name + "\x00",
                name * 50,
                random_.choice(TEXTS),
                name.replace("e", "е"),
            ]
        )
    if random_.random() < 0.1:
        return quote(name) + "=" + random_.choice(RAW)
    value = random_.choice(random_.choice([NUMBERS, NUMBERS, TEXTS, honest, honest]))
    if random_.random() < 0.05:
        return quote(name) + "=" + quote_from_bytes(random_.randbytes(random_.randint(1, 40)))
    if random_.random() < 0.05:
        value = quote(value)  # twice
    return quote(name) + random_.choice(["="] * 19 + [""]) + quote(value, safe=random_.choice(["", ",:/"]))
