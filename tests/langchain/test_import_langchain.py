"""Import of LangChain's message histories and LangGraph's stores and checkpoints, made by them."""

import json
import pickle
import sqlite3
from datetime import datetime, timedelta, timezone
from typing import Annotated, TypedDict

import pytest

pytest.importorskip("langgraph", reason="langgraph is not installed")

from langchain_core.load import dumpd
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    message_to_dict,
    messages_to_dict,
)

from memorybank_core import ConfigurationError, MemoryBank

CALL = {"name": "weather", "args": {}, "id": "1", "type": "tool_call"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
MESSAGES = [
    SystemMessage("Be kind."),
    HumanMessage([{"type": "text", "text": "Is it cold in Bergen?"}, IMAGE]),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("4 degrees", tool_call_id="1"),
    AIMessage("Yes, 4 degrees."),
    HumanMessage("谢谢。", id="m1"),
]
TURNS = [
    ("Is it cold in Bergen?\n[image]", "[tool call: weather]\nYes, 4 degrees."),
    ("谢谢。", ""),
]
LEFT_OUT = {"system messages": 1, "tool results": 1}


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder="hashing") as bank:
        yield bank


def turns(bank, user="ada"):
    return [(m.turn.query, m.turn.response) for m in bank.timeline(user_id=user)]


class TestHistories:
    @pytest.mark.parametrize("dump", [messages_to_dict, dumpd])
    def test_a_file(self, bank, tmp_path, dump):
        file = tmp_path / "history.json"
        file.write_text(json.dumps([*dump(MESSAGES), {"type": "human"}]))
        receipt = bank.import_from(file, user_id="ada")
        assert (receipt.format, receipt.undated) == ("langchain", 2)
        assert turns(bank) == TURNS
        assert receipt.left_out == {**LEFT_OUT, "unreadable messages": 1}
        assert bank.import_from(file, user_id="ada").unchanged == 2

    def test_a_table_with_several_sessions(self, bank, tmp_path):
        file = tmp_path / "chat.db"
        with sqlite3.connect(file) as db:  # as SQLChatMessageHistory makes it
            db.execute(
                "CREATE TABLE message_store "
                "(id INTEGER NOT NULL PRIMARY KEY, session_id TEXT, message TEXT)"
            )
            rows = [("s1", MESSAGES[1]), ("s2", HumanMessage("Hi")), ("s1", AIMessage("Yes."))]
            texts = [(session, json.dumps(message_to_dict(message))) for session, message in rows]
            insert = "INSERT INTO message_store (session_id, message) VALUES (?, ?)"
            db.executemany(insert, [*texts, ("s3", "{broken"), ("s3", None)])
        db.close()
        receipt = bank.import_from(file, user_id="ada", select=["s1"])
        assert turns(bank) == [("Is it cold in Bergen?\n[image]", "Yes.")]
        assert receipt.left_out == {"unreadable messages": 2, "turns that are not selected": 1}
        assert bank.import_from(file, user_id="ada").added == 1
        assert {memory.session for memory in bank.timeline(user_id="ada")} == {"s1", "s2"}


class TestStore:
    @pytest.fixture
    def file(self, tmp_path):
        sqlite = pytest.importorskip("langgraph.store.sqlite")
        file = tmp_path / "store.db"
        with sqlite.SqliteStore.from_conn_string(str(file)) as store:
            store.setup()
            store.put(("memories", "ada"), "1", {"text": "Ada plays the cello."})
            content = {"kind": "Memory", "content": {"content": "Ada lives in Bergen."}}
            store.put(("memories", "ada", "facts"), "2", content)
            store.put(("memories", "ada"), "3", {"likes": ["tea", {"not": "coffee"}], "age": 36})
            store.put(("memories", "bob"), "1", {"text": "Bob has a dog."})
            store.put(("memories", "ada"), "4", {"a": None})
        return file

    def test_only_the_user_s_memories_come(self, bank, file):
        receipt = bank.import_from(file, user_id="ada")
        assert receipt.format == "langgraph"
        assert sorted(turns(bank)) == [
            ("Ada lives in Bergen.", ""),
            ("Ada plays the cello.", ""),
            ("likes: tea\nlikes.not: coffee\nage: 36", ""),
        ]
        assert receipt.left_out == {"items without text": 1, "turns that are not selected": 1}
        memory = next(m for m in bank.timeline(user_id="ada") if "cello" in m.text)
        assert memory.metadata == {"source": "langgraph", "namespace": "memories.ada", "key": "1"}
        assert abs(memory.created_at - datetime.now(timezone.utc)) < timedelta(minutes=1)

    def test_the_newer_value_stays(self, bank, file, tmp_path):
        sqlite = pytest.importorskip("langgraph.store.sqlite")
        old = tmp_path / "old.db"
        old.write_bytes(file.read_bytes())
        with sqlite3.connect(old) as db:
            db.execute("UPDATE store SET updated_at = '2024-05-04 18:30:15'")
        db.close()
        with sqlite.SqliteStore.from_conn_string(str(file)) as store:
            store.put(("memories", "ada"), "1", {"text": "Ada plays the violin."})
        assert bank.import_from(old, user_id="ada").added == 3
        assert bank.import_from(file, user_id="ada").replaced == 1
        assert bank.import_from(old, user_id="ada").unchanged == 3
        assert ("Ada plays the violin.", "") in turns(bank)

    def test_another_namespace_can_be_chosen(self, bank, file):
        with pytest.raises(ConfigurationError, match=r"nothing of 'eve', but of 'memories\.ada'"):
            bank.import_from(file, user_id="eve")
        with pytest.raises(ConfigurationError, match="whose memories"):
            bank.import_from(file)
        bank.import_from(file, user_id="bob@example.com", select=["memories.bob"])
        assert turns(bank, "bob@example.com") == [("Bob has a dog.", "")]


