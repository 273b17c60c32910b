"""Import of other programs' exports: what comes, what is left out, and that nothing is lost."""

import asyncio
import gzip
import io
import json
import random
import sqlite3
import sys
import tarfile
import tracemalloc
import zipfile
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from memorybank_core import (
    ConfigurationError,
    EmbedderError,
    FormatError,
    HashingEmbedder,
    MemoryBank,
    MemoryBankError,
)
from memorybank_core.importers import Source, detect_format, format_names, json_stream
from memorybank_core.importers.json_stream import read_lines, read_values
from memorybank_core.importers.times import parse_time

MAY = datetime(2024, 5, 4, 18, 30, 15, 123456, tzinfo=timezone.utc)
UTC = timezone.utc


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(
        tmp_path / "bank.db", embedder="hashing", timezone="Asia/Shanghai"
    ) as bank:
        yield bank


def write(path, data):
    path.write_text(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False))
    return path


def turns(bank, user="ada"):
    """Query, response of each turn, in the order of time."""
    return [(m.turn.query, m.turn.response) for m in bank.timeline(user_id=user)]


# ChatGPT


def message(id, role, text, at=MAY, *, kind="text", **more):
    """A message of ChatGPT's export."""
    content = text if isinstance(text, dict) else {"content_type": kind, "parts": [text]}
    fields = {"recipient": "all", "metadata": {}, "status": "finished_successfully", "weight": 1.0}
    author = {"role": role, "name": None, "metadata": {}}
    time = at.timestamp() if isinstance(at, datetime) else at
    return {"id": id, "author": author, "create_time": time, "content": content, **fields, **more}


def conversation(*messages, id="c1", current=None, title="Music", parents=None):
    """A conversation of ChatGPT's export: each message follows the one before, or `parents`."""
    parents = {**{b["id"]: a["id"] for a, b in pairwise(messages)}, **(parents or {})}
    mapping = {"root": {"id": "root", "message": None, "parent": None, "children": []}}
    for item in messages:
        parent = parents.get(item["id"], "root")
        mapping[item["id"]] = {"id": item["id"], "message": item, "parent": parent, "children": []}
    for node in mapping.values():
        if node["parent"] in mapping:
            mapping[node["parent"]]["children"].append(node["id"])
    return {
        "title": title,
        "create_time": MAY.timestamp(),
        "update_time": MAY.timestamp(),
        "mapping": mapping,
        "current_node": current or messages[-1]["id"],
        "conversation_id": id,
        "id": id,
    }


def minutes(number):
    return MAY + timedelta(minutes=number)


