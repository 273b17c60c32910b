"""A bank of schema 1 as frozen data: the tables, the rows, and what that version answered.

`python tests/postgres/schema_1.py URL` wrote the data with the last version of that schema.
"""

import base64
import gzip
import json
import secrets
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from no_ties import NoTiesEmbedder

from memorybank_core import MemoryBank, Turn
from memorybank_core.ingest import embed_windows
from memorybank_core.json_format import export_json
from memorybank_core.protocols import Filter
from memorybank_core.testing.items import item

PATH = Path(__file__).parents[1] / "data" / "postgres_schema_1.json.gz"
LAYOUTS = ("partitions", "whole", "row_security", "citus")
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
ADA, ODD, LARGE, EMPTY = "ada@example.com", "o'dd %s 茶\x1a", "large", "profile only"
QUESTIONS = ("Which instrument?", "tea with Nora on March 5th", "茶 昨天", "soup rain hat", "Bo")
WORDS = "cello soup rain hat tea dog moon 猫 茶 stone river Nora Bo hike lamp".split()

DIRECTION = np.eye(16, dtype=np.float32)[3]

_INSERT = (
    "INSERT INTO memorybank.memories (user_id, seq, id, kind, day, created_at, query, response, "
    "strength, recalls, pinned, conversation, place, utterances, terms, counts, length) VALUES "
    "(%s, %s, %s, 'turn', '2024-05-01', 1714500000000000, %s, '', 1, 0, false, '2024-05-01', 1, 1, "
    "'{}', '{}', 1)"
)


class Embedder(NoTiesEmbedder):
    """The embedder of the bank."""

    def __init__(self):
        super().__init__(16)
        self.name = "noisy"


def describe(bank):
    """Return everything that a bank returns, as JSON: rows, digests, items and searches."""
    users = {user: describe_user(bank, user) for user in bank.users()}
    items = [
        repr(found) for found in bank.store.items.search((), MONDAY, vector=DIRECTION, limit=99)
    ]
    return {"users": users, "export": export_json(bank), "items": items}


def memory_fields(memory):
    """Return the fields of a memory that schema 1 had."""
    found = memory.to_dict()
    del found["replaced_by"]  # of a search only, and newer than schema 1
    if found["turn"]:
        assert found["turn"].pop("metadata", {}) == {}
    return found


def describe_user(bank, user):
    """Return everything that a bank returns about one user."""
    stats = bank.stats(user_id=user)
    return {
        "stored": [
            {
                "key": stored.key,
                "memory": memory_fields(stored.memory),
                "vectors": base64.b64encode(stored.vectors.tobytes()).decode(),
                "recalls": [[at.isoformat(), turn] for at, turn in stored.recalls],
            }
            for stored in bank.store.scan(user, limit=9999)
        ],
        "timeline": [memory.id for memory in bank.store.memories(user, Filter(archived=True))],
        "digests": [repr(digest) for digest in bank.store.digests(user, days=True)],
        "profile": bank.profile(user_id=user),
        "stats": [stats.memories, stats.archived, stats.recalls, str(stats.first_day)],
        "found": [
            [[result.memory.id, round(result.score, 4)] for result in found]
            for question in QUESTIONS
            for archived in (False, True)
            if (
                found := bank.search(
                    question, user_id=user, k=8, now=MONDAY + timedelta(9), archived=archived
                )
            )
            is not None
        ],
    }


def fill(bank):
    """Store data of every kind."""
    rng = np.random.default_rng(7)
    for user, count in ((ADA, 40), (ODD, 20), (LARGE, 150), *((f"user {n}", 3) for n in range(5))):
        turns = []
        for number in range(count):
            texts = [" ".join(rng.choice(WORDS, size)) for size in (rng.integers(1, 9), 5)]
            if number % 29 == 7:
                texts[1] = " ".join(rng.choice(WORDS, 700))  # several windows
            if number % 5 == 3:
                texts[number % 2] = ""  # one speaker
            turns.append(
                Turn(
                    f"{texts[0]}\0" if user == ODD and number % 7 == 0 else texts[0],
                    texts[1],
                    MONDAY + timedelta(hours=int(number * 3 - 9 * (number % 13 == 5))),
                    f"t{number} 'é\x1a\0" if user == ODD else f"t{number}",
                    [None, "s", "t 茶"][number % 3],
                    user_name="Nora" if number % 4 else None,
                    companion_name="Bo" if number % 5 else None,
                )
            )
        bank.add(turns, user_id=user)
        ids = [turn.id for turn in turns]
        for day in (2, 5):
            now = MONDAY + timedelta(day)
            bank.reinforce(ids[:day], user_id=user, now=now, turn=f"turn {day}")
            bank.reinforce(ids[1:3], user_id=user, now=now)
        bank.pin(ids[2:4], user_id=user)
        bank.store.change_state(user, ids[4:7], "archive", MONDAY + timedelta(6))
        bank.restore(ids[4:5], user_id=user, now=MONDAY + timedelta(7))
        if user in (ADA, ODD):
            bank.summarize(user_id=user, now=MONDAY + timedelta(30))
            bank.delete(user_id=user, ids=ids[9:11])
            bank.add([Turn("tea again", "no cello", MONDAY, ids[12])], user_id=user, replace=True)
            bank.set_profile({"name": user, "likes": ["茶"]}, user_id=user)
    bank.set_profile({"name": "nobody"}, user_id=EMPTY)
    items = [item("ada k", value='"v"'), item("bo x/~ k", ttl=1e9)]
    bank.store.items.write(items, [DIRECTION[None, :], None], [], MONDAY)


