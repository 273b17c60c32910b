"""Reports of `MemoryBank.check`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .notebook import ShownAsTable
from .record_values import plain_fields

Severity = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding(ShownAsTable):
    """One result of a check.

    Attributes:
        check: Name of the check, such as "rows" or "search".
        severity: "ok"; "warning" if nothing is lost or unreadable yet; or "error".
        message: What was found.
        advice: What to do; "" if it is nothing.
        repairable: Whether `check(repair=True)` can rebuild it from the rows.
        user_id: The user whom it is about; None for the whole bank.
        ids: Ids of the memories that it is about.
        code: Stable name of what was found, such as "rows_damaged", for programs and translations.
        values: The values in the message, by name.
    """

    check: str
    severity: Severity
    message: str
    advice: str = ""
    repairable: bool = False
    user_id: str | None = None
    ids: tuple[str, ...] = ()
    code: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)


@dataclass(frozen=True, slots=True)
class CheckReport(ShownAsTable):
    """Result of `check`.

    Attributes:
        location: The path or URL of the bank.
        findings: The results of all checks, in their order; at least one of each check.
        repaired: What was repaired before these checks ran.
    """

    location: str
    findings: tuple[Finding, ...]
    repaired: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    @property
    def ok(self) -> bool:
        """True if there is no error; there may be warnings."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {"ok": self.ok, **plain_fields(self)}
