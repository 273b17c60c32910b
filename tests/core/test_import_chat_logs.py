"""Import of chat logs as many programs write them: contents, times, encodings, packing."""

import json
import zipfile
from datetime import datetime, timezone

import pytest

from memorybank_core import FormatError, MemoryBank

MAY = datetime(2024, 5, 4, 18, 30, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "bank.db"
    with MemoryBank.open(path, embedder="hashing", timezone="UTC") as bank:
        yield bank


@pytest.fixture
def bank(shared):
    yield shared
    for user in shared.users():
        shared.delete(user_id=user)


def lines(*entries):
    return "\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)


def read(bank, tmp_path, *entries):
    """Import entries; return the turns and what was left out."""
    (tmp_path / "a.jsonl").write_text(lines(*entries), encoding="utf-8")
    receipt = bank.import_from(tmp_path / "a.jsonl", user_id="ada")
    turns = [(m.turn.query, m.turn.response) for m in bank.timeline(user_id="ada")]
    return turns, receipt.left_out


class TestContents:
    def test_messages_of_openai_s_assistants(self, bank, tmp_path):
        text = {"type": "text", "text": {"value": "In Norway.", "annotations": []}}
        image = {"type": "image_file", "image_file": {"file_id": "f"}}
        assert read(
            bank,
            tmp_path,
            {"role": "user", "content": [{"type": "text", "text": {"value": "Where?"}}, image]},
            {"role": "assistant", "content": [text]},
        ) == ([("Where?\n[image]", "In Norway.")], {})

    def test_lines_of_claude_code(self, bank, tmp_path):
        result = {"type": "tool_result", "tool_use_id": "t", "content": "4 degrees"}
        parts = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Let me look."}]
        call = [{"type": "tool_use", "name": "weather", "input": {}}]
        turns, left_out = read(
            bank,
            tmp_path,
            {"type": "user", "message": {"role": "user", "content": "Cold?"}, "sessionId": "s"},
            {"type": "assistant", "message": {"role": "assistant", "content": parts}},
            {"type": "assistant", "message": {"role": "assistant", "content": call}},
            {"type": "user", "message": {"role": "user", "content": [result]}},
            {"type": "user", "isSidechain": True, "message": {"role": "user", "content": "Task"}},
            {"type": "assistant", "message": {"content": [{"type": "text", "text": "Yes."}]}},
        )
        assert turns == [("Cold?", "Let me look.\n[tool call: weather]\nYes.")]
        kinds = ("thoughts of the model", "tool results", "hidden messages")
        assert left_out == dict.fromkeys(kinds, 1)
        assert bank.timeline(user_id="ada")[0].session == "s"

    @pytest.mark.parametrize(
        "content",
        [
            {"content": None, "refusal": "No."},
            {"content": [{"type": "refusal", "refusal": "No."}]},
            {"content": {"type": "text", "text": "No."}},
            {"content": {"type": "message", "content": [{"type": "output_text", "text": "No."}]}},
            {"content": {"parts": [{"text": "No."}, {"type": "text", "text": ""}]}},
            {"content": [{"type": "reasoning", "summary": []}, "No."]},
        ],
    )
    def test_answers(self, bank, tmp_path, content):
        entries = {"role": "user", "content": "可以吗？"}, {"role": "assistant", **content}
        assert read(bank, tmp_path, *entries)[0] == [("可以吗？", "No.")]

    def test_deep_nesting_is_no_error(self, bank, tmp_path):
        deep = '{"content": ' * 900 + '"Hi"' + "}" * 900
        inner = '{"messages": [' * 400 + "{}" + "]}" * 400
        (tmp_path / "a.jsonl").write_text(f'{{"role": "user", "content": {deep}}}\n{inner}')
        receipt = bank.import_from(tmp_path / "a.jsonl", user_id="ada", format="jsonl")
        assert (receipt.added, receipt.left_out) == (1, {"unreadable entries": 1})


class TestTimes:
    @pytest.mark.parametrize(
        "times",
        [
            {"date": "2024-05-04", "time": "18:30"},
            {"date": "2024年5月4日", "time": "下午6:30"},
            {"createdAt": "2024-05-04T18:30:00Z"},
            {"time": "18:30", "timestamp": 1714847400},
        ],
    )
    def test_the_first_that_can_be_read(self, bank, tmp_path, times):
        read(bank, tmp_path, {"role": "user", "content": "Hi", **times})
        assert bank.timeline(user_id="ada")[0].created_at == MAY

    def test_one_that_cannot_be_read_is_counted(self, bank, tmp_path):
        turns, left_out = read(
            bank,
            tmp_path,
            {"role": "user", "content": "Hi", "time": "2024-05-04T18:30:00Z"},
            {"role": "user", "content": "Bye", "time": "half past six"},
        )
        assert (len(turns), left_out) == (2, {"unreadable times": 1})

    def test_keys_in_camel_case(self, bank, tmp_path):
        entry = {"role": "user", "content": "Hi", "userId": "ada", "messageId": "7"}
        read(bank, tmp_path, {**entry, "conversationId": "c"})
        (memory,) = bank.timeline(user_id="ada")
        assert (memory.id, memory.session) == ("log:c:7", "c")


class TestFiles:
    CHAT = ({"role": "user", "content": "我的猫"}, {"role": "assistant", "content": "Cute!"})

    @pytest.mark.parametrize("packing", ["zip", "folder"])
    def test_a_plain_file_in_an_archive_of_macos(self, bank, tmp_path, packing):
        members = {
            "__MACOSX/chat/._chat.json": b"\0\5\26\7",
            "chat/._chat.json": b"\0\5\26\7",
            "chat/settings.json": b'{"theme": "dark"}',
            "chat/chat.json": json.dumps(self.CHAT).encode(),
        }
        if packing == "zip":
            with zipfile.ZipFile(tmp_path / "chat.zip", "w") as archive:
                for name, data in members.items():
                    archive.writestr(name, data)
            path = tmp_path / "chat.zip"
        else:
            path = tmp_path / "unpacked"
            for name, data in members.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(data)
        receipt = bank.import_from(path, user_id="ada")
        assert (receipt.added, receipt.left_out) == (1, {"files without messages": 1})

    @pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-be"])
    @pytest.mark.parametrize("format", [None, "jsonl"])
    def test_another_encoding_is_a_clear_error(self, bank, tmp_path, encoding, format):
        (tmp_path / "a.jsonl").write_bytes(lines(*self.CHAT).encode(encoding))
        with pytest.raises(FormatError, match="is not UTF-8: convert the file"):
            bank.import_from(tmp_path / "a.jsonl", user_id="ada", format=format)

    def test_a_damaged_line_is_a_fault_and_never_garbage(self, bank, tmp_path):
        good = lines({"role": "user", "content": "我的猫叫花椒，它很喜欢大提琴。"})
        bad = lines(*self.CHAT).encode().replace("猫".encode(), "猫".encode()[:-1])
        (tmp_path / "a.jsonl").write_bytes(good.encode() + b"\n" + bad)
        receipt = bank.import_from(tmp_path / "a.jsonl", user_id="ada")
        assert receipt.left_out == {"unreadable entries": 1}
        assert "it is not UTF-8" in receipt.faults[0]
        assert all("\ufffd" not in memory.text for memory in bank.timeline(user_id="ada"))

    @pytest.mark.parametrize("indent", [None, 2])
    @pytest.mark.parametrize("last", [False, True])
    def test_a_conversation_is_the_same_in_any_notation(self, bank, tmp_path, indent, last):
        outer = {"id": "c1", "user_id": "ada", "created_at": "2024-05-04T18:30:00Z"}
        messages = {"messages": list(self.CHAT)}
        data = {**messages, **outer} if last else {**outer, **messages}
        (tmp_path / "a.json").write_text(json.dumps(data, indent=indent))
        bank.import_from(tmp_path / "a.json")
        (memory,) = bank.timeline(user_id="ada")
        assert (memory.session, memory.created_at, memory.turn.response) == ("c1", MAY, "Cute!")

    def test_several_objects_on_several_lines_are_an_error(self, bank, tmp_path):
        data = [{"user_id": user, "messages": list(self.CHAT)} for user in ("ada", "bob")]
        (tmp_path / "a.json").write_text("\n".join(json.dumps(item, indent=1) for item in data))
        with pytest.raises(FormatError, match=r"jq -c \."):
            bank.import_from(tmp_path / "a.json")

    def test_a_damaged_first_line_hides_nothing(self, bank, tmp_path):
        (tmp_path / "a.jsonl").write_text('{"role": "us\n' + lines(*self.CHAT), encoding="utf-8")
        assert bank.import_from(tmp_path / "a.jsonl", user_id="ada").added == 1