class TestChatGPT:
    def test_turns_with_times_ids_and_titles(self, bank, tmp_path):
        file = write(
            tmp_path / "conversations.json",
            [
                conversation(
                    message("s", "system", "", None),
                    message("q1", "user", "My sister plays the cello."),
                    message("a1", "assistant", "How lovely!", minutes(1)),
                    message("q2", "user", "我的猫叫花椒。", minutes(2)),
                    message("a2", "assistant", "好可爱！", minutes(3)),
                )
            ],
        )
        receipt = bank.import_from(file, user_id="ada")
        first, second = bank.timeline(user_id="ada")
        assert (receipt.format, receipt.added, receipt.users) == ("chatgpt", 2, ("ada",))
        assert first.created_at == MAY
        assert second.created_at == minutes(2)
        assert (str(first.day), first.session, first.id) == ("2024-05-05", "c1", "chatgpt:q1")
        assert first.metadata == {"source": "chatgpt", "title": "Music"}
        assert (second.turn.query, second.turn.response) == ("我的猫叫花椒。", "好可爱！")
        assert receipt.left_out == {"system messages": 1}
        assert (receipt.first, receipt.last) == (MAY, minutes(2))

    def test_a_branch_is_what_the_user_saw_last(self, bank, tmp_path):
        data = conversation(
            message("q1", "user", "Where is Bergen?"),
            message("a1", "assistant", "In Sweden."),
            message("a2", "assistant", "In Norway."),
            message("q2", "user", "And Oslo?"),
            message("a3", "assistant", "In Norway too."),
            message("q3", "user", "And Malmö?"),
            parents={"a2": "q1", "q2": "a2", "q3": "a1"},
            current="a3",
        )
        receipt = bank.import_from(write(tmp_path / "conversations.json", [data]), user_id="ada")
        assert turns(bank) == [
            ("Where is Bergen?", "In Norway."),
            ("And Oslo?", "In Norway too."),
        ]
        assert receipt.left_out == {"messages of other branches": 2}

    def test_what_is_not_text_becomes_a_placeholder(self, bank, tmp_path):
        image = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1"}
        picture = {**image, "metadata": {"dalle": {"prompt": "A cello by the sea"}}}
        files = [{"id": "file-1", "name": "beach.jpg"}, {"id": "file-2", "name": "plan.pdf"}]
        shown = {"content_type": "multimodal_text", "parts": [image, "What is this?"]}
        made = {"content_type": "multimodal_text", "parts": [picture]}
        thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Hm", "content": "…"}]}
        voice = [{"content_type": "audio_transcription", "text": "A beach."}]
        voice += [{"content_type": "audio_asset_pointer", "asset_pointer": "sediment://f"}]
        cited = "Bergen\ue200cite\ue202turn0search1\ue201.【3†source】"
        data = conversation(
            message("c", "user", {"content_type": "user_editable_context", "user_profile": "x"}),
            message("q", "user", shown, metadata={"attachments": files}),
            message("t", "assistant", thoughts),
            message(
                "call", "assistant", {"content_type": "code", "text": "f()"}, recipient="python"
            ),
            message("r", "tool", {"content_type": "execution_output", "text": "1"}),
            message("i", "tool", made),
            message("h", "user", "h", metadata={"is_visually_hidden_from_conversation": True}),
            message("a", "assistant", {"content_type": "multimodal_text", "parts": voice}),
            message("b", "assistant", cited),
            message("code", "assistant", {"content_type": "code", "language": "py", "text": "f()"}),
        )
        receipt = bank.import_from(write(tmp_path / "conversations.json", [data]), user_id="ada")
        assert turns(bank) == [
            (
                "[image: beach.jpg]\nWhat is this?\n[file: plan.pdf]",
                "[tool call: python]\n[image: A cello by the sea]\nA beach.\nBergen.\n"
                "```py\nf()\n```",
            )
        ]
        assert receipt.left_out == {
            "system messages": 1,
            "thoughts of the model": 1,
            "tool results": 1,
            "hidden messages": 1,
        }

    def test_a_newer_export_adds_and_replaces(self, bank, tmp_path):
        file, at = tmp_path / "conversations.json", [message("q1", "user", "Where is Bergen?")]
        bank.import_from(write(file, [conversation(*at)]), user_id="ada")
        old = json.loads(file.read_text())
        at.append(message("a1", "assistant", "In Norway."))
        receipt = bank.import_from(write(file, [conversation(*at)]), user_id="ada")
        assert (receipt.added, receipt.replaced) == (0, 1)
        receipt = bank.import_from(write(file, old), user_id="ada")  # does not take the answer away
        assert (receipt.added, receipt.replaced, receipt.unchanged) == (0, 0, 1)
        at[1:] = [message("a2", "assistant", "Bergen is in the west of Norway.")]
        assert bank.import_from(write(file, [conversation(*at)]), user_id="ada").replaced == 1
        assert turns(bank) == [("Where is Bergen?", "Bergen is in the west of Norway.")]

    @pytest.mark.parametrize("indent", [None, 1])
    def test_one_conversation(self, bank, tmp_path, indent):
        data = conversation(message("q1", "user", "Hi"), message("a1", "assistant", "Hello"))
        file = write(tmp_path / "music.json", json.dumps(data, indent=indent))
        assert bank.import_from(file, user_id="ada").format == "chatgpt"
        assert turns(bank) == [("Hi", "Hello")]

    def test_a_zip_with_numbered_files(self, bank, tmp_path):
        path = tmp_path / "export.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in (0, 1, 10):
                data = [conversation(message(f"q{number}", "user", f"Number {number}"))]
                archive.writestr(f"export/conversations-{number:03}.json", json.dumps(data))
            archive.writestr("../../evil.txt", "x")
            archive.writestr("shared_conversations.json", "[{}]")
        receipt = bank.import_from(path, user_id="ada")
        assert (receipt.format, receipt.added, receipt.left_out) == ("chatgpt", 3, {})
        assert sorted(tmp_path.iterdir()) == [*sorted(tmp_path.glob("bank.db*")), path]

    def test_hostile_conversations_are_counted_and_the_others_come(self, bank, tmp_path):
        circle = conversation(message("q1", "user", "In a circle"), message("q2", "user", "Again"))
        circle["mapping"]["q1"]["parent"] = "q2"
        odd = conversation(message("q5", "user", "Odd times", float("nan")), id="odd")
        odd["create_time"] = 1e300
        odd["mapping"]["x"] = {"id": "x", "message": {"author": 3, "content": []}, "parent": ["q5"]}
        nested = '{"mapping": ' + "[" * 5_000 + "]" * 5_000 + "}"
        parts = [
            json.dumps(circle),
            json.dumps({"mapping": []}),
            '"a string"',
            "null",
            nested,
            '{"mapping": {}, "a": 1e, }',
            json.dumps({**conversation(message("q3", "user", "No node")), "current_node": "gone"}),
            json.dumps(odd),
            json.dumps({"mapping": {"a": None, "b": 3, "c": {"message": {"content": 7}}}}),
            json.dumps(
                conversation(message("q4", "user", {"content_type": 1, "parts": [{}, 5, None]}))
            ),
            '{"mapping": ' + "9" * 5_000 + "}",
            json.dumps(
                conversation(message("q6", "user", "The last one", "2024-05-04T20:30:00+02:00"))
            ),
        ]
        file = write(tmp_path / "conversations.json", "[" + ", ".join(parts) + "]")
        receipt = bank.import_from(file, user_id="ada", format="chatgpt")
        queries = [query for query, _ in turns(bank)]
        assert {"In a circle", "Again", "No node", "Odd times", "The last one"} <= set(queries)
        assert receipt.left_out["unreadable conversations"] == 6
        assert receipt.left_out["circles of messages"] == 1
        assert len(receipt.faults) == 8
        assert all("\n" not in fault for fault in receipt.faults)
        assert bank.import_from(file, user_id="ada", format="chatgpt").added == 0


