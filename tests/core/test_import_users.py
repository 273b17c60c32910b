"""Import from sources that name users: nobody's turns become another's memory."""

import json

import pytest

from memorybank_core import ConfigurationError, FormatError, MemoryBank


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "bank.db"
    with MemoryBank.open(path, embedder="hashing") as bank:
        yield bank


@pytest.fixture
def bank(shared):
    yield shared
    for user in shared.users():
        shared.delete(user_id=user)


def write_lines(path, *entries):
    path.write_text(
        "\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries), encoding="utf-8"
    )
    return path


def turns(bank, user="ada"):
    return [(m.turn.query, m.turn.response) for m in bank.timeline(user_id=user)]


def question(text, user=None, session=None):
    return {"role": "user", "content": text, "user_id": user, "session": session}


def answer(text, session=None):
    return {"role": "assistant", "content": text, "session": session}


class TestAnswersWithoutAUser:
    SESSIONS = (
        question("Where is my cello?", "ada", "s1"),
        question("What is my PIN?", "bob", "s2"),
        answer("In the hall.", "s1"),
        answer("Your PIN is 4711, Bob.", "s2"),
    )

    def test_they_are_of_the_user_of_their_session(self, bank, tmp_path):
        file = write_lines(tmp_path / "a.jsonl", *self.SESSIONS)
        bank.import_from(file, user_id="ada")
        assert turns(bank) == [("Where is my cello?", "In the hall.")]
        bank.import_from(file)
        assert turns(bank, "bob") == [("What is my PIN?", "Your PIN is 4711, Bob.")]

    def test_without_a_session_they_are_of_the_last_message(self, bank, tmp_path):
        file = write_lines(
            tmp_path / "a.jsonl",
            question("我的大提琴在哪里？", "ada"),
            answer("在走廊里。"),
            question("What is my PIN?", "bob"),
            answer("4711"),
            question("And whose question is this?"),
            answer("I do not know."),
        )
        receipt = bank.import_from(file, user_id="ada")
        assert turns(bank) == [("我的大提琴在哪里？", "在走廊里。")]
        assert receipt.left_out == {"turns that are not selected": 1, "turns without a user": 1}

    @pytest.mark.parametrize("indent", [None, 1])
    def test_messages_in_a_conversation(self, bank, tmp_path, indent):
        data = {
            "messages": [question("Hi", "ada"), answer("Hello, Ada")],
            "id": "c1",
            "created_at": "2024-05-04T18:30:00Z",
        }
        (tmp_path / "a.json").write_text(json.dumps(data, indent=indent))
        bank.import_from(tmp_path / "a.json")
        (memory,) = bank.timeline(user_id="ada")
        assert (memory.turn.response, memory.session) == ("Hello, Ada", "c1")

    def test_they_are_of_nobody_if_a_later_turn_names_a_user(self, bank, tmp_path):
        pair = {"query": "My PIN?", "response": "4711"}
        file = write_lines(tmp_path / "a.jsonl", pair, {**pair, "query": "Hi", "user_id": "ada"})
        assert bank.import_from(file, user_id="ada").left_out == {"turns without a user": 1}
        assert bank.import_from(file, user_id="bob@x", select=["ada"]).added == 1
        assert bank.users() == ["ada", "bob@x"]


class TestMem0:
    @staticmethod
    def export(path, *, before=0, after=0):
        own = {"memory": "Plays the cello", "user_id": "ada"}
        memories = [{**own, "id": f"m{number}"} for number in range(before + after)]
        memories.insert(before, {"id": "agent", "memory": "Answers shortly", "agent_id": "coder"})
        path.write_text(json.dumps({"results": memories}))
        return path

    @pytest.mark.parametrize(("before", "after"), [(300, 5), (0, 1)])
    def test_a_memory_of_no_user_does_not_stop_the_import(self, bank, tmp_path, before, after):
        file = self.export(tmp_path / "m.json", before=before, after=after)
        receipt = bank.import_from(file, dry_run=True)
        assert (receipt.added, receipt.users) == (before + after, ("ada",))
        assert receipt.left_out == {"turns without a user": 1}

    def test_it_becomes_nobody_s(self, bank, tmp_path):
        file = self.export(tmp_path / "m.json", after=1)
        assert bank.import_from(file, user_id="ada").added == 1
        bank.import_from(file, user_id="ada", select=["coder"])  # unless it is asked for
        assert sorted(turns(bank)) == [("Answers shortly", ""), ("Plays the cello", "")]

    def test_without_any_user_one_is_needed(self, bank, tmp_path):
        file = self.export(tmp_path / "m.json")
        with pytest.raises(ConfigurationError, match=r"whose memories .* or user_id=\.$"):
            bank.import_from(file)
        assert bank.import_from(file, user_id="ada").added == 1

    def test_a_user_that_cannot_be_stored_is_a_fault(self, bank, tmp_path):
        data = [{"id": "1", "memory": "x", "user_id": "a\0"}, {"memory": "y", "user_id": "ada"}]
        file = write_lines(tmp_path / "m.jsonl", *data)
        receipt = bank.import_from(file, dry_run=True)
        assert receipt.left_out == {"turns of users that cannot be stored": 1}
        assert (receipt.added, len(receipt.faults)) == (1, 1)


@pytest.mark.parametrize("format", ["langgraph", "claude", "letta", "cogx", "graphiti"])
def test_another_format_than_the_named_one_is_an_error(bank, tmp_path, format):
    node = {"id": "q", "parent": None, "message": {"author": {"role": "user"}, "content": {}}}
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps([{"mapping": {"q": node}, "current_node": "q"}]))
    with pytest.raises(FormatError, match=f"nothing in the format '{format}'.*leave out --from"):
        bank.import_from(file, user_id="ada", format=format)


def test_an_empty_source_of_the_named_format_is_no_error(bank, tmp_path):
    file = write_lines(tmp_path / "a.jsonl", {"role": "system", "content": "Be kind."})
    receipt = bank.import_from(file, user_id="ada", format="jsonl")
    assert (receipt.added, receipt.left_out) == (0, {"system messages": 1})


def test_a_source_without_parts_says_so(bank, tmp_path):
    file = write_lines(tmp_path / "a.jsonl", question("Hi"))
    with pytest.raises(ConfigurationError, match="no users, sessions or namespaces: leave out"):
        bank.import_from(file, user_id="ada", select=["zz"])
