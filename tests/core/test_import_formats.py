"""Import from mem0, Letta, Graphiti, Cognee and LangChain: files that their packages wrote."""

import json
import shutil
import sqlite3
import tarfile
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from memorybank_core import ConfigurationError, FormatError, MemoryBank

DATA = Path(__file__).parents[1] / "data" / "importers"
"""Made by `make_files.py` there."""
MAY = datetime(2024, 5, 4, 18, 30, 15, 123456, tzinfo=timezone.utc)
LATER = MAY + timedelta(days=30)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    path = tmp_path_factory.mktemp("formats") / "bank.db"
    with MemoryBank.open(path, embedder="hashing") as bank:
        yield bank


@pytest.fixture
def bank(shared):
    yield shared
    for user in shared.users():
        shared.delete(user_id=user)


def write(path, data):
    path.write_text(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False))
    return path


def turns(bank, user="ada"):
    return [(m.turn.query, m.turn.response) for m in bank.timeline(user_id=user)]


class TestMem0:
    MEMORIES = (
        {
            "id": "m1",
            "memory": "Plays the cello",
            "hash": "x",
            "metadata": {"topic": "music"},
            "score": None,
            "created_at": MAY.isoformat(),
            "updated_at": None,
            "user_id": "ada",
            "categories": ["music"],
        },
        {"id": "m2", "memory": "喜欢猫", "user_id": "bob", "run_id": "r1", "agent_id": "coder"},
        {"id": "m3", "memory": "", "user_id": "bob"},
    )

    @pytest.mark.parametrize("shape", ["results", "memories", "list", "lines"])
    def test_an_export(self, bank, tmp_path, shape):
        data = list(self.MEMORIES)
        text = {
            "list": json.dumps(data),
            "lines": "\n".join(map(json.dumps, data)),
        }.get(shape, json.dumps({shape: data, "relations": []}, indent=2))
        file = write(tmp_path / "memories.json", text)
        receipt = bank.import_from(file)
        assert (receipt.format, receipt.users, receipt.undated) == ("mem0", ("ada", "bob"), 1)
        (memory,) = bank.timeline(user_id="ada")
        assert (memory.text, memory.created_at, memory.id) == ("Plays the cello", MAY, "mem0:m1")
        assert memory.metadata == {"topic": "music", "categories": ["music"], "source": "mem0"}
        assert bank.timeline(user_id="bob")[0].session == "r1"
        assert receipt.left_out == {"messages without text": 1}
        changed = [{**data[0], "memory": "Plays the violin", "updated_at": LATER.isoformat()}]
        assert bank.import_from(write(file, changed)).replaced == 1

    def test_an_older_export_does_not_take_a_newer_text_back(self, bank, tmp_path):
        old = {"id": "m1", "memory": "Lives in Bergen", "created_at": MAY.isoformat()}
        new = {**old, "memory": "Lives in Oslo", "updated_at": LATER.isoformat()}
        for data, added in ((new, 1), (old, 0)):
            receipt = bank.import_from(write(tmp_path / "m.json", [data]), user_id="ada")
            assert (receipt.added, receipt.replaced, receipt.unchanged) == (added, 0, 1 - added)
        assert turns(bank) == [("Lives in Oslo", "")]

    def test_its_own_metadata_are_kept(self, bank, tmp_path):
        data = [{"id": "m1", "memory": "x", "metadata": {"source": "slack"}}]
        bank.import_from(write(tmp_path / "m.json", data), user_id="ada")
        assert bank.timeline(user_id="ada")[0].metadata == {"source": "slack"}

    def test_a_history(self, bank):
        with pytest.raises(ConfigurationError, match="whose memories"):
            bank.import_from(DATA / "mem0_history.db")
        receipt = bank.import_from(DATA / "mem0_history.db", user_id="ada")
        assert turns(bank) == [("Plays the cello", ""), ("Lives in Haarlem", "")]
        moved = bank.timeline(user_id="ada")[1].created_at
        assert moved == datetime(2024, 5, 6, 17, 0, 0, 500_000, tzinfo=timezone.utc)
        assert receipt.left_out == {
            "earlier versions of memories": 2,
            "deleted memories": 1,
            "messages (mem0 keeps the last ten)": 1,
        }

    def test_a_text_that_is_not_utf_8_is_a_fault(self, bank, tmp_path):
        path = Path(shutil.copy(DATA / "mem0_history.db", tmp_path / "gbk.db"))
        with sqlite3.connect(path) as db:
            text = "住在北京".encode("gb18030").hex()
            db.execute(f"UPDATE history SET new_memory = CAST(x'{text}' AS TEXT)")
        db.close()
        receipt = bank.import_from(path, user_id="ada", dry_run=True)
        assert (receipt.added, receipt.left_out["unreadable memories"]) == (0, 2)


def letta_message(role, content, *calls, **more):
    """A message of an agent file."""
    functions = [{"function": {"name": name, "arguments": json.dumps(a)}} for name, a in calls]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    time = "2024-05-04T18:30:15.123456"  # UTC, as older files have it
    return {"role": role, "content": parts, "tool_calls": functions, "created_at": time, **more}


