"""A bank with something of every kind, and what a copy of it must have."""

from datetime import datetime, timedelta, timezone

from memorybank_core import Change, MemoryBank, Turn
from memorybank_core.protocols import Item
from memorybank_core.testing import FakeLLM

NOW = datetime(2024, 3, 9, 12, 0, 0, 123457, timezone.utc)
USERS = ("ann", " 小明")


def open_bank(path, **options):
    return MemoryBank.open(path, embedder="hashing", timezone="Asia/Shanghai", **options)


def fill(bank):
    """Store something of every kind."""
    for user_id in USERS:
        turns = [
            Turn(
                "I keep bees.", "How many?", NOW, "t1", "s", "Ann", "Bot", {"a": {"b": [1, None]}}
            ),
            Turn("我住在奥斯陆。", "真好！", NOW + timedelta(microseconds=1), "t2"),
            Turn("I moved to Rome. 🎻", "", NOW + timedelta(days=1), "t3"),
        ]
        bank.add(turns, user_id=user_id)
        bank.store.strengthen(user_id, ["t1", "t2"], NOW + timedelta(seconds=1), "turn-1", bank.law)
        bank.store.strengthen(user_id, ["t1"], NOW + timedelta(microseconds=7), None, bank.law)
        bank.store.strengthen(user_id, ["t1"], NOW + timedelta(days=1), "turn-2", bank.law)
        bank.archive(["t2"], user_id=user_id, now=NOW + timedelta(days=2, microseconds=3))
        bank.pin(["t3"], user_id=user_id)
        bank.set_profile({"name": "Ann", "hobbies": ["蜜蜂"]}, user_id=user_id)
        bank.rebuild(user_id=user_id, llm=FakeLLM(lambda _: "Bees.", name="m"), now=NOW)
        changes = [Change("t3", None, "m", NOW), Change("t3", "t2", "m", NOW)]
        bank.store.record_changes(user_id, changes)
    fields = ("text",)
    items = [
        Item(("users", "ann.x"), "k", '{"text": "蜜蜂", "n": 1.5}', NOW, NOW, None, fields),
        Item(("users",), "k/2", '{"a":1}', NOW, NOW + timedelta(microseconds=1), 9e6),
    ]
    bank.store.items.write(items, [None] * 2, [], datetime.now(timezone.utc))


def snapshot(bank):
    """Return everything in a bank, except for vectors."""
    present = datetime.now(timezone.utc)
    users = {}
    for user_id in bank.users():
        rows = [(row.memory, row.recalls) for row in bank.store.scan(user_id, limit=1000)]
        rows.sort(key=lambda row: row[0].id)
        digests, changes = bank.store.digests(user_id), bank.store.changes(user_id)
        users[user_id] = rows, digests, bank.store.profile(user_id), changes
    items = [item for item, _ in bank.store.items.search((), present, limit=100)]
    return users, items
