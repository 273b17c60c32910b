"""One user never sees, changes or deletes another's memories."""

import asyncio
import inspect
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memorybank_core import HashingEmbedder, InvalidInputError, MemoryBank, Portrait, Turn

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
LATER = NOON + timedelta(days=400)
AWKWARD = [
    "u1",
    "u10",
    "U1",
    " u1",
    "u1 ",
    "u 1",
    "u%",
    "u_",
    "%",
    "*",
    "alice@example.com",
    "Alice@example.com",
    "'; DROP TABLE memories; --",
    "' OR '1'='1",
    '" OR ""="',
    "u1' --",
    "NULL",
    "0",
    "1",
    "caf\u00e9",
    "cafe\u0301",
    "cafe",
    "👩‍👩‍👧",
    "👩",
    "用户",
    "ａ",
    "a",
    "a" * 10_000,
    "a" * 9_999,
]
QUIET = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
FOREIGN = ["t0", "t1", "only-b"]
CALLS = {
    "add": lambda bank, a: bank.add([Turn("more tea", id="new", at=NOON)], user_id=a),
    "replace": lambda bank, a: bank.add(
        [Turn("other tea", id="t0", at=NOON)], user_id=a, replace=True
    ),
    "search": lambda bank, a: bank.search("tea with bob", user_id=a, k=50, archived=True),
    "reinforce": lambda bank, a: bank.reinforce(FOREIGN, user_id=a, turn="x", now=LATER),
    "timeline": lambda bank, a: bank.timeline(user_id=a, archived=True),
    "recalls": lambda bank, a: bank.recalls("only-b", user_id=a),
    "forget": lambda bank, a: bank.forget(user_id=a, now=LATER),
    "forecast": lambda bank, a: bank.forecast(LATER, user_id=a),
    "restore": lambda bank, a: bank.restore(FOREIGN, user_id=a, now=LATER),
    "delete ids": lambda bank, a: bank.delete(user_id=a, ids=FOREIGN),
    "delete day": lambda bank, a: bank.delete(user_id=a, day=NOON.date()),
    "delete": lambda bank, a: bank.delete(user_id=a),
    "profile": lambda bank, a: bank.profile(user_id=a),
    "set profile": lambda bank, a: bank.set_profile({"name": "a"}, user_id=a),
    "digest": lambda bank, a: bank.store.set_digests(a, [Portrait(a, "a", None, None, NOON)]),
}


def fill(bank, user_id, *more):
    turns = [Turn(f"tea {n} of somebody", id=f"t{n}", at=NOON + timedelta(days=n)) for n in (0, 1)]
    bank.add([*turns, *more], user_id=user_id)
    bank.reinforce(["t0"], user_id=user_id, now=NOON)
    bank.set_profile({"name": user_id}, user_id=user_id)
    bank.store.set_digests(user_id, [Portrait(user_id, "kind", None, None, NOON)])


def read_all(bank, user_id):
    """Return everything that the bank has about a user."""
    return (
        bank.timeline(user_id=user_id, archived=True),
        bank.search("tea with bob", user_id=user_id, k=50, now=NOON, archived=True),
        bank.recalls("t0", user_id=user_id),
        bank.profile(user_id=user_id),
        bank.store.digests(user_id),
        replace(bank.stats(user_id=user_id), file_bytes=0),
    )


users = st.sampled_from(AWKWARD) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8
).filter(str.strip)


@QUIET
@given(
    pair=st.lists(users, min_size=2, max_size=2, unique=True),
    names=st.lists(st.sampled_from(sorted(CALLS)), min_size=1, max_size=8),
)
def test_calls_for_one_user_do_not_affect_another(pair, names):
    a, b = pair
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder, "bank.db"), embedder=HashingEmbedder(32)) as bank,
    ):
        fill(bank, b, Turn("tea with bob", id="only-b", at=NOON))
        fill(bank, a)
        before = read_all(bank, b)
        for name in names:
            CALLS[name](bank, a)
            mine = bank.timeline(user_id=a, archived=True)
            mine += [result.memory for result in CALLS["search"](bank, a)]
            assert {memory.user_id for memory in mine} <= {a}
            assert "only-b" not in {memory.id for memory in mine}
            assert bank.recalls("only-b", user_id=a) == []
        assert read_all(bank, b) == before


def test_similar_user_ids_are_different_users(tmp_path):
    path = tmp_path / "bank.db"
    with MemoryBank.open(path, embedder=HashingEmbedder(32)) as bank:
        for user_id in AWKWARD:
            bank.add([Turn(f"this is {user_id[:20]}", id=user_id)], user_id=user_id)
    with MemoryBank.open(path, embedder=HashingEmbedder(32)) as bank:
        assert bank.users() == sorted(AWKWARD)
        for user_id in AWKWARD:
            assert [memory.id for memory in bank.timeline(user_id=user_id)] == [user_id]
            results = bank.search("this is somebody", user_id=user_id, k=50)
            assert [result.memory.id for result in results] == [user_id]


def test_results_of_one_user_are_rejected_for_another(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder(32)) as bank:
        fill(bank, "a")
        results = bank.search("tea", user_id="a")
        memories = bank.timeline(user_id="a")
        for verb in (bank.reinforce, bank.restore):
            for argument in (results, memories):
                with pytest.raises(InvalidInputError, match="belongs to"):
                    verb(argument, user_id="b")
        with pytest.raises(InvalidInputError, match="belongs to"):
            bank.delete(user_id="b", ids=memories)
        with pytest.raises(InvalidInputError, match="belongs to 'a'"):
            bank.add_memories(memories, user_id="b")
        assert bank.timeline(user_id="a") == memories
        assert bank.users() == ["a"]


def methods_with_user():
    """Yield the names of the public methods, sync and async, that take a `user_id`."""
    for name, method in inspect.getmembers(MemoryBank, inspect.isfunction):
        if not name.startswith("_") and "user_id" in inspect.signature(method).parameters:
            yield name


def call(method, **arguments):
    """Call a method or its async twin."""
    result = method(**arguments)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


ARGUMENTS = {"query": "q", "id": "t0", "by": LATER, "profile": {}, "older_than": LATER}
"""Required arguments of the methods besides the user; others get an empty list."""


@pytest.mark.parametrize("name", list(methods_with_user()))
def test_every_method_rejects_an_invalid_user(tmp_path, name):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder(32)) as bank:
        fill(bank, "a")
        before = read_all(bank, "a")
        method = getattr(bank, name)
        parameters = inspect.signature(method).parameters.values()
        required = {
            parameter.name: ARGUMENTS.get(parameter.name, [])
            for parameter in parameters
            if parameter.default is parameter.empty and parameter.name != "user_id"
        }
        optional = inspect.signature(method).parameters["user_id"].default is None
        for user_id in ("", " ", "\t\n", "\u3000", None, 5, b"a", ["a"], "a\0", "a\ud800"):
            if user_id is None and optional:
                continue
            with pytest.raises(InvalidInputError, match="user_id"):
                call(method, **required, user_id=user_id)
        if not optional:
            with pytest.raises(TypeError, match="user_id"):
                call(method, **required)
        assert read_all(bank, "a") == before
        assert bank.users() == ["a"]