class TestLetta:
    BLOCKS = (
        {"id": "block-0", "label": "persona", "value": "I am Sam."},
        {"id": "block-1", "label": "human", "value": "Ada plays the cello."},
        {"id": "block-2", "label": "notes", "value": ""},
    )

    def test_an_agent_of_memgpt_says_what_it_sends(self, bank, tmp_path):
        packed = {"type": "user_message", "message": "My name is Ada.", "time": "…"}
        data = {
            "agent_type": "memgpt_agent",
            "core_memory": list(self.BLOCKS),
            "messages": [
                letta_message("system", "You are Letta."),
                letta_message("user", json.dumps({"type": "login"})),
                letta_message("user", json.dumps(packed)),
                letta_message("assistant", "A new name.", ("core_memory_replace", {"label": "x"})),
                letta_message("tool", '{"status": "OK"}'),
                letta_message("assistant", "Greet.", ("send_message", {"message": "Hello, Ada!"})),
            ],
            "name": "sam",
            "version": "0.6",
        }
        receipt = bank.import_from(write(tmp_path / "sam.af", data), user_id="ada")
        assert receipt.format == "letta"
        assert sorted(turns(bank)) == [
            ("Ada plays the cello.", ""),
            ("My name is Ada.", "Hello, Ada!"),
        ]
        assert MAY in {memory.created_at for memory in bank.timeline(user_id="ada")}
        assert receipt.left_out == {
            "thoughts of the agent": 2,
            "memory blocks about the agent": 1,
            "empty memory blocks": 1,
            "system messages": 1,
            "events of the agent": 1,
            "tool results": 1,
        }

    def test_several_agents(self, bank, tmp_path):
        thought = {"type": "reasoning", "reasoning": "Hm."}
        said = [thought, {"type": "text", "text": "In Norway."}]
        messages = [
            letta_message("user", "Where is Bergen?", id="message-1"),
            letta_message("approval", [thought], ("Read", {"file": "map"})),
            letta_message("assistant", said),
        ]
        agents = [
            {"id": f"agent-{name}", "name": name, "agent_type": "letta_v1_agent", "messages": own}
            for name, own in (("sam", messages), ("kim", messages[:1]), ("lee", None))
        ]
        data = {"agents": agents, "groups": [], "blocks": [], "files": [{}], "tools": []}
        file = write(tmp_path / "team.af", data)
        receipt = bank.import_from(file, user_id="ada")
        assert turns(bank) == [
            ("Where is Bergen?", "[tool call: Read]\nIn Norway."),
            ("Where is Bergen?", ""),
        ]
        assert {memory.session for memory in bank.timeline(user_id="ada")} == {"sam", "kim"}
        assert receipt.left_out == {"thoughts of the agent": 2, "files": 1}
        assert bank.import_from(file, user_id="ada").unchanged == 2


def episodes_of_graphiti():
    lines = (DATA / "graphiti.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


class TestGraphiti:
    def test_lines(self, bank):
        receipt = bank.import_from(DATA / "graphiti.jsonl")
        assert (receipt.format, receipt.users) == ("graphiti", ("ada",))
        assert turns(bank) == [
            ("I play the cello.", "How lovely!"),
            ("谢谢：真的", ""),
            ("My cat is called Pepper.", "Cute!"),
            ("See you at 18:30.", ""),
            ("Ada moved to Haarlem: she likes it.", ""),
            ("city: Haarlem\nsince.year: 2024", ""),
        ]
        cat = bank.timeline(user_id="ada")[2].turn
        assert (cat.user_name, cat.companion_name, cat.at) == ("Ada", "Bot", MAY)
        assert bank.import_from(DATA / "graphiti.jsonl").unchanged == 6

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (
                "Ada (user): What do I need?\nBot (assistant): You need:\nFlour: 200 g\nEggs: 2",
                [("What do I need?", "You need:\nFlour: 200 g\nEggs: 2")],
            ),
            (
                "user: 要什么？\nassistant: 你要：\n面粉：200克",
                [("要什么？", "你要：\n面粉：200克")],
            ),
            ("system: Be kind.\nAda: Hi\nBot (ai): Hello", [("Hi", "Hello")]),
            ("Ada: Hi\nBob: Hello", [("Hi", ""), ("Hello", "")]),
        ],
    )
    def test_a_line_with_a_colon_is_not_a_speaker(self, bank, tmp_path, content, expected):
        episode = {**episodes_of_graphiti()[0], "source": "message", "content": content}
        bank.import_from(write(tmp_path / "e.json", [episode]))
        assert turns(bank) == expected

    def test_a_dump_of_the_graph(self, bank, tmp_path):
        episodes = episodes_of_graphiti()
        data = {
            "episodes": episodes[:1],
            "edges": [{"fact": "x"}],
            "entities": [{"name": "Ada"}] * 2,
        }
        receipt = bank.import_from(write(tmp_path / "graph.json", json.dumps(data, indent=1)))
        assert receipt.added == 2
        assert receipt.left_out == {"entries of 'entities'": 2, "entries of 'edges'": 1}


