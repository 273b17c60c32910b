"""The two halves of a turn: `begin_turn` and `PendingTurn.complete`."""

import asyncio
import json
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import count, product
from threading import Thread

import pytest

from memorybank_core import (
    ConflictError,
    HashingEmbedder,
    InvalidInputError,
    MemoryBank,
    StoreBusyError,
    StoreUnavailableError,
    Turn,
)
from memorybank_core.turns import backlog
from memorybank_core.turns.same_turn import RETRY_WINDOW

ADA = "ada@example.com"
NOW = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        yield bank


def fact(bank, text="My sister Nora plays the cello.", days=20, id="fact"):
    bank.add([Turn(text, "Lovely!", NOW - timedelta(days=days), id)], user_id=ADA)


def turns(bank):
    return [(memory.turn.query, memory.turn.response) for memory in bank.timeline(user_id=ADA)]


QUESTION = "Which instrument does my sister Nora play?"


def test_a_turn_recalls_first_and_strengthens_after_its_answer(bank):
    fact(bank)
    turn = bank.begin_turn(QUESTION, user_id=ADA, session="s", now=NOW)
    assert turn.context.ids == ("fact",)
    assert turns(bank)[-1] == (QUESTION, "")
    assert bank.recalls("fact", user_id=ADA) == []
    receipt = turn.complete("The cello.", now=NOW)
    assert (receipt.ids, receipt.replaced) == ((turn.id,), 1)
    assert turns(bank)[-1] == (QUESTION, "The cello.")
    assert bank.recalls("fact", user_id=ADA) == [NOW]
    [stored] = bank.get([turn.id], user_id=ADA).values()
    assert (stored.created_at, stored.session) == (NOW, "s")


def test_both_halves_can_be_repeated(bank):
    fact(bank)
    first = bank.begin_turn(QUESTION, user_id=ADA, now=NOW)
    second = bank.begin_turn(QUESTION, user_id=ADA, now=NOW + timedelta(minutes=1))
    assert (second.id, second.at, second.context.ids) == (first.id, NOW, ("fact",))
    assert second.complete("The cello.").replaced == 1
    assert first.complete("The cello.").unchanged == second.complete("The cello.").unchanged == 1
    assert len(turns(bank)) == 2
    assert len(bank.recalls("fact", user_id=ADA)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"session": "other"},
        {"query": "Which instrument does my brother play?"},
        {"now": NOW + RETRY_WINDOW + timedelta(seconds=1)},
        {"now": NOW - timedelta(seconds=1)},
        {"metadata": {"agent": "coder"}},
        {"user_id": "bob"},
    ],
)
def test_another_message_is_not_a_retry(bank, other):
    first = bank.begin_turn(QUESTION, user_id=ADA, session="s", now=NOW)
    options = {"query": QUESTION, "user_id": ADA, "session": "s", "now": NOW} | other
    assert bank.begin_turn(**options).id != first.id


def test_an_answered_message_is_not_retried(bank):
    first = bank.begin_turn("Hello", user_id=ADA, now=NOW)
    first.complete("Hi!")
    assert bank.begin_turn("Hello", user_id=ADA, now=NOW).id != first.id


def test_two_writers_that_ask_the_same_keep_both_answers(bank):
    one = bank.begin_turn(QUESTION, user_id=ADA, now=NOW)
    two = bank.begin_turn(QUESTION, user_id=ADA, now=NOW)
    one.complete("The cello.")
    for _ in range(2):
        two.complete("Nora plays the cello.")
    one.complete("The cello.")
    assert turns(bank) == [(QUESTION, "The cello."), (QUESTION, "Nora plays the cello.")]


def test_the_callers_id_replaces_edited_messages_and_other_answers(bank):
    turn = bank.begin_turn("Where is Nroa?", user_id=ADA, id="m1", now=NOW)
    turn.complete("Who?")
    replayed = bank.begin_turn("Where is Nroa?", user_id=ADA, id="m1", now=NOW + timedelta(days=1))
    assert replayed.at == NOW
    assert turns(bank) == [("Where is Nroa?", "Who?")]
    replayed.complete("Do you mean Nora?")
    assert turns(bank) == [("Where is Nroa?", "Do you mean Nora?")]
    edited = bank.begin_turn("Where is Nora?", user_id=ADA, id="m1", now=NOW)
    assert turns(bank) == [("Where is Nora?", "")]
    edited.complete("In Oslo.")
    assert turns(bank) == [("Where is Nora?", "In Oslo.")]


