"""Query plans: no statement of a call reads another user's rows."""

from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")


from memorybank_core.protocols import Filter
from memorybank_core.records import Portrait, Summary
from memorybank_core.search.dates import DayRange
from memorybank_core.stores.postgres import PostgresStore
from memorybank_core.stores.postgres import statements as sql
from memorybank_core.stores.postgres.connections import Session
from memorybank_core.testing.examples import ALL, EAST, LAW, NOON, NORTH, day, event, probe, turn
from memorybank_core.testing.items import item

KEYS = ("user_id", "root", "path")
USERS = [f"user-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def url(postgres):
    """Return the URL of a database with many users, one of them large."""
    url = postgres.new()
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store:
        for user in USERS:
            turns = [turn(f"{n} tea cello", user=user, hours=n, session="s") for n in range(20)]
            store.add(user, turns, [EAST] * 20)
            store.items.write([item(f"{user} k", ttl=1.0)], [EAST], [], NOON)
        for start in range(100, 300, 10):
            ids = range(start, start + 10)
            turns = [turn(f"{n} tea", user="large", hours=n) for n in ids]
            store.add("large", turns, [NORTH] * 10)
        store.compact()
    return url


def explain_each(monkeypatch, explain):
    """Send statements one by one, each after a call of `explain(db, statement)`."""

    def send_one_by_one(session, *statements):
        results = []
        for statement in statements:
            explain(session._db, statement)
            results += sql.send(session._db, session._schema, [statement])
        return results

    monkeypatch.setattr(Session, "_send", send_one_by_one)


@pytest.fixture
def plans(url, monkeypatch):
    """Yield a store, and a list that collects (text, plan) of every statement that it sends."""
    sent = []

    def explain(db, statement):
        values = statement.values
        first = values if isinstance(values, Mapping) else values[0]
        text = statement.text
        if text.lstrip().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            db.execute("SET enable_seqscan = off")  # small tables are read whole otherwise
            row = db.execute(f"EXPLAIN (FORMAT JSON) {text}", dict(first)).fetchone()
            sent.append((text, row[0][0]["Plan"]))

    explain_each(monkeypatch, explain)
    with closing(PostgresStore(url, embedder="by-hand", dimension=3)) as store:
        yield store, sent


def iterate_nodes(plan):
    """Yield the nodes of a plan, from the top."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from iterate_nodes(child)


def assert_reads_one_user(sent):
    assert sent
    for text, plan in sent:
        relations = {
            node["Relation Name"] for node in iterate_nodes(plan) if "Relation Name" in node
        }
        relations.discard("meta")
        tables = [name for name in relations if not name[-1].isdigit()]
        assert not tables or "INSERT" in text or "UPDATE" in text or "DELETE" in text, text
        partitions = {name.rpartition("_")[2] for name in relations if name[-1].isdigit()}
        assert len(partitions) <= 1, text
        for node in iterate_nodes(plan):
            relation = f"{node.get('Relation Name')} {node.get('Index Name')}"
            if "meta" in relation:
                continue
            assert node["Node Type"] != "Seq Scan", f"{text}\n{plan}"
            if node["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Index Scan"):
                condition = str(node.get("Index Cond", ""))
                uses_key = any(f"({column} " in condition for column in KEYS)
                assert uses_key, f"{text}\n{relation}: {condition}"


USER = USERS[7]


def write_digests(store):
    made_from = store.memories(USER, ALL)[:3]
    new = [Summary(USER, "all", None, "m", NOON), Portrait(USER, "shy", day(4), "m", NOON)]
    summary = event("event of the day", user=USER)
    store.set_digests(USER, new, made_from=made_from, events=[summary], vectors=[EAST])
    store.set_digests(USER, new, made_from=[*made_from, new[0]], events=[summary], vectors=[EAST])


CALLS = {
    "add": lambda store: store.add(
        USER, [turn("new tea", user=USER), turn("old", user=USER, hours=-9)], [EAST, NORTH]
    ),
    "replace": lambda store: store.add(USER, [turn("3 milk", user=USER)], [EAST], replace=True),
    "imported": lambda store: store.add(
        USER, [turn("far tea", user=USER)], [EAST], recalled={"far": [NOON]}
    ),
    "merge": lambda store: [
        store.add(USERS[9], [turn(f"{n} single", user=USERS[9])], [EAST]) for n in range(70, 80)
    ],
    "known": lambda store: store.known(USER, ["1", "2", "none"]),
    "candidates": lambda store: store.candidates(USER, probe("tea milk", reach=6)),
    "named day": lambda store: store.candidates(
        USER, probe("tea", reach=6, days=[DayRange(day(4), day(5))])
    ),
    "filtered": lambda store: store.candidates(
        USER, probe("tea", reach=6, filter=Filter(day(4), day(5), "turn", "s", archived=True))
    ),
    "large user": lambda store: store.candidates("large", probe("tea", NORTH, reach=6)),
    "large user, a day": lambda store: store.candidates(
        "large", probe("tea", NORTH, days=[DayRange(day(9), day(9))])
    ),
    "fetch": lambda store: store.fetch(USER, [1, 2, 3]),
    "memories": lambda store: store.memories(USER, Filter(since=day(4), kind="turn"), last=5),
    "conversation": lambda store: store.memories(USER, Filter(session="s"), last=5),
    "span": lambda store: store.span(USER),
    "strengthen": lambda store: store.strengthen(USER, ["1", "2"], NOON, "turn", LAW),
    "recalls": lambda store: store.recalls(USER, "1"),
    "archive": lambda store: store.change_state(USER, ["4"], "archive", NOON),
    "restore": lambda store: store.change_state(USER, ["4"], "restore", NOON),
    "pin": lambda store: store.change_state(USER, ["4"], "pin", NOON),
    "unpin": lambda store: store.change_state(USER, ["4"], "unpin", NOON),
    "vectors": lambda store: store.vectors(USER, ["1", "2"]),
    "digests": write_digests,
    "read digests": lambda store: (store.digests(USER), store.digests(USER, days=False)),
    "profile": lambda store: (store.set_profile(USER, "{}"), store.profile(USER)),
    "stats": lambda store: store.stats(USER),
    "delete ids": lambda store: store.delete(USER, ids=["5", "6"]),
    "delete a day": lambda store: store.delete(USER, day=day(4)),
    "delete a user": lambda store: store.delete(USERS[8]),
    "item": lambda store: store.items.get((USER,), "k", NOON),
    "items": lambda store: (
        store.items.search((USER,), NOON, vector=np.float32([1, 0, 0])),
        store.items.write([item(f"{USER} n k")], [EAST], [], NOON),
        store.items.search((USER,), NOON, vector=np.float32([1, 0, 0])),
        store.items.search((USER,), NOON, limit=9999),
        store.items.namespaces((USER,), NOON),
        store.items.unembedded((USER,), NOON),
    ),
    "write items": lambda store: (
        store.items.write([item(f"{USER} k2 k")], [EAST], [((USER,), "k")], NOON),
        store.items.refresh([item(f"{USER} k2 k", ttl=2.0)], NOON + timedelta(hours=1)),
        store.items.set_vectors([item(f"{USER} k2 k")], [EAST]),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_reads_the_rows_of_one_user(plans, name):
    store, sent = plans
    CALLS[name](store)
    statements = [
        (text, plan) for text, plan in sent if "pg_" not in text and "set_config" not in text
    ]
    assert_reads_one_user(statements)
