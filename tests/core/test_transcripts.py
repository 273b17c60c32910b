"""Export as JSON lines, which an import reads back, and as Markdown."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_core.transcripts import iterate_jsonl, iterate_markdown

MAY = datetime(2024, 5, 4, 18, 30, 15, 123456, tzinfo=timezone.utc)
TURNS = [
    Turn(
        "My sister\nplays the cello.", "# How lovely!", at=MAY, metadata={"a": None, "b": ["", 0]}
    ),
    Turn("我的猫叫花椒。", at=MAY, id="x", session="s", user_name="Ada"),
    Turn("", "Good morning!", at=MAY + timedelta(days=1), session="s", companion_name="Bot"),
    Turn("Good morning!", "Hello\0 \u2028there", at=MAY + timedelta(days=1), session="s"),
]


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(
        tmp_path / "bank.db", embedder="hashing", timezone="Asia/Shanghai"
    ) as bank:
        bank.add(TURNS, user_id="ada")
        bank.add([Turn("Hi", at=MAY, metadata={"team": "red"})], user_id="bob b")
        yield bank


def test_lines_and_back(bank, tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text("".join(iterate_jsonl(bank)), encoding="utf-8", newline="\n")
    first = json.loads(file.read_text(encoding="utf-8").split("\n")[0])
    assert (first["role"], first["time"]) == ("user", "2024-05-05T02:30:15.123456+08:00")
    with MemoryBank.open(tmp_path / "other.db", embedder="hashing") as other:
        receipt = other.import_from(file)
        assert (receipt.format, receipt.added, receipt.left_out) == ("jsonl", 5, {})
        for user in bank.users():
            assert [m.turn for m in other.timeline(user_id=user)] == [
                m.turn for m in bank.timeline(user_id=user)
            ]
        assert other.import_from(file).added == 0
    assert bank.import_from(file).unchanged == 5


def test_a_selection(bank):
    (line,) = iterate_jsonl(bank, users=["bob b"], where={"team": "red"})
    assert json.loads(line)["content"] == "Hi"
    assert list(iterate_jsonl(bank, where={"team": "blue"})) == []
    with pytest.raises(InvalidInputError, match="no such users: 'eve'"):
        list(iterate_jsonl(bank, users=["eve"]))


def test_markdown_by_day(bank):
    bank.archive(["x"], user_id="ada")
    bank.summarize(user_id="ada")
    text = "".join(iterate_markdown(bank, users=["ada"]))
    head, *days = text.split("\n## ")
    assert head == "<!-- memorybank -->\n\n# Memories of ada\n"
    assert [day.split("\n")[0] for day in days] == [
        "Portrait",
        "Summary",
        "Sunday, 5 May 2024",
        "Monday, 6 May 2024",
    ]
    said = (
        "\n\n**02:30 User**\n\n> My sister\n> plays the cello.\n"
        "\n**Companion**\n\n> # How lovely!\n"
        "\n**02:30 Ada** (forgotten)\n\n> 我的猫叫花椒。\n"
    )
    assert said in days[2]
    assert "**Summary**\n\n> " in days[2]
    assert "**02:30 Bot**\n\n> Good morning!\n" in days[3]


def test_markdown_in_chinese(bank):
    text = "".join(iterate_markdown(bank, users=["bob b"], language="zh"))
    head = "<!-- memorybank -->\n\n# bob b 的记忆\n"
    assert text == f"{head}\n## 2024年5月5日 星期日\n\n**02:30 用户**\n\n> Hi\n"
    assert "".join(iterate_markdown(bank, where={"team": "red"})).count("\n> ") == 1
