"""Calls with arguments that a method does not have raise one of our errors, with the right name."""

import asyncio

import pytest

from memorybank_core import ArgumentError, HashingEmbedder, InvalidInputError, MemoryBank


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    path = tmp_path_factory.mktemp("arguments") / "bank.db"
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        yield bank


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("search", {"query": "x", "user_id": "ada", "top_k": 3}, "'top_k'.*did you mean 'k'"),
        ("search", {"query": "x", "user": "ada"}, "'user'.*did you mean 'user_id'"),
        ("add", {"messages": ["x"], "user_id": "ada"}, "'messages'.*did you mean 'turns'"),
        ("forget", {"user_id": "ada", "treshold": 0.1}, "'treshold'.*did you mean 'threshold'"),
        ("search", {"query": "x"}, "MemoryBank.search needs the argument 'user_id'"),
        ("summary", {"user_id": "ada", "qqq": 1}, "'qqq'; it takes user_id, day"),
    ],
)
def test_the_error_names_the_argument_and_the_nearest_right_one(bank, method, arguments, message):
    for call in (getattr(bank, method), lambda **k: asyncio.run(getattr(bank, f"a{method}")(**k))):
        with pytest.raises(ArgumentError, match=message) as caught:
            call(**arguments)
        assert isinstance(caught.value, (InvalidInputError, TypeError))


@pytest.mark.parametrize(
    ("option", "message"),
    [("langauge", "did you mean 'language'"), ("cache_byte", "did you mean 'cache_bytes'")],
)
def test_open_names_unknown_options(tmp_path, option, message):
    with pytest.raises(ArgumentError, match=rf"'{option}'.*{message}"):
        MemoryBank.open(tmp_path / "bank.db", embedder="hashing", **{option: "zh"})
    assert not (tmp_path / "bank.db").exists()


def test_an_error_inside_a_method_is_not_about_its_arguments(bank):
    class Broken(HashingEmbedder):
        def embed_query(self, text):
            return super().embed_query(text, 5)

    with MemoryBank.open(bank.store.path, embedder=Broken()) as broken:
        with pytest.raises(Exception, match="positional") as caught:
            broken.search("x", user_id="ada")
        assert not isinstance(caught.value, ArgumentError)
