"""Numbers as people write them: decimal commas, thousands, currencies, percent, units, brackets; words for a gap."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cache

import pandas as pd

#: What stands for a missing value among numbers or dates.
GAP = (
    r"(?i:|[-–—.?*/]{1,3}|#?n/?a|n\.a\.?|nan|null|nil|none|missing|un(?:known|defined|specified)|n\.?d\.?|tb[ad]|"
    r"#(?:value|div/0|null|ref)!|no (?:data|answer|value)|not (?:available|applicable|known|measured|reported))"
)
#: Decimal mark and mark between thousands, the first that fits being taken: "1,230" is 1230 unless "1,5" is there too.
MARKS = ((".", ""), (".", ","), (".", " "), (".", "'"), (",", "."), (",", " "), (",", "'"))
_CURRENCY = (
    "(?:[A-Z]{1,3})?[$€£¥₹₽₩₺₴₪฿₫₱₦]|EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|BRL|ZAR|Rs\\.?|kr\\.?"
)
_CELL = re.compile(
    rf"(?P<open>\()?[-+]?\s*(?P<prefix>{_CURRENCY})?\s*[-+]?(?P<body>\d[\d.,' ]*|[.,]\d+)(?:[eE][-+]?\d+)?\s*"
    r"(?P<suffix>[^\d\s.,;:()+\-<>=/'_][^\d()<>=]{0,11})?(?(open)\))"
)
_COMPARISON = re.compile(r"[<>≤≥≈~=]+\s*")
_USUAL = str.maketrans("−–’\u00a0\u2009\u202f", "--'   ")


@dataclass(frozen=True)
class Form:
    """How the numbers of a column are written.

    Attributes:
        decimal: "." or ",".
        thousands: what stands between them, or "".
        prefix: a currency, or "".
        suffix: a currency, "%" or a unit, or "".
    """

    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""

    def __post_init__(self):
        """Raise TypeError if this is no form."""
        if (self.decimal, self.thousands) not in MARKS or not all(isinstance(part, str) for part in astuple(self)):
            raise TypeError(f"a form of numbers has two of {MARKS} and two texts, got {astuple(self)!r}")

    @property
    def example(self) -> str:
        """A number of this form, such as "$1,230.5"."""
        return f"{self.prefix}1{self.thousands}230{self.decimal}5{self.suffix}"

    def numbers(self, texts: pd.Series) -> pd.Series:
        """Texts [N] as floats, NaN where one is of another form; brackets mean minus."""
        parts = texts.str.translate(_USUAL).str.extract(_pattern(self))
        plain = parts["body"].str.replace(self.thousands, "").str.replace(self.decimal, ".") + parts["exponent"]
        numbers = pd.to_numeric(plain, errors="coerce")
        minus = parts["open"].notna() ^ (parts["sign"] == "-") ^ (parts["sign_after"] == "-")
        numbers = numbers.where(~minus, -numbers)
        return pd.to_numeric(texts, errors="coerce").fillna(numbers) if self == PLAIN else numbers


PLAIN = Form()


def best(counts: Mapping[str, int], commas: bool = False) -> Form:
    """Find the form that most cells have, ``PLAIN`` where none is a number.

    Args:
        counts: cells by their text.
        commas: whether the table has decimal commas elsewhere, so that "1.230" is 1230 where it can be.
    """
    cells = [(match, n) for text, n in counts.items() if (match := _CELL.fullmatch(bare(text)))]
    affixes = Counter[tuple[str, str]]()
    for match, n in cells:
        affixes[match["prefix"] or "", match["suffix"] or ""] += n
    if not affixes:
        return PLAIN
    ((prefix, suffix), _), *_ = affixes.most_common(1)
    bodies = Counter[str]()
    for match, n in cells:
        if (match["prefix"] or "", match["suffix"] or "") == (prefix, suffix):
            bodies[match["body"].strip()] += n
    weights = {
        marks: sum(n for body, n in bodies.items() if re.fullmatch(_body(*marks), body))
        for marks in sorted(MARKS, key=lambda marks: commas and marks[0] != ",")
    }
    return Form(*max(weights, key=weights.__getitem__), prefix, suffix)


def of_most(texts: pd.Series, commas: bool = False) -> Form:
    """Find the form that most of texts [N] have; ``commas`` as of ``best``."""
    if not commas and pd.to_numeric(texts, errors="coerce").notna().all():
        return PLAIN
    return best(texts.value_counts().to_dict(), commas)


def decimal_mark(texts: pd.Series, commas: bool = False) -> str:
    """Find the mark of texts [N] that are numbers for the most part; "" of others."""
    form = of_most(texts, commas)
    return form.decimal if form.numbers(texts).notna().mean() > 1 / 2 else ""


def bare(text: str) -> str:
    """A cell without what compares it, such as "0.5" of "<0.5"; minus, apostrophe and blanks in their usual form."""
    return _COMPARISON.sub("", text.translate(_USUAL), count=1) if _COMPARISON.match(text) else text.translate(_USUAL)


def is_gap(texts: pd.Series) -> pd.Series:
    """Whether texts [N] are words for a missing value."""
    return texts.str.fullmatch(GAP)


def without_gaps(texts: pd.Series) -> pd.Series:
    """Leave out words for a missing value, unless there are no others."""
    gaps = is_gap(texts)
    return texts if gaps.all() else texts[~gaps]


@cache
def _body(decimal: str, thousands: str) -> str:
    d, t = re.escape(decimal), re.escape(thousands)
    grouped = rf"[1-9]\d{{0,2}}(?:{t}\d{{3}})+(?:{d}\d+)?|" if thousands else ""
    return rf"{grouped}\d+(?:{d}\d+)?|{d}\d+"


@cache
def _pattern(form: Form) -> str:
    prefix, suffix, body = re.escape(form.prefix), re.escape(form.suffix), _body(form.decimal, form.thousands)
    return (
        rf"^(?P<open>\()?(?P<sign>[-+]?)\s*{prefix}\s*(?P<sign_after>[-+]?)(?P<body>{body})"
        rf"(?P<exponent>(?:[eE][-+]?\d+)?)\s*{suffix}(?(open)\))$"
    )