class TestCheckpoints:
    @pytest.fixture
    def graph(self, tmp_path):
        sqlite = pytest.importorskip("langgraph.checkpoint.sqlite")
        from langgraph.graph import START, MessagesState, StateGraph

        def answer(state):
            if state["messages"][-1].content == "forget":
                return {"messages": [RemoveMessage(state["messages"][0].id), AIMessage("Done.")]}
            return {"messages": [AIMessage(f"You said: {state['messages'][-1].content}")]}

        builder = StateGraph(MessagesState)
        builder.add_node("answer", answer)
        builder.add_edge(START, "answer")
        with sqlite.SqliteSaver.from_conn_string(str(tmp_path / "graph.db")) as saver:
            yield builder.compile(checkpointer=saver)

    def say(self, graph, thread, text, **configurable):
        config = {"configurable": {"thread_id": thread, **configurable}}
        graph.invoke({"messages": [HumanMessage(text)]}, config)
        return config

    def test_threads_with_times_and_users(self, bank, graph, tmp_path):
        before = datetime.now(timezone.utc)
        self.say(graph, "t1", "Hello", user_id="ada")
        self.say(graph, "t1", "forget", user_id="ada")
        self.say(graph, "t2", "Hi", user_id="bob")
        receipt = bank.import_from(tmp_path / "graph.db")
        assert (receipt.format, receipt.users) == ("langgraph", ("ada", "bob"))
        assert turns(bank) == [("Hello", "You said: Hello"), ("forget", "Done.")]
        first, second = bank.timeline(user_id="ada")
        assert before <= first.created_at < second.created_at <= datetime.now(timezone.utc)
        assert (first.session, receipt.undated) == ("t1", 0)
        assert bank.import_from(tmp_path / "graph.db").unchanged == 3
        self.say(graph, "t1", "More", user_id="ada")
        receipt = bank.import_from(tmp_path / "graph.db", user_id="ada")
        assert (receipt.added, receipt.unchanged) == (1, 2)

    def test_a_fork_is_what_the_user_saw_last(self, bank, graph, tmp_path):
        config = self.say(graph, "t1", "Hello")
        fork = graph.get_state(config).config
        self.say(graph, "t1", "One way")
        graph.invoke({"messages": [HumanMessage("Another way")]}, fork)
        receipt = bank.import_from(tmp_path / "graph.db", user_id="ada")
        assert [query for query, _ in turns(bank)] == ["Hello", "Another way"]
        assert receipt.left_out["checkpoints of other branches"] > 0

    def test_a_channel_that_keeps_changes_only(self, bank, tmp_path):
        sqlite = pytest.importorskip("langgraph.checkpoint.sqlite")
        delta = pytest.importorskip("langgraph.channels.delta")
        from langgraph.graph import START, StateGraph

        def join(state, writes):
            return [*state, *(message for write in writes for message in write)]

        class State(TypedDict):
            messages: Annotated[list, delta.DeltaChannel(join)]

        def answer(state):
            return {"messages": [AIMessage("Yes", id=f"a{len(state['messages'])}")]}

        builder = StateGraph(State)
        builder.add_node("answer", answer)
        builder.add_edge(START, "answer")
        with sqlite.SqliteSaver.from_conn_string(str(tmp_path / "graph.db")) as saver:
            graph = builder.compile(checkpointer=saver)
            for text in ("One", "Two"):
                config = {"configurable": {"thread_id": "t1"}}
                graph.invoke({"messages": [HumanMessage(text, id=text)]}, config)
        bank.import_from(tmp_path / "graph.db", user_id="ada")
        assert turns(bank) == [("One", "Yes"), ("Two", "Yes")]

    def test_pickle_is_never_loaded(self, bank, graph, tmp_path):
        class Bomb:
            def __reduce__(self):
                return (pytest.fail, ("unpickled",))

        self.say(graph, "t1", "Hello")
        bomb = pickle.dumps(Bomb())
        with sqlite3.connect(tmp_path / "graph.db") as db:
            row = "INSERT INTO checkpoints VALUES (?, '', '1', NULL, ?, ?, '{}')"
            db.execute(row, ("p", "pickle", bomb))
            db.execute(row, ("q", "msgpack", b"\xc1 broken"))
            db.execute(row, ("r", "json", b'{"channel_values": {"messages": [{"lc": 2}, 3]}}'))
        db.close()
        receipt = bank.import_from(tmp_path / "graph.db", user_id="ada")
        assert receipt.added == 1
        assert receipt.left_out == {
            "values serialized as 'pickle', which is not read": 1,
            "unreadable checkpoints": 1,
        }

    def test_objects_are_not_created(self):
        ormsgpack = pytest.importorskip("ormsgpack")
        from memorybank_core.importers.formats.langgraph_checkpoints import unpack

        content = ormsgpack.packb(("os", "system", "exit 1"))
        nested = ormsgpack.packb({"a": ormsgpack.Ext(0, content), "b": ormsgpack.Ext(99, b"x")})
        assert unpack(nested) == {"a": "exit 1", "b": None}
