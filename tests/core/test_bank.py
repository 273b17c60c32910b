"""The methods of a bank, end to end on a real file."""

import copy
import inspect
import pickle
from datetime import date, datetime, timedelta, timezone

import pytest

from memorybank_core import (
    ConflictError,
    Ebbinghaus,
    HashingEmbedder,
    InvalidInputError,
    Memory,
    MemoryBank,
    Turn,
)

USER = "alice@example.com"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
DAY = timedelta(days=1)
TALK = [
    Turn("My sister Nora plays the cello.", "How lovely!", MONDAY, id="cello"),
    Turn("I had tomato soup for lunch.", "Sounds warming.", MONDAY + DAY / 24, id="soup"),
    Turn("我的猫叫花椒。", "好可爱的名字！", MONDAY + DAY, id="cat"),
    Turn("The train to Bergen leaves on Friday.", "Safe travels!", MONDAY + 2 * DAY, id="train"),
]


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add(TALK, user_id=USER)
        yield bank


def ids(results):
    return [result.memory.id for result in results]


def test_a_search_finds_the_turn_in_either_language_and_writes_nothing(bank):
    before = bank.timeline(user_id=USER)
    assert ids(bank.search("Who plays the cello?", user_id=USER, k=1)) == ["cello"]
    assert ids(bank.search("猫叫什么名字", user_id=USER, k=1)) == ["cat"]
    assert bank.timeline(user_id=USER) == before


def test_a_result_has_score_parts_and_retention(bank):
    results = bank.search("cello", user_id=USER, now=MONDAY + 5 * DAY)
    for result in results:
        assert result.score == pytest.approx(result.parts.total)
    assert results[0].retention == pytest.approx(Ebbinghaus().retention(5, 1))
    assert [result.score for result in results] == sorted(
        (result.score for result in results), reverse=True
    )


def test_repeated_searches_return_the_same_results(bank):
    now = MONDAY + 3 * DAY
    assert bank.search("soup", user_id=USER, now=now) == bank.search("soup", user_id=USER, now=now)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("What happened on March 5th?", "cat"),
        ("3月5号我说了什么？", "cat"),
        ("What did I say yesterday?", "train"),
        ("What did we talk about in our first conversation?", "cello"),
        ("上周三怎么样", "train"),
    ],
)
def test_memories_of_a_day_named_in_the_question_rank_first(bank, question, first):
    now = MONDAY + (3 if "yesterday" in question else 9) * DAY
    results = bank.search(question, user_id=USER, k=2, now=now)
    assert first in ids(results)
    assert results[0].parts.date > 0


def test_filters_restrict_a_search(bank):
    def ids_matching(**filters):
        return set(ids(bank.search("the", user_id=USER, k=9, **filters)))

    assert ids_matching(since=date(2024, 3, 5)) == {"cat", "train"}
    assert ids_matching(until=date(2024, 3, 4)) == {"cello", "soup"}
    assert ids_matching(session="2024-03-05") == {"cat"}
    assert ids_matching(kind="event") == set()


def test_days_are_calendar_days_in_the_time_zone_of_the_bank(tmp_path):
    late = datetime(2024, 3, 4, 17, 30, tzinfo=timezone.utc)
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing", timezone="Asia/Shanghai") as bank:
        bank.add([Turn("晚安", "晚安！", late)], user_id=USER)
        assert bank.timeline(user_id=USER)[0].day == date(2024, 3, 5)
        assert bank.timeline(user_id=USER)[0].created_at == late


def test_adding_the_same_turns_again_changes_nothing(bank):
    again = bank.add(TALK, user_id=USER)
    assert (again.added, again.unchanged) == (0, 4)
    assert len(bank.timeline(user_id=USER)) == 4


def test_ids_are_derived_from_content_and_time(tmp_path):
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing") as bank:
        turn = Turn("ok", "ok", MONDAY)
        first = bank.add([turn, turn], user_id=USER)
        assert first.added == len(set(first.ids)) == 2
        assert bank.add([turn, turn], user_id=USER).ids == first.ids
        assert bank.stats(user_id=USER).memories == 2