# Claude


def claude(*messages, uuid="c1", **more):
    """A conversation of Claude's export; a message is its sender, its text and other fields."""
    items = [
        {
            "uuid": f"m{number}",
            "sender": sender,
            "text": text,
            "content": [{"type": "text", "text": text}],
            "created_at": minutes(number).isoformat().replace("+00:00", "Z"),
            "attachments": [],
            "files": [],
            **fields,
        }
        for number, (sender, text, fields) in enumerate(messages)
    ]
    return {"uuid": uuid, "name": "Music", "created_at": "2024-05-04T18:30:00Z", **more} | {
        "chat_messages": items
    }


class TestClaude:
    def test_turns_with_placeholders(self, bank, tmp_path):
        blocks = [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "tool_use", "name": "web_search", "input": {"query": "cello"}},
            {"type": "tool_result", "name": "web_search", "content": []},
            {"type": "text", "text": "A cello."},
        ]
        files = {"files": [{"file_name": "photo.png"}], "attachments": [{"file_name": ""}]}
        data = claude(
            ("human", "What is this?", files),
            ("assistant", "A cello.", {"content": blocks}),
            ("human", "", {"content": []}),
        )
        path = tmp_path / "data.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("conversations.json", json.dumps([data]))
            archive.writestr("memories.json", "[]")
        receipt = bank.import_from(path, user_id="ada")
        assert receipt.format == "claude"
        assert turns(bank) == [
            (
                "What is this?\n[file: pasted text]\n[file: photo.png]",
                "[tool call: web_search]\nA cello.",
            )
        ]
        (memory,) = bank.timeline(user_id="ada")
        assert (memory.id, memory.session, memory.created_at) == ("claude:m0", "c1", MAY)
        assert receipt.left_out == {
            "thoughts of the model": 1,
            "tool results": 1,
            "messages without text": 1,
            "files memories.json": 1,
        }

    def test_pasted_text_comes_and_contents_of_files_are_counted(self, bank, tmp_path):
        pasted = {"file_name": "", "extracted_content": "我的诗"}
        named = {"file_name": "plan.pdf", "extracted_content": "Page 1"}
        data = claude(("human", "Look:", {"attachments": [pasted, named]}))
        file = write(tmp_path / "conversation.json", data)  # one conversation
        receipt = bank.import_from(file, user_id="ada")
        assert turns(bank) == [("Look:\n我的诗\n[file: plan.pdf]", "")]
        assert (receipt.format, receipt.left_out) == ("claude", {"contents of files": 1})

    def test_a_branch_is_what_the_user_saw_last(self, bank, tmp_path):
        data = claude(
            ("human", "Where is Bergen?", {"parent_message_uuid": "root"}),
            ("assistant", "In Sweden.", {"parent_message_uuid": "m0"}),
            ("assistant", "In Norway.", {"parent_message_uuid": "m0"}),
            ("human", "Thanks.", {"parent_message_uuid": "m2"}),
            current_leaf_message_uuid="m3",
        )
        data["chat_messages"][0]["parent_message_uuid"] = "00000000-0000-4000-8000-000000000000"
        receipt = bank.import_from(write(tmp_path / "conversations.json", [data]), user_id="ada")
        assert turns(bank) == [("Where is Bergen?", "In Norway."), ("Thanks.", "")]
        assert receipt.left_out == {"messages of other branches": 1}