class TestCogx:
    EXPECTED = (
        ("Kind", ""),
        ("A diary of May.", ""),
        ("I play the cello.", "How lovely!"),
        ("Lives in Haarlem", ""),
    )

    @pytest.mark.parametrize("packing", ["folder", "tar"])
    def test_an_archive(self, bank, tmp_path, packing):
        path = DATA / "archive.cogx"
        if packing == "tar":
            with tarfile.open(tmp_path / "archive.cogx.tar.gz", "w:gz") as archive:
                archive.add(path, ".")
            path = tmp_path / "archive.cogx.tar.gz"
        receipt = bank.import_from(path)
        assert (receipt.format, receipt.users) == ("cogx", ("ada",))
        assert sorted(turns(bank)) == sorted(self.EXPECTED)
        memory = next(m for m in bank.timeline(user_id="ada") if "cello" in m.text)
        assert (memory.id, memory.session, memory.created_at) == ("cogx:mem0:e1:1", "s1", MAY)
        assert receipt.left_out == {
            "system messages": 1,
            "entities of the graph": 1,
            "facts of the graph": 1,
            "nodes of the graph": 1,
        }

    def test_a_newer_version_is_refused(self, bank, tmp_path):
        folder = shutil.copytree(DATA / "archive.cogx", tmp_path / "new.cogx")
        write(folder / "manifest.json", {"cogx_version": "2.0"})
        with pytest.raises(FormatError, match=r"COGX 2\.0"):
            bank.import_from(folder)


def test_a_table_of_langchain(bank):
    receipt = bank.import_from(DATA / "langchain_history.db", user_id="ada")
    assert (receipt.format, receipt.undated) == ("langchain", 2)
    assert sorted(turns(bank)) == [
        ("I play the cello.", "How lovely!"),
        ("我的猫叫花椒。", "好可爱！"),
    ]


ODD = [None, 3, "x", [], {}, [[]], float("nan"), {"id": {}}, "\ud800\0", -1e300, True]


def spoil(value, odd, count):
    """Yield copies of JSON in each of which another value is replaced by an odd one."""
    places = []

    def walk(data, path):
        places.append(path)
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            if isinstance(item, (dict, list)):
                walk(item, (*path, key))
            else:
                places.append((*path, key))

    walk(value, ())
    for number, path in enumerate(places[1:]):
        copy = json.loads(json.dumps(value))
        target = copy
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = odd[number % len(odd)]
        if number % max(1, len(places) // count) == 0:
            yield copy


@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("format", ["mem0", "letta", "graphiti", "chatgpt", "claude", "jsonl"])
def test_a_wrong_type_anywhere_is_a_counted_omission(bank, tmp_path, format, shift):
    chat = {"role": "user", "content": [{"type": "text", "text": "Hi"}], "time": 1, "session": "s"}
    message = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Hi", {}]}}
    nodes = {"a": {"message": {**message, "id": "m", "create_time": 1.5}, "parent": None}}
    blocks = [{"type": "text", "text": "Hi"}, {"type": "tool_use", "name": "x"}]
    claude = {"uuid": "m", "sender": "human", "created_at": "2024-05-04", "content": blocks}
    letta = [letta_message("user", "Hi"), letta_message("assistant", "Yes", ("send_message", {}))]
    episodes = episodes_of_graphiti()
    data = {
        "mem0": list(TestMem0.MEMORIES),
        "letta": {"agents": [{"name": "a", "agent_type": "memgpt", "messages": letta}]},
        "graphiti": episodes[:2],
        "chatgpt": [{"mapping": nodes, "current_node": "a", "id": "c", "create_time": 1}],
        "claude": [{"uuid": "c", "name": "n", "chat_messages": [claude], "created_at": "2024"}],
        "jsonl": [chat, {"query": "Hi", "response": "Yes", "metadata": {"a": 1}}],
    }[format]
    for copy in spoil(data, ODD[shift:] + ODD[:shift], 20):
        file = write(tmp_path / "odd.json", json.dumps(copy))
        with suppress(ConfigurationError, FormatError):  # the user's id or the shape was replaced
            bank.import_from(file, user_id="ada", format=format, dry_run=True)


@pytest.mark.parametrize("format", ["mem0", "langchain", "langgraph", "llamaindex"])
def test_a_damaged_database_is_one_clear_error(bank, tmp_path, format):
    path = Path(shutil.copy(DATA / "mem0_history.db", tmp_path / "odd.db"))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE history SET memory_id = x'ff00', created_at = 'soon', event = 3")
    db.close()
    if format == "mem0":
        assert bank.import_from(path, user_id="ada", format=format, dry_run=True).faults == ()
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\x07" * (len(data) - 4096))
    with suppress(FormatError):  # if it has another format, or the damage is in a table read
        bank.import_from(path, user_id="ada", format=format, dry_run=True)