def test_an_id_that_changes_with_each_attempt_does_not_store_a_message_twice(bank):
    options = {"user_id": ADA, "session": "s", "id_is_stable": False}
    first = bank.begin_turn("Where is Nroa?", id="a", now=NOW, **options)
    retry = bank.begin_turn("Where is Nroa?", id="b", now=NOW + timedelta(minutes=1), **options)
    assert (first.id, retry.id, retry.at) == ("a", "a", NOW)
    retry.complete("Who?")
    edited = bank.begin_turn("Where is Nora?", id="a", now=NOW + timedelta(days=1), **options)
    assert (edited.id, edited.at, edited.is_identified) == ("a", NOW, True)
    edited.complete("In Oslo.")
    assert bank.begin_turn("Where is Nora?", id="c", now=NOW, **options).id == "c"
    assert turns(bank) == [("Where is Nora?", "In Oslo."), ("Where is Nora?", "")]


def test_an_edit_before_the_answer_is_kept(bank):
    turn = bank.begin_turn("My PIN is 1234.", user_id=ADA, now=NOW)
    turn.complete("Noted.", query="My PIN is [removed].")
    assert turns(bank) == [("My PIN is [removed].", "Noted.")]


def test_a_message_that_was_deleted_stays_deleted(bank):
    fact(bank)
    turn = bank.begin_turn(QUESTION, user_id=ADA, now=NOW)
    bank.delete(user_id=ADA, ids=[turn.id])
    assert turn.complete("The cello.").ids == ()
    assert turns(bank) == [("My sister Nora plays the cello.", "Lovely!")]


def test_an_answer_that_another_process_stores_meanwhile_is_not_overwritten(bank, monkeypatch):
    turn = bank.begin_turn(QUESTION, user_id=ADA, now=NOW)
    add, other = bank.store.add, iter([Turn(QUESTION, "The cello.", NOW, turn.id)])

    def add_after_another(*args, **kwargs):
        for stored in other:
            bank.add([stored], user_id=ADA, replace=True)
        add(*args, **kwargs)

    monkeypatch.setattr(bank.store, "add", add_after_another)
    turn.complete("A violin?")
    assert turns(bank) == [(QUESTION, "The cello."), (QUESTION, "A violin?")]


def test_a_turn_that_others_change_all_the_time_raises_in_the_end(bank, monkeypatch):
    turn = bank.begin_turn(QUESTION, user_id=ADA, now=NOW)
    add, answers = bank.store.add, count()

    def add_after_another(*args, **kwargs):
        monkeypatch.setattr(bank.store, "add", add)
        other = Turn(f"{QUESTION} {next(answers)}", "", NOW, turn.id)
        bank.add([other], user_id=ADA, replace=True)
        monkeypatch.setattr(bank.store, "add", add_after_another)
        add(*args, **kwargs)

    monkeypatch.setattr(bank.store, "add", add_after_another)
    with pytest.raises(ConflictError):
        turn.complete("The cello.")


def test_what_the_prompt_shows_is_not_recalled(bank):
    fact(bank)
    fact(bank, "Nora bought a new bow for her cello.", days=3, id="bow")
    fact(bank, "Nora rehearses on Mondays.", days=2, id="mondays")
    shown = [
        "mondays",
        {"role": "user", "content": [{"text": "Nora bought a new bow for her cello. "}]},
        {"role": "assistant", "content": "Lovely!"},
    ]
    recalled = bank.begin_turn(QUESTION, user_id=ADA, shown=shown, now=NOW).context.ids
    assert recalled == ("fact",)
    with_answer = [shown[1], {"role": "assistant", "content": "Another answer."}]
    assert "bow" in bank.context(QUESTION, user_id=ADA, without=with_answer, now=NOW).ids
    with pytest.raises(InvalidInputError, match="'content'"):
        bank.context(QUESTION, user_id=ADA, without=[("user", "hi")])
    with pytest.raises(InvalidInputError, match="list of ids or messages"):
        bank.context(QUESTION, user_id=ADA, without="mondays")