def load_data():
    """Return the frozen data: tables, rows and answers."""
    return json.loads(gzip.decompress(PATH.read_bytes()))


def create(url, layout):
    """Create the frozen bank, with one of `LAYOUTS`, in the empty database at `url`."""
    from postgres_servers import connect  # not in the version that has schema 1

    data = load_data()
    with connect(url) as db:
        for statement in data["tables"][layout]:
            db.execute(statement)
        for table, columns in data["rows"].items():
            names = ", ".join(columns["names"])
            with (
                db.cursor() as cursor,
                cursor.copy(f"COPY memorybank.{table} ({names}) FROM STDIN") as copy,
            ):
                copy.write(columns["rows"])
        for name, value in {**data["meta"], "walls": str(layout == "row_security")}.items():
            db.execute("INSERT INTO memorybank.meta VALUES (%s, %s)", (name, value))
        partitions = {"partitions": 3, "row_security": 2}.get(layout, 0)
        db.execute("INSERT INTO memorybank.meta VALUES ('partitions', %s)", (str(partitions),))
        db.execute("INSERT INTO memorybank.meta VALUES ('citus', %s)", (str(layout == "citus"),))


def write(db, user, *, add=(), replace=(), delete=(), recall=()):
    """Write as a process with schema 1 does: in one transaction that leaves a commit marker.

    `add` and `replace` are pairs of id and text.
    """
    from pgvector.psycopg import register_vector

    register_vector(db)
    with db.transaction():
        db.execute(
            "INSERT INTO memorybank.users (user_id) VALUES (%s) ON CONFLICT DO NOTHING", (user,)
        )
        [(seq,)] = db.execute(
            "SELECT next_seq FROM memorybank.users WHERE user_id = %s FOR UPDATE", (user,)
        )
        for id, text in add:
            db.execute(_INSERT, (user, seq, id, text))
            insert_vectors(db, user, seq, text)
            seq += 1
        for id, text in replace:
            changed = (
                "UPDATE memorybank.memories SET query = %s, response = '', user_name = NULL, "
                "companion_name = NULL WHERE (user_id, id) = (%s, %s)"
            )
            [(replaced,)] = db.execute(f"{changed} RETURNING seq", (text, user, id))
            of_memory = "FROM memorybank.vectors WHERE (user_id, seq) = (%s, %s)"
            db.execute(f"DELETE {of_memory}", (user, replaced))
            insert_vectors(db, user, replaced, text)
        for id in delete:
            found = "SELECT seq FROM memorybank.memories WHERE (user_id, id) = (%s, %s)"
            [(deleted,)] = db.execute(found, (user, id))
            for table in ("memories", "vectors", "recalls"):
                of_memory = f"FROM memorybank.{table} WHERE (user_id, seq) = (%s, %s)"
                db.execute(f"DELETE {of_memory}", (user, deleted))
        for id in recall:
            recalled = "UPDATE memorybank.memories SET strength = strength + 1 WHERE (user_id, id)"
            db.execute(f"{recalled} = (%s, %s)", (user, id))
        db.execute(
            "UPDATE memorybank.users SET next_seq = %s, memories = memories + %s, "
            "writes = writes + 1, marks = %s::bigint || marks[1:31] WHERE user_id = %s",
            (seq, len(add) - len(delete), secrets.randbits(62), user),
        )


def delete_user(db, user):
    """Delete a user as a process with schema 1 does."""
    with db.transaction():
        for table in ("memories", "vectors", "recalls", "digests", "users"):
            db.execute(f"DELETE FROM memorybank.{table} WHERE user_id = %s", (user,))


def insert_vectors(db, user, seq, text):
    """Insert the vectors of a memory."""
    [matrix] = embed_windows([Turn(text).text], Embedder())
    for number, vector in enumerate(matrix):
        row = (user, seq, number, vector)
        db.execute("INSERT INTO memorybank.vectors VALUES (%s, %s, %s, %s, false)", row)


def freeze(url):
    """Write the data with the version of the package that has schema 1."""
    import psycopg

    from memorybank_core.stores.postgres import tables

    embedder = Embedder()
    with MemoryBank.open(url, embedder=embedder) as bank:
        fill(bank)
        answers = describe(bank)
    layouts = {
        "partitions": {"partitions": 3},
        "whole": {"partitions": 0},
        "row_security": {"partitions": 2, "row_security": True},
        "citus": {"partitions": 0, "citus": True},
    }
    meta = "CREATE TABLE memorybank.meta (name text PRIMARY KEY, value text NOT NULL)"
    first = ["CREATE EXTENSION IF NOT EXISTS vector", "CREATE SCHEMA memorybank", meta]
    created = {
        name: [
            *first,
            *tables._create_tables(tables.Layout(embedder.name, embedder.dimension, **options)),
        ]
        for name, options in layouts.items()
    }
    rows = {}
    with psycopg.connect(url) as db:
        for table in tables.TABLES:
            cursor = db.execute(f"SELECT * FROM memorybank.{table} LIMIT 0")
            names = [column.name for column in cursor.description]
            with (
                db.cursor() as cursor,
                cursor.copy(
                    f"COPY (SELECT * FROM memorybank.{table} ORDER BY 1, 2) TO STDOUT"
                ) as copy,
            ):
                text = b"".join(bytes(block) for block in copy).decode()
            rows[table] = {"names": names, "rows": text}
    data = {
        "tables": created,
        "meta": {"schema": "1", "embedder": embedder.name, "dimension": str(embedder.dimension)},
        "rows": rows,
        "answers": answers,
    }
    text = json.dumps(data, ensure_ascii=False, indent=1)
    PATH.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    freeze(sys.argv[1])
