"""Export and import of items, such as those of a LangGraph store: values under keys in namespaces.

They are under the key "", which the id of no user is, as {"items": […]}, next to the "settings" of
the bank. The original skips every entry without a "history".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from memorybank_core.protocols import Item, ItemStore

from .fields import ITEMS, format_time, parse_positive, parse_strings, parse_text
from .reader import EntryReader, require_no_faults

BANK_KEY = ""
"""Key of what belongs to the bank and not to a user."""
SETTINGS = "settings"
"""Key of the settings in the bank's entry; see `json_format.settings`."""

_NO_LIMIT = 1_000_000_000


def users_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of users, without that of the bank."""
    return {
        key: entry
        for key, entry in data.items()
        if not (key == BANK_KEY and isinstance(entry, Mapping) and entry.keys() & {ITEMS, SETTINGS})
    }


def count_items(data: Mapping[str, Any]) -> int:
    """Return the number of items in an export."""
    entry = data.get(BANK_KEY)
    items = entry.get(ITEMS) if isinstance(entry, Mapping) else None
    return len(items) if isinstance(items, list) else 0


def export_items(store: ItemStore, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Return the bank's entry with all items that have not expired; {} without items."""
    items = sorted(_read_items(store, now).values(), key=lambda item: (item.namespace, item.key))
    return {BANK_KEY: {ITEMS: [_export_item(item, zone) for item in items]}} if items else {}


def parse_items(data: Mapping[str, Any], zone: ZoneInfo) -> list[Item]:
    """Return the items of the bank's entry.

    Raises:
        FormatError: If items are malformed; the message names up to ten faults.
    """
    entry = data.get(BANK_KEY)
    if not isinstance(entry, Mapping) or ITEMS not in entry:
        return []
    reader = _ItemReader("", zone)
    values = reader.read_list("", entry[ITEMS], "items")
    items = [reader.parse(f"item {index}", value) for index, value in enumerate(values)]
    require_no_faults(reader.faults)
    return [item for item in items if item]


def store_items(store: ItemStore, items: list[Item], now: datetime) -> int:
    """Store items that the bank does not have, or has in an older version; return how many.

    Their time to live starts again, and the next search embeds them.
    """
    if not items:
        return 0
    known = _read_items(store, now)
    new = [item for item in items if _is_newer(item, known.get((item.namespace, item.key)))]
    if new:
        store.write(new, [None] * len(new), [], now)
        store.refresh(new, now)
    return len(new)


def _read_items(store: ItemStore, now: datetime) -> dict[tuple[tuple[str, ...], str], Item]:
    results = store.search((), now, limit=_NO_LIMIT)
    return {(item.namespace, item.key): item for item, _ in results}


def _is_newer(item: Item, stored: Item | None) -> bool:
    return stored is None or item.updated_at > stored.updated_at


def _export_item(item: Item, zone: ZoneInfo) -> dict[str, Any]:
    """Return the entry of an item; a value in an unusual notation is kept as it is, as text."""
    value = json.loads(item.value)
    is_usual = json.dumps(value, ensure_ascii=False) == item.value
    return {
        "namespace": list(item.namespace),
        "key": item.key,
        **({"value": value} if is_usual else {"value_text": item.value}),
        "created_at": format_time(item.created_at, zone),
        "updated_at": format_time(item.updated_at, zone),
        **({} if item.ttl is None else {"ttl": item.ttl}),
        **({"fields": list(item.fields)} if item.fields else {}),
    }


class _ItemReader(EntryReader):
    """Reader of items, which are of no user."""

    def parse(self, where: str, entry: Any) -> Item | None:
        """Return an item; None if it is malformed."""
        count = len(self.faults)
        if not isinstance(entry, Mapping):
            self.add_fault(where, entry, "an object with namespace, key and value")
            return None
        namespace = self.read_field(where, entry, "namespace", parse_strings)
        created_at = self.read_field(where, entry, "created_at", self.parse_time)
        updated_at = self.read_field(where, entry, "updated_at", self.parse_time)
        ttl = self.read_field(where, entry, "ttl", parse_positive)
        fields = self.read_field(where, entry, "fields", parse_strings) or []
        key, text = entry.get("key"), entry.get("value_text")
        if text is None:
            text = json.dumps(entry.get("value"), ensure_ascii=False)
        for name, value in (("key", key), ("value_text", text)):
            if not isinstance(value, str):
                self.add_fault(f"{where}, {name}", value, "a string")
        if not (namespace and created_at and updated_at):
            self.add_fault(where, entry, "namespace, key, value, created_at and updated_at")
        if len(self.faults) > count or not (namespace and created_at and updated_at):
            return None
        key, text = parse_text(key), parse_text(text)
        return Item(tuple(namespace), key, text, created_at, updated_at, ttl, tuple(fields))

    def add_fault(self, where: str, value: Any, expected: str) -> None:
        """Record that the value at `where` is not as expected."""
        place = f"items, {where}" if where else "items"
        self.faults.append(self.describe(place, value, expected))
