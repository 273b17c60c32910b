"""Settings that a bank keeps: time zone, law of forgetting and language.

A bank that is opened without naming a setting takes the kept one. The time zone decides on which
day a turn is stored, so the kept one is used even if another is named; `configure` changes it.
Another law or language applies to one opening. Each difference is a `SettingsWarning`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, is_dataclass
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from .errors import ConfigurationError, MemoryBankError, SettingsWarning, StoreError
from .forgetting import FSRS, Ebbinghaus, ForgettingLaw, PowerLaw
from .notices import warn_caller
from .protocols import Filter, MemoryStore
from .registry import LAWS, load_law, plugin_names
from .search.dates import DATE_ORDERS
from .validation import LANGUAGES, find_zone, resolve_day

TIMEZONE, LAW, LANGUAGE = "timezone", "law", "language"
"""Names of the settings in `MemoryStore.settings`."""
UNTIL_CLOSED = "until it is closed"
"""Part of the warning for a setting that applies to one opening."""
DEFAULTS: Mapping[str, str] = {TIMEZONE: "UTC", LAW: '{"name": "ebbinghaus"}', LANGUAGE: "en"}

LAW_PARAMETERS = ("scale_days", "exponent")
"""Parameters of our laws."""
_LAW_NAMES: Mapping[type, str] = {Ebbinghaus: "ebbinghaus", PowerLaw: "power", FSRS: "fsrs"}
_SAMPLE = 50
"""Number of users, and of the latest turns of each, whose days are compared with a time zone."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of an open bank.

    Attributes:
        timezone: The time zone of its days.
        law: The law of forgetting.
        language: "en" or "zh".
    """

    timezone: ZoneInfo
    law: ForgettingLaw
    language: str


def validate_settings(
    language: str | None,
    timezone: str | None,
    law: ForgettingLaw | str | None,
    date_order: str | None = None,
) -> None:
    """Check settings, of which None is not named.

    Raises:
        ConfigurationError: If any are not valid; the message lists every fault.
    """
    faults = []
    if language is not None and language not in LANGUAGES:
        faults.append(f"language must be one of {', '.join(LANGUAGES)}, not {language!r}")
    if date_order is not None and date_order not in DATE_ORDERS:
        orders = " or ".join(map(repr, DATE_ORDERS))
        faults.append(f"date_order must be {orders}, not {date_order!r}")
    try:
        find_zone("UTC" if timezone is None else timezone)
    except ConfigurationError as error:
        faults.append(str(error))
    try:
        resolve_law(Ebbinghaus() if law is None else law)
    except ConfigurationError as error:
        faults.append(str(error))
    if faults:
        raise ConfigurationError("; ".join(faults))


def resolve_law(law: ForgettingLaw | str) -> ForgettingLaw:
    """Return a law of forgetting, or the one of this name.

    Raises:
        ConfigurationError: If it is neither.
    """
    if isinstance(law, str):
        return load_law(law)
    if not hasattr(law, "retention"):
        names = ", ".join(plugin_names(LAWS))
        raise ConfigurationError(f"law must be one of {names} or a ForgettingLaw, not {law!r}")
    return law


def apply_settings(
    store: MemoryStore,
    *,
    language: str | None = None,
    timezone: str | None = None,
    law: ForgettingLaw | str | None = None,
) -> Settings:
    """Return the settings to use a store with; keep those that it does not have yet.

    Args:
        store: The store.
        language: As named by the caller; None takes the kept one, else the default.
        timezone: As `language`.
        law: As `language`.

    Raises:
        ConfigurationError: If a setting is not valid.
        StoreError: If the settings cannot be read.
    """
    validate_settings(language, timezone, law)
    named = _to_texts(language, timezone, law)
    kept = {name: value for name, value in store.settings.read().items() if name in DEFAULTS}
    location = str(getattr(store, "path", "the bank"))
    if any(kept.get(name, value) != value for name, value in named.items()) and _is_empty(store):
        kept = {name: value for name, value in kept.items() if name not in named}
    _keep(store, {name: value for name, value in named.items() if name not in kept}, kept, location)
    for name in sorted(named.keys() & kept.keys()):
        if named[name] != kept[name]:
            warn_caller(
                _describe_difference(location, name, named[name], kept[name]), SettingsWarning
            )
    resolved = {**DEFAULTS, **named, **kept}
    return Settings(
        find_zone(resolved[TIMEZONE]),
        _load_kept_law(resolved[LAW], location) if law is None else resolve_law(law),
        language or resolved[LANGUAGE],
    )


def change_settings(
    store: MemoryStore,
    *,
    language: str | None = None,
    timezone: str | None = None,
    law: ForgettingLaw | str | None = None,
) -> Settings:
    """Keep other settings in a store, and return all that are kept then.

    Raises:
        ConfigurationError: If a setting is not valid.
        StoreError: If they cannot be written.
    """
    validate_settings(language, timezone, law)
    store.settings.write(_to_texts(language, timezone, law))
    return apply_settings(store, law=law)


def law_to_text(law: ForgettingLaw | str) -> str:
    """Return name and parameters of a law as JSON; a law of another package may have no name."""
    if isinstance(law, str) and law not in _LAW_NAMES.values():
        return json.dumps({"name": law})
    law = resolve_law(law)
    kind = type(law)
    name = {"name": _LAW_NAMES[kind]} if kind in _LAW_NAMES else {"class": _class_name(kind)}
    default = kind() if kind in _LAW_NAMES else None
    values = _parameters(law)
    changed = {key: v for key, v in values.items() if v != getattr(default, key, None)}
    return json.dumps({**name, **changed}, sort_keys=True)


def law_with(law: ForgettingLaw | str, parameters: Mapping[str, float]) -> ForgettingLaw:
    """Return a law, or the one of this name, with other parameters.

    Raises:
        ConfigurationError: If no law has this name, or the law has no such parameter.
        InvalidInputError: If a value is not positive.
    """
    law = resolve_law(law)
    known = _parameters(law)
    if unknown := sorted(parameters.keys() - known.keys()):
        raise ConfigurationError(f"the law {describe_law(law)} has no parameter {unknown[0]}")
    changed: ForgettingLaw = type(law)(**{**known, **parameters})
    return changed


def describe_law(law: ForgettingLaw) -> str:
    """Return name and parameters of a law for people, such as "ebbinghaus (scale_days 5)"."""
    values = _parameters(law)
    parameters = ", ".join(f"{key} {value:g}" for key, value in values.items())
    name = _LAW_NAMES.get(type(law), type(law).__name__)
    return f"{name} ({parameters})" if parameters else name


def law_from_text(text: str) -> ForgettingLaw:
    """Return the law that `law_to_text` described.

    Raises:
        ConfigurationError: If it cannot be loaded by its name.
    """
    values: dict[str, Any] = json.loads(text)
    name = values.pop("name", None)
    if name is None:
        raise ConfigurationError(f"the law {values['class']} has no name by which it can be loaded")
    for kind, own_name in _LAW_NAMES.items():
        if name == own_name:
            law: ForgettingLaw = kind(**values)
            return law
    return load_law(name)


def _load_kept_law(text: str, location: str) -> ForgettingLaw:
    try:
        return law_from_text(text)
    except (MemoryBankError, TypeError, ValueError) as error:
        warn_caller(
            f"the law of forgetting of {location} cannot be loaded ({error}); the default is used. "
            "Pass law= with that law",
            SettingsWarning,
        )
        return Ebbinghaus()


def _keep(
    store: MemoryStore, named: Mapping[str, str], kept: Mapping[str, str], location: str
) -> None:
    """Write settings that the bank does not have yet: the named ones and the defaults.

    If it has turns on days of another time zone than the default one, none is written.
    """
    new = {**{name: value for name, value in DEFAULTS.items() if name not in kept}, **named}
    if TIMEZONE in new and TIMEZONE not in named and not _days_match(store, new[TIMEZONE]):
        del new[TIMEZONE]
        warn_caller(
            f"{location} has days of another time zone than UTC, and does not say of which: pass "
            "timezone= once, and the bank keeps it",
            SettingsWarning,
        )
    if new and not getattr(store, "readonly", False):
        with suppress(StoreError):  # a role without the right to write
            store.settings.write(new)


def _is_empty(store: MemoryStore) -> bool:
    return next(iter(store.users()), None) is None


def _days_match(store: MemoryStore, timezone: str) -> bool:
    """Return whether the latest turns of some users are on their days in a time zone."""
    zone = find_zone(timezone)
    return all(
        resolve_day(memory.created_at, zone) == memory.day
        for user_id in islice(store.users(), _SAMPLE)
        for memory in store.memories(user_id, Filter(kind="turn", archived=True), last=_SAMPLE)
    )


def _describe_difference(location: str, name: str, named: str, kept: str) -> str:
    if name == TIMEZONE:
        return (
            f"{location} keeps its days in the time zone {kept}, which is used, not {named}. To "
            f"change it and the days of all turns, call bank.configure(timezone={named!r}) or run: "
            f"memorybank configure {location} --timezone {named}"
        )
    return (
        f"{location} keeps the {name} {kept}; {named} is used {UNTIL_CLOSED}. To change it, "
        f"call bank.configure({name}=…)"
    )


def _to_texts(
    language: str | None, timezone: str | None, law: ForgettingLaw | str | None
) -> dict[str, str]:
    """Return the named settings as a store keeps them."""
    values = {LANGUAGE: language, TIMEZONE: timezone, LAW: law and law_to_text(law)}
    return {name: str(value) for name, value in values.items() if value is not None}


def _parameters(law: Any) -> dict[str, float]:
    """Return the numbers that a law has as fields."""
    values = asdict(law) if is_dataclass(law) and not isinstance(law, type) else {}
    return {key: float(v) for key, v in values.items() if isinstance(v, (int, float))}


def _class_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
