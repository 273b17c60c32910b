"""Import from PostgreSQL: tables of LangChain and LangGraph, as their packages make them."""

import json

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

import psycopg

from memorybank_core import FormatError, MemoryBank

TIME = "2024-05-04T18:30:15.123456+00:00"
TABLES = """
CREATE SCHEMA chats;
CREATE TABLE chats."my history" (
    id SERIAL PRIMARY KEY, session_id UUID NOT NULL, message JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now());
CREATE TABLE store (
    prefix text NOT NULL, key text NOT NULL, value jsonb NOT NULL,
    created_at TIMESTAMPTZ DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now(),
    PRIMARY KEY (prefix, key));
CREATE TABLE checkpoints (
    thread_id TEXT NOT NULL, checkpoint_ns TEXT NOT NULL DEFAULT '', checkpoint_id TEXT NOT NULL,
    parent_checkpoint_id TEXT, type TEXT, checkpoint JSONB NOT NULL,
    metadata JSONB NOT NULL DEFAULT '{}', PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id));
CREATE TABLE checkpoint_blobs (
    thread_id TEXT NOT NULL, checkpoint_ns TEXT NOT NULL DEFAULT '', channel TEXT NOT NULL,
    version TEXT NOT NULL, type TEXT NOT NULL, blob BYTEA,
    PRIMARY KEY (thread_id, checkpoint_ns, channel, version));
CREATE TABLE checkpoint_writes (
    thread_id TEXT NOT NULL, checkpoint_ns TEXT NOT NULL DEFAULT '', checkpoint_id TEXT NOT NULL,
    task_id TEXT NOT NULL, idx INTEGER NOT NULL, channel TEXT NOT NULL, type TEXT,
    blob BYTEA NOT NULL);
"""
MESSAGES = [("human", "Hello", "m1"), ("ai", "Good day.", "m2"), ("human", "谢谢。", "m3")]


@pytest.fixture(scope="module")
def url(postgres):
    url = postgres.new()
    with psycopg.connect(url) as db:
        db.execute(TABLES)
        message = {"type": "human", "data": {"content": "I play the cello.", "id": "m"}}
        row = 'INSERT INTO chats."my history" (session_id, message, created_at) VALUES (%s, %s, %s)'
        db.execute(row, ["0" * 32, json.dumps(message), TIME])
        row = (
            "INSERT INTO store (prefix, key, value, created_at, updated_at) "
            "VALUES (%s, 'k', %s, '2024-01-01', %s)"
        )
        db.execute(row, ["memories.ada", '{"text": "Lives in Haarlem."}', TIME])
        db.execute(row, ["memories.bob", '{"text": "Has a dog."}', TIME])
        for number in (1, 3):
            values = [
                dict(zip(("type", "content", "id"), m, strict=True)) for m in MESSAGES[:number]
            ]
            blob = "INSERT INTO checkpoint_blobs VALUES ('t1', '', 'messages', %s, 'json', %s)"
            db.execute(blob, [str(number), json.dumps(values).encode()])
            checkpoint = {"ts": TIME, "channel_versions": {"messages": str(number)}}
            db.execute(
                "INSERT INTO checkpoints VALUES ('t1', '', %s, %s, NULL, %s, %s)",
                [f"c{number}", f"c{number - 2}", json.dumps(checkpoint), '{"user_id": "ada"}'],
            )
    yield url
    postgres.drop(url)


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder="hashing") as bank:
        yield bank


def texts(bank):
    return sorted(memory.text for memory in bank.timeline(user_id="ada"))


def test_langgraph(bank, url):
    receipt = bank.import_from(url, user_id="ada", format="langgraph")
    assert texts(bank) == ["Hello\nGood day.", "Lives in Haarlem.", "谢谢。"]
    assert {memory.created_at.isoformat() for memory in bank.timeline(user_id="ada")} == {TIME}
    assert receipt.left_out == {"turns that are not selected": 1}
    assert bank.import_from(url, user_id="ada", format="langgraph").unchanged == 3


def test_langchain_is_recognized(bank, url):
    receipt = bank.import_from(url, user_id="ada")
    assert (receipt.format, receipt.undated) == ("langchain", 0)
    assert texts(bank) == ["I play the cello."]


def test_a_server_that_is_not_there_is_one_clear_error(bank):
    with pytest.raises(FormatError, match="cannot read postgresql://ada@127") as error:
        bank.import_from("postgresql://ada:secret@127.0.0.1:1/db?connect_timeout=1", user_id="ada")
    assert "secret" not in str(error.value)