def test_between_its_halves_a_turn_is_plain_json(bank):
    fact(bank)
    turn = bank.begin_turn(QUESTION, user_id=ADA, metadata={"agent": "coder"}, now=NOW)
    data = json.loads(json.dumps(turn.to_dict()))
    assert "cello" not in json.dumps(data)
    resumed = bank.resume_turn(data)
    assert resumed.to_dict() == turn.to_dict()
    assert resumed.complete("The cello.").replaced == 1
    assert len(bank.recalls("fact", user_id=ADA)) == 1
    assert bank.timeline(user_id=ADA, where={"agent": "coder"})[-1].turn.response == "The cello."
    for broken in ({}, data | {"at": "yesterday"}, data | {"user_id": ""}):
        with pytest.raises(InvalidInputError):
            bank.resume_turn(broken)


def test_nothing_is_written_without_remember(bank):
    fact(bank)
    turn = bank.begin_turn(QUESTION, user_id=ADA, remember=False, now=NOW)
    assert turn.context.ids == ("fact",)
    assert turn.complete("The cello.").ids == ()
    assert len(turns(bank)) == 1
    assert bank.recalls("fact", user_id=ADA) == []


def test_the_message_can_be_stored_with_its_answer(bank):
    turn = bank.begin_turn("I moved to Oslo.", user_id=ADA, pending=False, now=NOW)
    assert turns(bank) == []
    for _ in range(2):
        turn.complete("Welcome!")
    assert turns(bank) == [("I moved to Oslo.", "Welcome!")]


def test_an_answer_to_a_stored_turn_keeps_its_time_and_its_speakers(bank):
    at = NOW - timedelta(days=20)
    bank.add([Turn("我搬到了奥斯陆。", "真好！", at, "t", "s", "小林", "伙伴")], user_id=ADA)
    bank.pin(["t"], user_id=ADA)
    before = bank.get(["t"], user_id=ADA)["t"]
    turn = bank.begin_turn(
        before.turn.query, user_id=ADA, session="s", id="t", pending=False, now=NOW
    )
    assert bank.get(["t"], user_id=ADA)["t"] == before
    turn.complete("恭喜！", now=NOW)
    after = bank.get(["t"], user_id=ADA)["t"]
    assert after.turn == replace(before.turn, response="恭喜！")
    assert (after.day, after.pinned, after.strength) == (before.day, True, before.strength)


def test_the_message_can_be_stored_after_the_recall(bank):
    fact(bank)
    turn = bank.begin_turn(QUESTION, user_id=ADA, now=NOW, pending=False)
    for _ in range(2):
        stored = turn.store_message()
    assert turns(bank)[1:] == [(QUESTION, "")]
    assert (stored.context.ids, stored.is_stored) == (("fact",), True)
    stored.complete("The cello.")
    assert turns(bank)[1:] == [(QUESTION, "The cello.")]
    asked_only = bank.begin_turn(QUESTION, user_id=ADA, remember=False).store_message()
    assert not asked_only.is_stored
    assert len(turns(bank)) == 2


def test_a_turn_that_another_writer_stored_meanwhile_is_kept_once(bank):
    fact(bank)
    for at in (NOW, NOW + timedelta(minutes=1)):  # asked twice, each time by two writers
        turn = bank.begin_turn(QUESTION, user_id=ADA, pending=False, now=at)
        bank.add([Turn(QUESTION, "The cello.", at + timedelta(seconds=1))], user_id=ADA)
        assert turn.complete("The cello.", now=at).unchanged == 1
    assert turns(bank)[1:] == [(QUESTION, "The cello.")] * 2
    assert bank.recalls("fact", user_id=ADA)


def test_an_answer_that_goes_on_replaces_its_beginning(bank):
    turn = bank.begin_turn(QUESTION, user_id=ADA, now=NOW)
    turn.complete("The")
    turn.complete("The cello.")
    assert turns(bank) == [(QUESTION, "The cello.")]