# Plain logs


def lines(*entries):
    return "\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)


class TestChatLog:
    def test_messages_of_several_users_and_sessions(self, bank, tmp_path):
        file = write(
            tmp_path / "chat.jsonl",
            lines(
                {
                    "role": "user",
                    "content": "Hi",
                    "time": "2024-05-04T18:30:15.123456Z",
                    "user_id": "ada",
                },
                {"role": "user", "content": "Hello", "timestamp": 1714847415, "user_id": "bob"},
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "Yes?"}],
                    "user_id": "ada",
                },
                {"role": "system", "content": "Be kind", "user_id": "ada"},
                {"role": "assistant", "content": "Good day", "user_id": "bob"},
                {
                    "role": "user",
                    "content": [{"type": "image_url"}],
                    "user_id": "ada",
                    "session": "s",
                },
            ),
        )
        receipt = bank.import_from(file)
        assert (receipt.format, receipt.users) == ("jsonl", ("ada", "bob"))
        assert turns(bank) == [("Hi", "Yes?"), ("[image]", "")]
        assert turns(bank, "bob") == [("Hello", "Good day")]
        assert bank.timeline(user_id="ada")[0].created_at == MAY
        assert receipt.undated == 1
        assert receipt.left_out == {"system messages": 1}

    def test_only_the_memories_of_the_named_user_come(self, bank, tmp_path):
        file = tmp_path / "chat.jsonl"
        write(file, lines(*({"role": "user", "content": u, "user_id": u} for u in ("ada", "bob"))))
        assert bank.import_from(file, user_id="ada").left_out == {"turns that are not selected": 1}
        assert bank.users() == ["ada"]
        bank.import_from(file, user_id="bob@example.com", select=["bob"])
        assert turns(bank, "bob@example.com") == [("bob", "")]
        with pytest.raises(ConfigurationError, match="nothing of 'eve', but of 'ada', 'bob'"):
            bank.import_from(file, user_id="eve")

    @pytest.mark.parametrize(
        "data",
        [
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}],
            {"messages": [{"role": "human", "text": "Hi"}, {"type": "ai", "content": "Yes?"}]},
            {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}]},
            [{"query": "Hi", "response": "Yes?"}],
            [{"question": "Hi", "answer": "Yes?", "id": 7}],
            {"prompt": "Hi", "completion": "Yes?"},
        ],
    )
    @pytest.mark.parametrize("indent", [None, 1])
    def test_other_shapes(self, bank, tmp_path, data, indent):
        if indent and isinstance(data, dict) and "prompt" in data:
            pytest.skip("an exchange on several lines is not in a list")
        file = write(tmp_path / "chat.json", json.dumps(data, indent=indent))
        bank.import_from(file, user_id="ada")
        assert turns(bank) == [("Hi", "Yes?")]
        assert bank.import_from(file, user_id="ada").added == 0

    def test_times_without_a_zone_are_those_of_the_bank(self, bank, tmp_path):
        write(
            file := tmp_path / "a.jsonl",
            lines({"role": "user", "content": "a", "time": "2024-05-04 20:30"}),
        )
        bank.import_from(file, user_id="ada")
        assert bank.timeline(user_id="ada")[0].created_at == datetime(
            2024, 5, 4, 12, 30, tzinfo=UTC
        )

    def test_files_with_the_same_ids_do_not_replace_each_other(self, bank, tmp_path):
        for name in ("a", "b"):
            file = write(
                tmp_path / f"{name}.jsonl", lines({"role": "user", "content": name, "id": 1})
            )
            assert bank.import_from(file, user_id="ada").added == 1
            assert bank.import_from(file, user_id="ada").added == 0
        assert sorted(turns(bank)) == [("a", ""), ("b", "")]

    def test_repeated_messages_without_ids_are_kept_and_come_once(self, bank, tmp_path):
        file = write(tmp_path / "a.jsonl", lines(*[{"role": "user", "content": "Yes"}] * 3))
        assert bank.import_from(file, user_id="ada").added == 3
        assert bank.import_from(file, user_id="ada").unchanged == 3

    def test_an_id_that_occurs_twice_loses_no_text(self, bank, tmp_path):
        entries = [{"query": text, "id": "x", "response": ""} for text in ("a", "b", "a", "b")]
        file = write(tmp_path / "a.jsonl", lines(*entries))
        for added in (2, 0):
            assert bank.import_from(file, user_id="ada").added == added
        assert sorted(turns(bank)) == [("a", ""), ("b", "")]

    def test_unreadable_lines_are_counted(self, bank, tmp_path):
        good = {"role": "user", "content": "Hi\ud800"}
        file = write(
            tmp_path / "a.jsonl", "\n".join([json.dumps(good), '{"role": "us', "[]", '{"a": 1}'])
        )
        receipt = bank.import_from(file, user_id="ada")
        assert (receipt.added, receipt.left_out) == (1, {"unreadable entries": 3})
        assert "entry 2: it is not valid JSON" in receipt.faults[0]


