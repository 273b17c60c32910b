"""What `add` takes beside turns: messages of several packages, pairs and strings."""

from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

import pytest

from memorybank_core import HashingEmbedder, InvalidInputError, MemoryBank, Turn
from memorybank_core.messages import to_turns

NOON = datetime(2024, 3, 9, 12, tzinfo=timezone.utc)
ADA = "ada@example.com"
CELLO, LOVELY = "My sister Nora plays the cello.", "How lovely!"
EXCHANGE = Turn(CELLO, LOVELY)


class Role(Enum):
    USER = "user"
    ASSISTANT = "assistant"


@dataclass
class Said:
    """A message as LlamaIndex has it."""

    role: Role
    content: Any


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    path = tmp_path_factory.mktemp("messages") / "bank.db"
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        yield bank


@pytest.mark.parametrize(
    "items",
    [
        [{"role": "user", "content": CELLO}, {"role": "assistant", "content": LOVELY}],
        [{"type": "human", "content": CELLO}, {"type": "ai", "content": LOVELY}],
        [(CELLO, LOVELY)],
        [[CELLO, LOVELY]],
        [("human", CELLO), ("ai", LOVELY)],
        [Said(Role.USER, CELLO), Said(Role.ASSISTANT, LOVELY)],
        [
            {"role": "system", "content": "You are kind."},
            {"role": "user", "content": [{"type": "text", "text": CELLO}, {"type": "image_url"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
            {"role": "assistant", "content": [{"type": "output_text", "text": LOVELY}]},
        ],
    ],
)
def test_an_exchange_in_any_form_is_one_turn(items):
    assert to_turns(items) == [EXCHANGE]


def test_messages_of_langchain():
    messages = pytest.importorskip("langchain_core.messages")
    said = [
        messages.SystemMessage("You are kind."),
        messages.HumanMessage([{"type": "text", "text": CELLO}, {"type": "image", "url": "x"}]),
        messages.AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}]),
        messages.ToolMessage("42", tool_call_id="1"),
        messages.AIMessageChunk(LOVELY),
        messages.ChatMessage("And you?", role="user"),
    ]
    assert to_turns(said) == [EXCHANGE, Turn("And you?")]


def test_messages_of_llamaindex():
    llms = pytest.importorskip("llama_index.core.llms")
    blocks = [llms.TextBlock(text=CELLO), llms.ImageBlock(url="https://example.com/x.png")]
    said = [
        llms.ChatMessage(role="user", blocks=blocks),
        llms.ChatMessage(LOVELY, role="assistant"),
    ]
    assert to_turns(said) == [EXCHANGE]


def test_strings_are_what_the_user_said():
    assert to_turns(CELLO) == to_turns([CELLO]) == [Turn(CELLO)]
    assert to_turns({"role": "user", "content": CELLO}) == to_turns(Turn(CELLO)) == [Turn(CELLO)]


def test_messages_and_other_items_keep_their_order():
    items = [
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Are you there?"},
        {"role": "user", "content": CELLO, "name": "Ann"},
        {"role": "assistant", "content": "How"},
        {"role": "assistant", "content": "lovely!"},
        Turn("I drink tea."),
        ("你好", "你好!"),
        {"role": "user", "content": [{"type": "image_url"}]},
        {"role": "assistant", "content": "A cello."},
    ]
    assert to_turns(items) == [
        Turn("", "Hello!"),
        Turn("Are you there?"),
        Turn(CELLO, "How\nlovely!", user_name="Ann"),
        Turn("I drink tea."),
        Turn("你好", "你好!"),
        Turn("", "A cello."),
    ]


def test_session_and_metadata_are_for_turns_without_their_own():
    own = Turn("I drink tea.", session="tea", metadata={"agent": "cook"})
    turns = to_turns([CELLO, own], session="music", metadata={"agent": "friend"})
    assert turns == [Turn(CELLO, session="music", metadata={"agent": "friend"}), own]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"role": "narrator", "content": "x"}], "message 1 has the role 'narrator'.*'assistant'"),
        ([{"role": None, "content": "x"}], "role None"),
        ([{"role": "user", "content": 5}], "content of a message must be a string"),
        ([CELLO, 5], "item 2 is of type int: 5"),
        ([(CELLO, 5)], "turns must be Turn records, messages"),
        ((CELLO, LOVELY), r"pass a list, as in \[\(question, answer\)\]"),
    ],
)
def test_other_values_are_refused(items, message):
    with pytest.raises(InvalidInputError, match=message):
        to_turns(items)


def test_added_messages_are_found_and_without_recalled_text(bank):
    bank.add(EXCHANGE, user_id=ADA, now=NOON)
    block = bank.context("cello", user_id=ADA, min_relevance=0).text
    assert "cello" in block
    said = [
        {"role": "user", "content": f"{block}\n\nNora won a prize."},
        ("ai", "Congratulations!"),
    ]
    receipt = bank.add(said, user_id=ADA, session="news", now=NOON)
    turn = bank.get(receipt.ids, user_id=ADA)[receipt.ids[0]].turn
    assert (turn.query, turn.response, turn.session) == (
        "Nora won a prize.",
        "Congratulations!",
        "news",
    )
    assert bank.add(said, user_id=ADA, session="news", now=NOON).unchanged == 1
    assert bank.add([{"role": "system", "content": "You are kind."}], user_id=ADA).ids == ()