def test_a_message_without_text_stores_only_its_answer(bank):
    turn = bank.begin_turn("", user_id=ADA, now=NOW)
    assert turns(bank) == []
    turn.complete("A photo of a cello.")
    assert turns(bank) == [("", "A photo of a cello.")]


def test_an_empty_answer_leaves_the_message(bank):
    fact(bank)
    bank.begin_turn(QUESTION, user_id=ADA, now=NOW).complete(" ", now=NOW)
    assert turns(bank)[-1] == (QUESTION, "")
    assert bank.recalls("fact", user_id=ADA) == [NOW]


def test_recalled_text_is_never_stored(bank):
    fact(bank)
    block = bank.context(QUESTION, user_id=ADA, now=NOW).text
    turn = bank.begin_turn(f"{QUESTION}\n\n{block}", user_id=ADA, now=NOW)
    turn.complete(f"{block}\n\nThe cello.")
    assert turns(bank)[-1] == (QUESTION, "The cello.")


def test_arguments_are_checked(bank):
    for wrong in ({"user_id": ""}, {"query": None}, {"k": 0}, {"metadata": {1: 2}}):
        with pytest.raises(InvalidInputError):
            bank.begin_turn(**{"query": "Hi", "user_id": ADA, **wrong})
    with pytest.raises(InvalidInputError, match="string, not dict"):
        bank.begin_turn("Hi", user_id=ADA).complete({"text": "Hi"})


def test_async_twins(bank):
    async def take_turn():
        turn = await bank.abegin_turn("I moved to Oslo.", user_id=ADA, now=NOW)
        await turn.acomplete("Welcome!")

    asyncio.run(take_turn())
    assert turns(bank) == [("I moved to Oslo.", "Welcome!")]


GREETINGS = ["Hello!", "Good morning", "How are you?", "你好！", "谢谢", "晚安"]


def test_talk_that_asks_nothing_strengthens_little_so_that_it_fades(bank):
    start, step, number_of_turns = NOW - timedelta(days=60), timedelta(hours=4), 300
    words = map("".join, product(*["bdfgklmnprst", "aeiou"] * 2))
    for number in range(number_of_turns):
        query = GREETINGS[number % len(GREETINGS)]
        if number % 3 == 0:
            query = f"Today I saw the {next(words)} and a {next(words)}."
        at = start + number * step
        bank.begin_turn(query, user_id=ADA, now=at).complete("I see.", now=at)
    assert bank.stats(user_id=ADA).recalls < number_of_turns
    faded = bank.forget(user_id=ADA, now=start + number_of_turns * step, dry_run=True).forgotten
    never_recalled = number_of_turns - int(timedelta(days=15) / step)
    assert len(faded) > 0.6 * never_recalled


# If the bank fails


class Outage:
    """A store that fails while `error` is set, and counts the calls that it then gets."""

    def __init__(self, monkeypatch, store):
        self.error, self.calls = None, 0
        for name in ("memories", "known", "candidates", "add", "strengthen", "digests"):
            monkeypatch.setattr(store, name, self._wrap(getattr(store, name)))

    def _wrap(self, method):
        def call(*args, **kwargs):
            if self.error:
                self.calls += 1
                raise self.error
            return method(*args, **kwargs)

        return call


@pytest.fixture
def outage(bank, monkeypatch):
    return Outage(monkeypatch, bank.store)


@pytest.fixture
def failures():
    return []


@pytest.fixture
def tolerant(failures):
    """Options of `begin_turn` for an application that goes on without its memory."""

    def on_failure(action, error):
        failures.append((action, type(error).__name__))

    return {"user_id": ADA, "on_failure": on_failure}


def close_circuit(bank):
    bank.backlog._open_until = 0.0


