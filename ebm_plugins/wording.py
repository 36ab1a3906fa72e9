"""Numbers as a reader sees them: a true minus, a narrow no-break space before % and between thousands, sensible
digits, and never the words of a floating-point unit for what is not known."""

from __future__ import annotations

import math

SPACE = "\u202f"
MINUS = "−"
UNKNOWN = "not known"
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def number(value: float, digits: int = 2) -> str:
    """A number with so many decimals; large and small powers as 2 × 10¹⁴⁷."""
    value = float(value)
    if math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "larger than any number" if value > 0 else "lower than any number"
    if abs(value) >= 1e7:
        return power(value)
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    if abs(value) >= 10_000:
        text = f"{value:,.{digits}f}".replace(",", SPACE)
    return text.replace("-", MINUS)


def told_apart(value: float, other: float, digits: int = 2) -> tuple[str, str]:
    """Both numbers with so many decimals, or as many more, up to six, as it takes to see which is larger."""
    for more in range(digits, 7):
        shown = number(value, more), number(other, more)
        if shown[0] != shown[1]:
            return shown
    return number(value, digits), number(other, digits)


def count(value: float) -> str:
    """A whole number: 300, 60 000."""
    value = float(value)
    if not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= 1e15:
        return power(value)
    text = f"{round(value):,}".replace(",", SPACE) if abs(value) >= 10_000 else str(round(value))
    return text.replace("-", MINUS)


def percent(share: float) -> str:
    """A share as 42 %; a small one that is not nothing as 0.4 %."""
    if not math.isfinite(share):
        return UNKNOWN
    value = 100 * float(share)
    digits = 1 if 0 < abs(value) < 0.95 else 0
    if 0 < abs(value) < 0.05:
        return f"under 0.1{SPACE}%"
    return f"{value:.{digits}f}".replace("-", MINUS) + f"{SPACE}%"


def power(value: float) -> str:
    """4.0 × 10⁹."""
    exponent = math.floor(math.log10(abs(value)))
    lead = f"{value / 10.0**exponent:.1f}"
    if lead.lstrip("-") == "10.0":
        exponent, lead = exponent + 1, lead.replace("10.0", "1.0")
    return f"{lead} × 10".replace("-", MINUS) + str(exponent).translate(_SUPERSCRIPT)


def ratio(value: float) -> str:
    """R-hat, with two decimals; beyond 100 only that it is."""
    return "above 100" if value > 100 else number(value, 2)


def plural(value: int, one: str, many: str = "") -> str:
    """‘no flips’, ‘one flip’, ‘19 flips’."""
    if value == 0:
        return f"no {many or one + 's'}"
    return f"one {one}" if value == 1 else f"{count(value)} {many or one + 's'}"


def join(*sentences: str) -> str:
    """Sentences in a row, without the empty ones."""
    return " ".join(s.strip() for s in sentences if s and s.strip())