def test_a_stored_id_with_another_text_is_a_conflict_unless_replaced(bank):
    bank.reinforce(["soup"], user_id=USER, now=MONDAY + DAY)
    other = Turn("I had onion soup.", "Oh!", MONDAY, id="soup")
    with pytest.raises(ConflictError, match="'soup'"):
        bank.add([other], user_id=USER)
    assert bank.add([other], user_id=USER, replace=True).replaced == 1
    memory = next(m for m in bank.timeline(user_id=USER) if m.id == "soup")
    assert memory.turn.query == "I had onion soup."
    assert (memory.strength, memory.recalls) == (2.0, 1)
    assert ids(bank.search("onion", user_id=USER, k=1)) == ["soup"]


def test_a_search_finds_a_long_turn_by_its_end(tmp_path):
    rambling = " ".join(f"Then we walked past house number {i} and talked." for i in range(120))
    long = Turn(f"{rambling} The password is periwinkle.", "Noted.", MONDAY, id="long")
    embedder = HashingEmbedder(512)
    with MemoryBank.open(tmp_path / "a.db", embedder=embedder) as bank:
        bank.add([long, *TALK], user_id=USER)
        results = bank.search("periwinkle password", user_id=USER, k=1)
    assert ids(results) == ["long"]
    (single,) = embedder.embed_documents([long.text])
    assert results[0].cosine > 3 * (single @ embedder.embed_query("periwinkle password"))


def test_a_long_turn_does_not_displace_the_others(tmp_path):
    long = Turn("cello " * 30_000, "", MONDAY, id="long")
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing") as bank:
        bank.add([long, *TALK], user_id=USER)
        assert len(bank.search("cello", user_id=USER, k=5)) == 5


def test_a_memory_is_strengthened_once_per_turn(bank):
    results = bank.search("cello", user_id=USER, k=1)
    later = MONDAY + 3 * DAY
    assert bank.reinforce(results + results, user_id=USER, now=later, turn="t1") == 1
    assert bank.reinforce(results, user_id=USER, now=later + DAY, turn="t1") == 0
    assert bank.reinforce(results, user_id=USER, now=later + DAY, turn="t2") == 1
    memory = bank.search("cello", user_id=USER, k=1)[0].memory
    assert (memory.strength, memory.recalls) == (3.0, 2)
    assert memory.last_recalled_at == later + DAY
    assert bank.recalls("cello", user_id=USER) == [later, later + DAY]


def test_forget_archives_faded_memories_and_restore_undoes_it(bank):
    bank.reinforce(["cello"], user_id=USER, now=MONDAY + 2 * DAY)
    now = MONDAY + 20 * DAY
    preview = bank.forget(user_id=USER, now=now, dry_run=True)
    assert [fading.memory.id for fading in preview.forgotten] == ["soup", "cat", "train"]
    assert len(bank.timeline(user_id=USER)) == 4
    report = bank.forget(user_id=USER, now=now)
    assert (report.forgotten, report.kept) == (preview.forgotten, 1)
    assert ids(bank.search("soup", user_id=USER)) == ["cello"]
    assert "soup" in ids(bank.search("soup", user_id=USER, archived=True))
    assert bank.restore(["soup"], user_id=USER, now=now) == 1
    assert ids(bank.search("soup", user_id=USER, k=1)) == ["soup"]
    assert bank.forget(user_id=USER, now=now).forgotten == ()


def test_archive_skips_pinned_memories(bank):
    bank.pin(["cello"], user_id=USER)
    now = MONDAY + DAY
    assert bank.archive(["soup", "cello", "unknown"], user_id=USER, now=now) == 1
    assert {memory.id for memory in bank.timeline(user_id=USER)} == {"cello", "cat", "train"}
    (soup,) = bank.get(["soup"], user_id=USER).values()
    assert soup.archived_at == now
    assert bank.archive([soup], user_id=USER) == 0
    assert bank.restore([soup], user_id=USER) == 1