def test_an_outage_costs_one_call_and_loses_nothing(bank, outage, failures, tolerant):
    fact(bank)
    outage.error = StoreUnavailableError("the server is down")
    turn = bank.begin_turn(QUESTION, now=NOW, **tolerant)
    assert turn.context.text == ""
    assert turn.complete("I do not know.", now=NOW).ids == ()
    later = bank.begin_turn("I moved to Oslo.", now=NOW + timedelta(minutes=1), **tolerant)
    assert outage.calls == 1
    begin = ["recall", "store the user's message"]
    actions = [*begin, "store the turn", *begin]
    assert failures == [(action, "StoreUnavailableError") for action in actions]
    outage.error = None
    close_circuit(bank)
    later.complete("Welcome!", now=NOW)
    assert turns(bank)[1:] == [(QUESTION, "I do not know."), ("I moved to Oslo.", "Welcome!")]
    assert bank.get([turn.id], user_id=ADA)[turn.id].created_at == NOW
    assert len(failures) == 5


def test_a_message_that_waits_is_tried_once_more_with_its_answer(bank, failures, tolerant):
    bank.close()
    bank.begin_turn("I moved to Oslo.", now=NOW, **tolerant).complete("Welcome!")
    actions = [action for action, _ in failures]
    assert actions == ["recall", "store the user's message", "store the turn"]


def test_closing_the_bank_stores_what_waits(tmp_path, monkeypatch, tolerant):
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        outage = Outage(monkeypatch, bank.store)
        outage.error = StoreBusyError("locked")
        bank.begin_turn("I moved to Oslo.", now=NOW, **tolerant)
        outage.error = None
    with MemoryBank.open(tmp_path / "bank.db") as bank:
        assert turns(bank) == [("I moved to Oslo.", "")]


def test_what_is_deleted_in_an_outage_is_not_stored_after_it(bank, outage, tolerant):
    outage.error = StoreUnavailableError("the server is down")
    kept = bank.begin_turn("I moved to Oslo.", id="kept", now=NOW, **tolerant)
    bank.begin_turn("I like jazz.", id="deleted", now=NOW, **tolerant)
    bank.begin_turn("It is my birthday.", now=NOW - timedelta(days=1), **tolerant)
    bank.begin_turn("Hello", now=NOW, **(tolerant | {"user_id": "bob"}))
    outage.error = None
    bank.delete(user_id=ADA, ids=["deleted"])
    bank.delete(user_id=ADA, day=(NOW - timedelta(days=1)).date())
    bank.delete(user_id="bob")
    close_circuit(bank)
    kept.complete("Welcome!")
    assert turns(bank) == [("I moved to Oslo.", "Welcome!")]
    assert bank.users() == [ADA]


def test_turns_beyond_the_limit_are_lost_and_that_is_logged(
    bank, outage, tolerant, monkeypatch, caplog
):
    monkeypatch.setattr(backlog, "MAX_TURNS", 2)
    outage.error = StoreUnavailableError("the server is down")
    for text in ("One", "Two", "Three"):
        bank.begin_turn(text, now=NOW, **tolerant)
    assert "turns not stored: 1 (users: 1)" in caplog.text
    outage.error = None
    close_circuit(bank)
    bank.begin_turn("Four", now=NOW + timedelta(minutes=1), **tolerant)
    assert [query for query, _ in turns(bank)] == ["Two", "Three", "Four"]


def test_a_turn_that_fails_alone_does_not_stop_the_others(bank, failures, tolerant, caplog):
    embed = bank.embedder.embed_documents

    def fail_for_poison(texts):
        if any("poison" in text for text in texts):
            raise ValueError("this text has no vector")
        return embed(texts)

    bank.embedder.embed_documents = fail_for_poison
    bank.begin_turn("Hello", now=NOW, **tolerant).complete("poison")
    for number in range(6):
        bank.begin_turn(f"Turn {number}", now=NOW, **tolerant).complete("Yes.")
    assert len(turns(bank)) == 7
    assert "turns not stored: 1 (users: 1)" in caplog.text
    assert {kind for _, kind in failures} == {"EmbedderError"}


def test_neither_a_tokenizer_nor_a_callback_stops_the_conversation(bank, outage, caplog):
    def fail(*args):
        raise RuntimeError("out of order")

    fact(bank)
    turn = bank.begin_turn(QUESTION, user_id=ADA, tokenizer=fail, on_failure=fail, now=NOW)
    turn.complete("The cello.")
    assert turns(bank)[-1] == (QUESTION, "The cello.")
    assert "on_failure raised" in caplog.text
    with pytest.raises(InvalidInputError, match="out of order"):
        bank.begin_turn(QUESTION, user_id=ADA, tokenizer=fail, now=NOW)


