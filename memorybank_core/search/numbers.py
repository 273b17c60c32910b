"""Terms of numbers: amounts, versions, dates and phone numbers, however they are written."""

from __future__ import annotations

import re

NUMBER = r"\+?\d+(?:(?: ?\(|\) ?| [-/] |[ .,/'-])\d+)*"
"""Pattern of a number or of several that may belong together, such as a phone number."""

_GAP = re.compile(r"[^\d.,']+")
_DATE = re.compile(
    r"\d{4}[-/.]\d\d?[-/.]\d\d?\b|\d\d?[-/.]\d\d?[-/.]\d{4}\b|(?:19|20)\d\d-(?:19|20)\d\d\b"
)
_THOUSANDS = re.compile(r"(\d{1,3}(?:[,']\d{3})+)(?:\.(\d+))?|(\d{1,3}(?:[. ]\d{3})+)(?:,(\d+))?")
_DECIMAL = re.compile(r"(\d+)[.,](\d+)")
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)+")

_LOCAL_DIGITS = 7
"""The last digits of a phone number: with and without country or area code they are equal."""


def number_terms(text: str) -> list[str]:
    """Return the terms of a text that `NUMBER` matches.

    1,000 and 1000 have the same term, as have 3.50 and 3,5, or 0171 3920 073 and +49 171 3920073.
    A number in several groups also has the terms of its groups.
    """
    if text.isdecimal():
        return [text] if len(text) <= _LOCAL_DIGITS else [text, text[-_LOCAL_DIGITS:]]
    if _DATE.match(text):
        return re.findall(r"\d+", text)
    groups = _GAP.split(text.lstrip("+"))
    terms = [term for group in groups for term in _group_terms(group)]
    if len(groups) > 1 and (amount := _amount(text)):
        return [amount, *terms]
    digits = re.sub(r"\D", "", text)
    local = digits[-_LOCAL_DIGITS:]
    if len(local) == _LOCAL_DIGITS and local not in terms and not _amount(text):
        terms.append(local)
    return terms


def _group_terms(text: str) -> list[str]:
    """Return the terms of digits, points, commas and apostrophes."""
    if text.isdecimal():
        return [text]
    if amount := _amount(text):
        decimal = _DECIMAL.fullmatch(text) if text.count(".") == 1 and "," not in text else None
        return [amount, text] if decimal else [amount]  # 1.000 is also one with three decimals
    if decimal := _DECIMAL.fullmatch(text):
        return [_join(*decimal.groups())]
    if _VERSION.fullmatch(text):
        return [text, ".".join(text.split(".")[:2])]
    return re.findall(r"\d+", text)


def _amount(text: str) -> str:
    """Return a number that is written with separators of thousands, without them, or ""."""
    match = _THOUSANDS.fullmatch(text)
    if not match:
        return ""
    whole, fraction = match[1] or match[3], match[2] or match[4] or ""
    return _join(re.sub(r"\D", "", whole), fraction)


def _join(whole: str, fraction: str) -> str:
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