def test_get_returns_memories_by_id(bank):
    bank.add([Turn("Hello", "", MONDAY, id="hello")], user_id="bob")
    bank.archive(["soup"], user_id=USER)
    memories = bank.get(["train", "unknown", "soup", "hello", "train"], user_id=USER)
    assert list(memories) == ["train", "soup"]
    assert memories["train"].turn.query == "The train to Bergen leaves on Friday."
    assert bank.get([], user_id=USER) == {}
    with pytest.raises(InvalidInputError, match="user_id"):
        bank.get(["train"], user_id="")
    with pytest.raises(InvalidInputError, match="list of ids"):
        bank.get("train", user_id=USER)


def test_pinned_memories_do_not_fade_until_unpinned(bank):
    assert bank.pin(["soup"], user_id=USER) == 1
    now = MONDAY + 400 * DAY
    assert bank.search("soup", user_id=USER, k=1, now=now)[0].retention == 1.0
    assert bank.forget(user_id=USER, now=now).kept == 1
    (kept,) = bank.timeline(user_id=USER)
    assert (kept.id, kept.pinned) == ("soup", True)
    assert bank.forget(user_id=USER, now=now, threshold=1.0, seed=1).forgotten == ()
    assert bank.forecast(now, user_id=USER) == []
    assert bank.unpin([kept], user_id=USER, now=now) == 1
    assert bank.forget(user_id=USER, now=now).forgotten == ()
    assert bank.forget(user_id=USER, now=now + 16 * DAY).kept == 0


def test_forget_uses_the_retention_that_search_reports(bank):
    now = MONDAY + 7 * DAY
    retentions = {r.memory.id: r.retention for r in bank.search("the", user_id=USER, k=9, now=now)}
    report = bank.forget(user_id=USER, now=now, threshold=1.0, dry_run=True)
    assert {f.memory.id: f.retention for f in report.forgotten} == pytest.approx(retentions)


def test_random_forgetting_is_determined_by_the_seed(bank):
    now = MONDAY + 4 * DAY
    first = bank.forget(user_id=USER, now=now, seed=1, dry_run=True)
    assert first == bank.forget(user_id=USER, now=now, seed=1, dry_run=True)
    outcomes = {bank.forget(user_id=USER, now=now, seed=s, dry_run=True).kept for s in range(20)}
    assert len(outcomes) > 1


def test_a_forecast_has_the_time_of_fading(bank):
    forecast = bank.forecast(MONDAY + 16 * DAY, user_id=USER)
    assert [fading.memory.id for fading in forecast] == ["cello", "soup", "cat"]
    assert forecast[0].fades_at.date() == date(2024, 3, 19)
    assert bank.forget(user_id=USER, now=forecast[0].fades_at - DAY, dry_run=True).forgotten == ()


def test_deleted_memories_are_counted_and_not_found(bank):
    receipt = bank.delete(user_id=USER, ids=["cello", "unknown"])
    assert (receipt.memories, receipt.vectors, receipt.remaining) == (1, 1, 3)
    assert "cello" not in ids(bank.search("cello", user_id=USER))
    assert bank.delete(user_id=USER, day=date(2024, 3, 5)).memories == 1
    assert bank.delete(user_id=USER).memories == 2
    assert bank.search("soup", user_id=USER) == []
    assert bank.users() == []


def test_a_memory_of_another_user_is_rejected(bank):
    bank.add(TALK, user_id="bob")
    results = bank.search("cello", user_id="bob")
    with pytest.raises(InvalidInputError, match="belongs to 'bob'"):
        bank.reinforce(results, user_id=USER)
    with pytest.raises(InvalidInputError, match="belongs to 'bob'"):
        bank.add_memories([results[0].memory], user_id=USER)