def test_errors_are_raised_without_on_failure(bank, outage):
    outage.error = StoreUnavailableError("the server is down")
    with pytest.raises(StoreUnavailableError):
        bank.begin_turn(QUESTION, user_id=ADA, now=NOW)
    outage.error = None
    assert bank.begin_turn(QUESTION, user_id=ADA, now=NOW).is_stored


def test_a_locked_file_costs_at_most_the_short_wait(bank, tolerant, failures, monkeypatch):
    monkeypatch.setattr(backlog, "MAX_WAIT", 0.05)
    with sqlite3.connect(bank.store.path) as other:
        other.execute("BEGIN IMMEDIATE")
        turn = bank.begin_turn("I moved to Oslo.", now=NOW, **tolerant)
    assert failures == [("store the user's message", "StoreBusyError")]
    close_circuit(bank)
    turn.complete("Welcome!")
    assert turns(bank) == [("I moved to Oslo.", "Welcome!")]


@pytest.mark.parametrize("answer", ["", "  "])
def test_an_answer_without_text_in_an_outage_keeps_the_message(bank, outage, tolerant, answer):
    outage.error = StoreUnavailableError("the server is down")
    bank.begin_turn("My name is Bo.", now=NOW, **tolerant).complete(answer)
    turn = bank.begin_turn("I like jazz.", now=NOW + timedelta(minutes=1), **tolerant)
    turn.complete("Me too!")
    turn.complete(answer)
    outage.error = None
    bank.backlog.close()
    assert turns(bank) == [("My name is Bo.", ""), ("I like jazz.", "Me too!")]


def test_a_retry_in_an_outage_is_the_same_turn(bank, outage, tolerant):
    outage.error = StoreUnavailableError("the server is down")
    begin = partial(bank.begin_turn, "My name is Bo.", now=NOW, session="s", **tolerant)
    first, second, third = begin(), begin(), begin(id="x", id_is_stable=False)
    late = bank.begin_turn(first.query, session="s", now=NOW + 2 * RETRY_WINDOW, **tolerant)
    other = bank.begin_turn(first.query, session="t", now=NOW, **tolerant)
    assert first.id == second.id == third.id
    assert len({first.id, late.id, other.id}) == 3
    assert begin(id="y").id == "y"
    third.complete("Hello Bo!")
    outage.error = None
    bank.backlog.close()
    answers = sorted(response for _, response in turns(bank))
    assert answers == ["", "", "", "Hello Bo!"]


def test_a_replay_in_an_outage_keeps_the_answer_that_waits(bank, outage, tolerant):
    outage.error = StoreUnavailableError("the server is down")
    begin = partial(bank.begin_turn, id="x", now=NOW, **tolerant)
    begin("My name is Bo.").complete("Hello Bo!")
    begin("My name is Bo.")
    begin("I like jazz.", id="y").complete("Me too!")
    begin("I love jazz.", id="y")
    outage.error = None
    bank.backlog.close()
    assert turns(bank) == [("My name is Bo.", "Hello Bo!"), ("I love jazz.", "")]


def test_what_is_deleted_while_it_is_written_after_an_outage_stays_deleted(
    bank, outage, tolerant, monkeypatch
):
    outage.error = StoreUnavailableError("the server is down")
    ids = [bank.begin_turn(text, now=NOW, **tolerant).id for text in ("One", "Two")]
    outage.error = None
    add, deletion = bank.store.add, Thread(target=bank.delete, kwargs={"user_id": ADA, "ids": ids})

    def delete_meanwhile(*args, **options):
        if deletion.ident is None:
            deletion.start()
            deletion.join(0.1)
        return add(*args, **options)

    monkeypatch.setattr(bank.store, "add", delete_meanwhile)
    bank.backlog.close()
    deletion.join()
    assert turns(bank) == []
    assert not bank.backlog.waiting(ADA)