# All formats


class Failing(HashingEmbedder):
    def embed_documents(self, texts):
        if any("299" in text for text in texts):
            raise OSError("no network")
        return super().embed_documents(texts)


def log(count):
    return lines(
        *({"role": "user", "content": f"Number {number}", "id": number} for number in range(count))
    )


class TestTransfer:
    def test_a_dry_run_writes_nothing_and_counts_the_same(self, bank, tmp_path):
        file = write(tmp_path / "a.jsonl", log(300) + '\n{"role": "system", "content": "x"}')
        seen = []
        dry = bank.import_from(file, user_id="ada", dry_run=True, progress=seen.append)
        assert bank.users() == []
        assert sum(seen) == 300
        real = bank.import_from(file, user_id="ada")
        assert {**dry.to_dict(), "dry_run": False} == real.to_dict()
        assert json.dumps(real.to_dict())

    def test_an_interrupted_import_is_completed_by_the_next(self, tmp_path):
        file = write(tmp_path / "a.jsonl", log(600))
        failure = pytest.raises(EmbedderError, match="256 turns are stored; import it again")
        with MemoryBank.open(tmp_path / "b.db", embedder=Failing()) as bank, failure:
            bank.import_from(file, user_id="ada")
        with MemoryBank.open(tmp_path / "b.db", embedder=HashingEmbedder()) as bank:
            receipt = bank.import_from(file, user_id="ada")
            assert (receipt.added, receipt.unchanged) == (344, 256)
            assert bank.stats(user_id="ada").memories == 600

    def test_options(self, bank, tmp_path):
        file = write(
            tmp_path / "a.jsonl", lines({"role": "user", "content": "Hi", "metadata": {"a": 1}})
        )
        bank.import_from(file, user_id="ada", at=MAY, metadata={"b": 2}, fresh=True, now=minutes(9))
        (memory,) = bank.timeline(user_id="ada")
        assert memory.created_at == MAY
        assert memory.metadata == {"a": 1, "b": 2}
        assert memory.last_recalled_at == minutes(9)

    def test_a_user_is_needed(self, bank, tmp_path):
        file = write(tmp_path / "a.jsonl", log(1))
        with pytest.raises(ConfigurationError, match="whose memories"):
            bank.import_from(file)

    @pytest.mark.parametrize("packing", ["gz", "tar", "tar.gz", "folder"])
    def test_packed_files(self, bank, tmp_path, packing):
        path = tmp_path / f"log.{packing}"
        if packing == "gz":
            path.write_bytes(gzip.compress(log(2).encode()))
        elif packing == "folder":
            (path / "deep").mkdir(parents=True)
            write(path / "deep" / "a.jsonl", log(2))
            (path / "link.jsonl").symlink_to(tmp_path / "bank.db")
        else:
            with tarfile.open(path, "w:gz" if packing == "tar.gz" else "w") as archive:
                info = tarfile.TarInfo("/etc/a.jsonl")
                info.size = len(log(2))
                archive.addfile(info, io.BytesIO(log(2).encode()))
        assert bank.import_from(path, user_id="ada").added == 2

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            ("a.bin", random.Random(1).randbytes(9_000), "none of the formats"),
            ("a.zip", b"PK\3\4 not a zip", "none of the formats"),
            ("a.gz", gzip.compress(b"x" * 9_000, mtime=0)[:-20], "cannot unpack"),
            ("a.html", b"<html></html>", "none of the formats"),
            ("a.txt", b"", "none of the formats"),
            ("a.db", b"SQLite format 3\0" + b"x" * 5_000, "cannot read|none of the formats"),
        ],
    )
    def test_other_files_are_one_clear_error(self, bank, tmp_path, name, data, message):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FormatError, match=message) as error:
            bank.import_from(tmp_path / name, user_id="ada")
        assert "\n" not in str(error.value)

    def test_a_missing_file_and_an_unknown_format(self, bank, tmp_path):
        with pytest.raises(FormatError, match="cannot read"):
            bank.import_from(tmp_path / "gone.zip", user_id="ada")
        with pytest.raises(ConfigurationError, match="unknown format 'whatsapp'; known: chatgpt"):
            bank.import_from(write(tmp_path / "a.jsonl", log(1)), user_id="ada", format="whatsapp")

    def test_an_archive_that_unpacks_too_far_is_refused(self, bank, tmp_path, monkeypatch):
        monkeypatch.setattr("memorybank_core.importers.source_files._UNCHECKED_BYTES", 1_000)
        for path in (tmp_path / "bomb.zip", tmp_path / "bomb.jsonl.gz"):
            if path.suffix == ".zip":
                with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr("conversations.json", b" " * 9_000_000)
            else:
                path.write_bytes(gzip.compress(b" " * 9_000_000))
            with pytest.raises(FormatError, match="200 times its packed size"):
                bank.import_from(path, user_id="ada")

    def test_an_encrypted_or_damaged_member_is_one_clear_error(self, bank, tmp_path):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(
                "conversations.json", json.dumps([conversation(message("q", "user", "Hi"))])
            )
        data = path.read_bytes()
        path.write_bytes(data.replace(b'"Hi"', b'"Ho"'))
        with pytest.raises(FormatError, match=r"cannot unpack .*CRC"):
            bank.import_from(path, user_id="ada")
        flags = data.index(b"PK\1\2") + 8
        path.write_bytes(data[:6] + b"\1" + data[7:flags] + b"\1" + data[flags + 1 :])
        with pytest.raises(FormatError, match=r"cannot unpack .*encrypted"):
            bank.import_from(path, user_id="ada")

    def test_the_async_twin(self, bank, tmp_path):
        file = write(tmp_path / "a.jsonl", log(1))
        assert asyncio.run(bank.aimport_from(file, user_id="ada")).added == 1

    @pytest.mark.parametrize("format", [None, "memorybank"])
    def test_an_export_of_ours_is_named(self, bank, tmp_path, format):
        file = write(tmp_path / "ours.json", {"Ada": {"name": "Ada", "history": {}}})
        with pytest.raises(
            MemoryBankError, match=r"with memorybank_core\.json_format\.import_json"
        ):
            bank.import_from(file, user_id="ada", format=format)

    @pytest.mark.parametrize("data", [{"a": 1, "b": {"c": 2}}, {"info": {"summary": "An API"}}])
    def test_another_object_is_not_an_export_of_ours(self, bank, tmp_path, data):
        with pytest.raises(FormatError, match="none of the formats"):
            bank.import_from(write(tmp_path / "a.json", data), user_id="ada")

    def test_a_bank_is_copied_and_not_imported(self, bank, tmp_path):
        with (
            MemoryBank.open(tmp_path / "other.db", embedder="hashing") as other,
            pytest.raises(FormatError, match="is a memory bank: copy it with `memorybank move`"),
        ):
            bank.import_from(other.store.path, user_id="ada")

    def test_names(self):
        assert {"chatgpt", "claude", "jsonl"} <= set(format_names())

    def test_a_source_is_not_changed(self, bank, tmp_path):
        file = tmp_path / "foreign.db"
        with sqlite3.connect(file) as db:
            db.execute("CREATE TABLE t (a)")
        db.close()
        before = file.read_bytes()
        with Source(file) as source, pytest.raises(FormatError):
            detect_format(source)
        assert file.read_bytes() == before
        assert not list(tmp_path.glob("foreign.db-*"))