def test_events_are_searched_as_memories(bank):
    event = Memory("e", USER, "event", "Alice spoke of music.", MONDAY, MONDAY.date(), "2024-03-04")
    bank.add_memories([event], user_id=USER)
    assert ids(bank.search("music", user_id=USER, k=1)) == ["e"]
    assert ids(bank.search("music", user_id=USER, kind="event")) == ["e"]
    bank.delete(user_id=USER, ids=["cello"])
    assert ids(bank.search("music", user_id=USER, kind="event")) == []


def test_a_profile_is_stored(bank):
    bank.set_profile({"name": "Alice", "hobbies": ["音乐"]}, user_id=USER)
    assert bank.profile(user_id=USER) == {"name": "Alice", "hobbies": ["音乐"]}
    assert bank.profile(user_id="unknown") == {}


def test_a_reopened_bank_has_the_same_memories_and_embedder(tmp_path, bank):
    bank.reinforce(["cat"], user_id=USER, now=MONDAY + DAY)
    before = bank.timeline(user_id=USER)
    bank.close()
    with MemoryBank.open(tmp_path / "friend.db") as again:
        assert again.embedder.name == "hashing"
        assert again.timeline(user_id=USER) == before
        assert ids(again.search("cello", user_id=USER, k=1)) == ["cello"]


def test_stats_count_memories(bank):
    bank.add(TALK[:1], user_id="bob")
    bank.reinforce(["cello"], user_id=USER)
    stats = bank.stats()
    assert (stats.users, stats.memories, stats.recalls, stats.archived) == (2, 5, 1, 0)
    assert (stats.first_day, stats.last_day) == (date(2024, 3, 4), date(2024, 3, 6))
    assert bank.stats(user_id="bob").memories == 1
    assert bank.stats(user_id="unknown").memories == 0


def test_the_cache_stays_within_its_budget(tmp_path):
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing", cache_bytes=120_000) as bank:
        for number in range(12):
            bank.add(TALK * 1, user_id=f"user-{number}")
            bank.add([Turn(f"note {i}", "", MONDAY) for i in range(6)], user_id=f"user-{number}")
        for number in range(12):
            assert bank.search("cello", user_id=f"user-{number}", k=1)[0].memory.id == "cello"
            assert bank.store.cache_nbytes <= 120_000


def test_methods_are_named_after_the_class_that_help_shows():
    methods = dict(inspect.getmembers(MemoryBank, inspect.isfunction))
    names = {name: method.__qualname__ for name, method in methods.items() if name[0] != "_"}
    assert names == {name: f"MemoryBank.{name}" for name in names}
    assert MemoryBank.asearch.__module__ == MemoryBank.search.__module__ == "memorybank_core.bank"
    assert MemoryBank.__mro__ == (MemoryBank, object)


def test_copies_share_the_bank_and_a_pickle_says_how_to_open_it_again(bank):
    assert copy.copy(bank) is bank
    assert copy.deepcopy({"bank": bank})["bank"] is bank
    with pytest.raises(TypeError, match=r"MemoryBank\.open"):
        pickle.dumps(bank)


def test_fresh_turns_keep_their_time_and_start_to_fade_now(tmp_path):
    now = datetime(2024, 3, 9, tzinfo=timezone.utc)
    old, later = now - timedelta(days=900), now + timedelta(days=1)
    turns = [Turn("I moved.", at=old, id="a"), Turn("I sing.", at=later, id="b")]
    with MemoryBank.open(tmp_path / "fresh.db", embedder="hashing") as bank:
        bank.add(turns, user_id="ada", now=now, fresh=True)
        a, b = bank.timeline(user_id="ada")
        assert (a.created_at, a.refreshed_at, a.recalls, a.strength) == (old, now, 0, 1.0)
        assert (b.refreshed_at, b.last_recalled_at) == (later, None)
        assert bank.recalls("a", user_id="ada") == []
        assert bank.forget(user_id="ada", now=later).forgotten == ()
