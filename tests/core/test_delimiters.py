"""Ids and scopes that contain the delimiters of others are never taken for those."""

from datetime import datetime, timedelta, timezone
from itertools import combinations

import pytest

from memorybank_core import HashingEmbedder, Memory, MemoryBank, Turn
from memorybank_core.forgetting import is_forgotten
from memorybank_core.stores.item_rows import namespace_of, path_of, path_range
from memorybank_core.testing import FakeLLM

NOON = datetime(2024, 5, 4, 12, tzinfo=timezone.utc)
PAIRS = [("a:b", "c"), ("a", "b:c"), ("a/b", "c"), ("a", "b/c"), ("a\0b", "c"), ("a", "b\0c")]
PAIRS += [("a~1b", "c"), ("a", "b~1c"), ("a\nb", "c"), ("a", "b\nc"), ("a,b", "c"), ("a", "b,c")]


def test_namespaces_have_different_paths():
    paths = {path_of(pair): pair for pair in PAIRS}
    assert len(paths) == len(PAIRS)
    assert all(namespace_of(path) == pair for path, pair in paths.items())
    for one, other in combinations(PAIRS, 2):
        start, end = path_range(one)
        assert not start <= path_of(other) < end


def test_random_forgetting_draws_a_number_for_each_user_and_memory():
    def draw(user_id, id):
        memory = Memory(id, user_id, "event", "x", NOON, NOON.date(), "")
        return tuple(is_forgotten(memory, 0.5, 0.05, seed=seed) for seed in range(64))

    assert len({draw(*pair) for pair in PAIRS}) == len(PAIRS)


@pytest.fixture
def bank(folder):
    with MemoryBank.open(folder / "bank.db", embedder=HashingEmbedder()) as bank:
        yield bank


def test_a_summary_takes_the_id_of_no_turn(bank):
    ids = ["2024-05-04#event", "2024-05-04#event-2", "tea"]
    turns = [Turn(f"I like tea, {id}.", at=NOON, id=id) for id in ids[1:]]
    turns += [Turn("My secret is Zanzibar.", at=NOON - timedelta(days=1), id=ids[0])]
    bank.add(turns, user_id="ada")
    for _ in range(2):
        assert not bank.summarize(user_id="ada", now=NOON).failed
        stored = bank.timeline(user_id="ada")
        assert {memory.id for memory in stored if memory.turn} == {*ids}
        events = [memory.id for memory in stored if memory.kind == "event"]
        assert events == ["2024-05-03#event", "2024-05-04#event-3"]


def test_a_turn_stored_while_its_day_is_summarized_keeps_its_id(bank):
    """As by another process, between the reading of the turns and the storing of the summary."""
    new = Turn("My secret is Zanzibar.", at=NOON, id="2024-05-04#event")

    def summarize(messages):
        bank.add([new], user_id="ada")
        return "She likes tea."

    bank.add([Turn("I like tea.", at=NOON, id="tea")], user_id="ada")
    bank.llm = FakeLLM(summarize)
    assert not bank.summarize(user_id="ada", now=NOON).failed
    stored = {memory.id: memory.text for memory in bank.timeline(user_id="ada")}
    assert stored["2024-05-04#event"] == new.query
    assert stored["2024-05-04#event-2"] == "She likes tea."


def test_users_with_delimiters_are_different_users(bank):
    pairs = [pair for pair in PAIRS if "\0" not in pair[0]]  # refused in the id of a user
    for user, id in pairs:
        bank.add([Turn(f"I am {user!r}.", at=NOON, id=id)], user_id=user)
    for user in {user for user, _ in pairs}:
        ids = {id for other, id in pairs if other == user}
        assert {memory.id for memory in bank.timeline(user_id=user)} == ids