# Formats of other packages

DIARY = """
from memorybank_core import Turn
from memorybank_core.importers import ImportedTurn


def recognize(source):
    return any(source.head(name).startswith(b"Dear diary") for name in source.find(r".+\\.txt"))


def read(source, omissions):
    for name in source.choose(r".+\\.txt"):
        for line in source.text_lines(name):
            if line.strip():
                yield ImportedTurn(Turn(line, id=f"diary:{line}"))
            else:
                omissions.add("empty lines")
"""


def test_a_format_of_another_package(bank, tmp_path, monkeypatch):
    folder = tmp_path / "acme_diary-1.0.dist-info"
    folder.mkdir()
    write(folder / "METADATA", "Metadata-Version: 2.1\nName: acme-diary\nVersion: 1.0\n")
    write(folder / "entry_points.txt", "[memorybank.importers]\ndiary = acme_diary\n")
    write(tmp_path / "acme_diary.py", DIARY)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert "diary" in format_names()
        blank = 70_000  # more than `head` returns
        file = write(tmp_path / "may.txt", "Dear diary!" + "\n" * blank + "我拉大提琴。")
        receipt = bank.import_from(file, user_id="ada")
        assert (receipt.format, receipt.left_out) == ("diary", {"empty lines": blank - 1})
        assert sorted(turns(bank)) == [("Dear diary!", ""), ("我拉大提琴。", "")]
        file.write_bytes("Dear diary! 我".encode("gb18030"))
        with pytest.raises(FormatError, match="not UTF-8"):
            bank.import_from(file, user_id="ada")
    finally:
        sys.modules.pop("acme_diary", None)


