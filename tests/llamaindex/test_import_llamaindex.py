"""Import of LlamaIndex's chat stores, made by LlamaIndex."""

import asyncio
import json
import sqlite3
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage, DocumentBlock, ImageBlock, TextBlock
from llama_index.core.memory import Memory

from memorybank_core import MemoryBank

IMAGE = ImageBlock(image=b"AAAA", url="https://example.org/cello.jpg")
MESSAGES = [
    ChatMessage("Be kind.", role="system"),
    ChatMessage(blocks=[TextBlock(text="Is this a cello?"), IMAGE]),
    ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="look")]),
    ChatMessage("yes", role="tool"),
    ChatMessage("It is.", role="assistant"),
    ChatMessage(blocks=[TextBlock(text="谢谢。"), DocumentBlock(data=b"x", title="plan.pdf")]),
]
TURNS = [
    ("Is this a cello?\n[image]", "[tool call: look]\nIt is."),
    ("谢谢。\n[document: plan.pdf]", ""),
]
LEFT_OUT = {"system messages": 1, "tool results": 1}


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder="hashing") as bank:
        yield bank


def turns(bank, user="ada"):
    return [(m.turn.query, m.turn.response) for m in bank.timeline(user_id=user)]


def chat_store(**sessions):
    """JSON of a SimpleChatStore, which cannot write it with every pydantic."""
    store = {key: [item.model_dump(mode="json") for item in own] for key, own in sessions.items()}
    return {"store": store, "class_name": "SimpleChatStore"}


def test_a_chat_store(bank, tmp_path):
    file = tmp_path / "chat_store.json"
    file.write_text(json.dumps(chat_store(s1=MESSAGES, s2=[ChatMessage("Hi")])))
    receipt = bank.import_from(file, user_id="ada", select=["s1"])
    assert (receipt.format, receipt.undated) == ("llamaindex", 2)
    assert turns(bank) == TURNS
    assert receipt.left_out == {**LEFT_OUT, "turns that are not selected": 1}
    assert bank.import_from(file, user_id="ada").added == 1


def test_a_buffer(bank, tmp_path):
    buffer = {"chat_store": chat_store(chat_history=MESSAGES), "token_limit": 3000}
    (tmp_path / "buffer.json").write_text(json.dumps(buffer))
    receipt = bank.import_from(tmp_path / "buffer.json", user_id="ada")
    assert (receipt.format, receipt.left_out) == ("llamaindex", LEFT_OUT)
    assert turns(bank) == TURNS


def test_a_memory_in_a_database(bank, tmp_path):
    async def talk():
        uri = f"sqlite+aiosqlite:///{tmp_path / 'memory.db'}"
        memory = Memory.from_defaults("s1", async_database_uri=uri, table_name="chat")
        await memory.aput_messages(MESSAGES)
        await memory.sql_store._async_engine.dispose()

    asyncio.run(talk())
    receipt = bank.import_from(tmp_path / "memory.db", user_id="ada")
    assert (receipt.format, receipt.undated, receipt.left_out) == ("llamaindex", 0, LEFT_OUT)
    assert turns(bank) == TURNS
    memory = bank.timeline(user_id="ada")[0]
    assert abs(memory.created_at - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert memory.session == "s1"
    with sqlite3.connect(tmp_path / "memory.db") as db:
        db.execute("UPDATE chat SET data = ? WHERE role = 'tool'", [json.dumps([3])])
    db.close()
    assert (
        bank.import_from(tmp_path / "memory.db", user_id="ada").left_out["unreadable messages"] == 1
    )