# JSON streams


def stream(data, depth=1):
    return [(v.keys, v.data, v.fault) for v in read_values(io.BytesIO(data), depth=depth)]


class TestJsonStream:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 262_144])
    def test_values_at_any_depth_and_chunk_size(self, monkeypatch, size):
        monkeypatch.setattr(json_stream, "CHUNK", size)
        data = {"a": [1, {"b": ']\\"}'}, "x,y"], "c": {"d": [2], "é": None}, "e": "\\", "f": -1.5}
        text = json.dumps(data, indent=2, ensure_ascii=False).encode()
        assert stream(b"\xef\xbb\xbf" + text) == [((k,), v, "") for k, v in data.items()]
        assert stream(text, 2) == [
            (("a",), 1, ""),
            (("a",), {"b": ']\\"}'}, ""),
            (("a",), "x,y", ""),
            (("c", "d"), [2], ""),
            (("c", "é"), None, ""),
            (("e",), "\\", ""),
            (("f",), -1.5, ""),
        ]

    def test_random_documents_are_read_as_json_reads_them(self, monkeypatch):
        monkeypatch.setattr(json_stream, "CHUNK", 5)
        rng = random.Random(7)

        def value(depth):
            kind = rng.randrange(6 if depth else 4)
            if kind == 4:
                return [value(depth - 1) for _ in range(rng.randrange(4))]
            if kind == 5:
                return {f'k{i}"': value(depth - 1) for i in range(rng.randrange(4))}
            return [None, rng.random(), '\\"[]{},:\n' * rng.randrange(3), rng.randrange(99)][kind]

        for _ in range(100):
            data = [value(4) for _ in range(5)]
            assert [v for _, v, _ in stream(json.dumps(data).encode())] == data

    def test_faults_are_skipped(self, monkeypatch):
        monkeypatch.setattr(json_stream, "MAX_BYTES", 50)
        found = stream(
            b'[1, tru, {"a": "' + b"x" * 60 + b'"}, [2, ' + b"[" * 300 + b"]" * 300 + b"], 3"
        )
        assert [fault[:20] for _, _, fault in found] == [
            "",
            "it is not valid JSON",
            "it is larger than 0 ",
            "it is larger than 0 ",
            "the file ends here: ",
        ]
        (deep, last) = stream(b"[" + b"[" * 20 + b"]" * 20 + b", 3]")
        assert (deep[2], last[1]) == ("", 3)
        monkeypatch.setattr(json_stream, "MAX_NESTING", 10)
        assert stream(b"[" + b"[" * 20 + b"]" * 20 + b"]")[0][2] == "it is nested too deeply"

    def test_lines(self, monkeypatch):
        monkeypatch.setattr(json_stream, "MAX_BYTES", 20)
        data = b'\xef\xbb\xbf{"a": 1}\r\n\n"' + b"x" * 50 + b'"\n{"b": 2}'
        found = [(v.number, v.data, v.fault[:18]) for v in read_lines(io.BytesIO(data))]
        assert found == [(1, {"a": 1}, ""), (3, None, "it is larger than "), (4, {"b": 2}, "")]

    def test_memory_does_not_grow_with_the_file(self):
        entry = json.dumps({"a": "x" * 1_000, "b": [1, 2, {"c": "y\n" * 500}]}).encode()
        data = b"[" + b", ".join([entry] * 3_000) + b"]"
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_values(io.BytesIO(data))) == 3_000
            assert tracemalloc.get_traced_memory()[1] < len(data) / 3
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1714847415.123456, MAY),
        (1714847415123.456, MAY),
        ("1714847415123456", MAY),
        (1714847415123456000, MAY.replace(microsecond=123456)),
        ("2024-05-04T18:30:15.123456789Z", MAY),
        ("2024-05-04 20:30:15.123456+02:00", MAY),
        ("2024-05-05T02:30:15.123456", MAY),
        ("2024-05-04 18:30:15.123456+00", MAY),
        ("2024-05-04 18:30:15.123456 UTC", MAY),
        ("2024-05-05", datetime(2024, 5, 4, 16, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("20240505", datetime(2024, 5, 4, 16, tzinfo=UTC)),
        ("20240504183015Z", MAY.replace(microsecond=0)),
        ("2024/05/05 02:30", datetime(2024, 5, 4, 18, 30, tzinfo=UTC)),
        ("2024-5-5 2:05", datetime(2024, 5, 4, 18, 5, tzinfo=UTC)),
        ("2024/5/5 2:30:15.123456 AM", MAY),
        ("2024年5月5日 2:30", datetime(2024, 5, 4, 18, 30, tzinfo=UTC)),
        ("2024年5月5日 星期日 下午2时30分15秒", datetime(2024, 5, 5, 6, 30, 15, tzinfo=UTC)),
        ("Sat, 04 May 2024 18:30:15 GMT", MAY.replace(microsecond=0)),
        ("2024/5/5 14:30 PM", None),
        ("2024-02-30", None),
        ("20240230", None),
        (12.5, None),
        ("7", None),
        (" " * 100_000 + "2024", None),
        ("9999-12-31T23:59:59-10:00", None),
        ("soon", None),
        ("", None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (10**400, None),
        ([], None),
        (None, None),
    ],
)
def test_times_to_the_microsecond(bank, value, expected):
    assert parse_time(value, bank.timezone) == expected
