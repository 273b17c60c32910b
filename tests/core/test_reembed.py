"""Change of the embedder: it is atomic and resumable, and open handles notice it."""

from datetime import datetime, timezone

import numpy as np
import pytest

from memorybank_core import (
    ConfigurationError,
    EmbedderError,
    EmbedderMismatchError,
    HashingEmbedder,
    MemoryBank,
    Turn,
)
from memorybank_core.stores.reembed import reembed

MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)


class FailingEmbedder(HashingEmbedder):
    """Embedder that fails after a number of calls."""

    batch_size = 64

    def __init__(self, calls):
        super().__init__(64)
        self.calls = calls

    def embed_documents(self, texts):
        self.calls -= 1
        vectors = super().embed_documents(texts)
        return vectors if self.calls >= 0 else np.full_like(vectors, np.nan)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.db"
    with MemoryBank.open(path, embedder="hashing") as bank:
        bank.add([Turn(f"fact number {i}", "", MONDAY) for i in range(150)], user_id="u")
        bank.add([Turn("the cat sat", "", MONDAY)], user_id="v")
    return path


def test_every_memory_is_embedded_again(path):
    counts = []
    assert reembed(path, HashingEmbedder(64), progress=counts.append) == sum(counts) == 151
    with MemoryBank.open(path, embedder=HashingEmbedder(64)) as bank:
        results = bank.search("fact number 77", user_id="u", k=1)
        assert results[0].memory.text == "fact number 77"
        assert results[0].cosine == pytest.approx(1.0, abs=1e-5)


def test_a_failed_run_leaves_the_bank_unchanged_and_can_be_resumed(path):
    with pytest.raises(EmbedderError):
        reembed(path, FailingEmbedder(calls=2))
    with MemoryBank.open(path, embedder="hashing") as bank:
        assert bank.search("cat", user_id="v", k=1)[0].cosine > 0.4
        bank.add([Turn("added during the run", "", MONDAY)], user_id="v")
        bank.delete(user_id="v", ids=[bank.timeline(user_id="v")[0].id])
    assert reembed(path, HashingEmbedder(64)) == 151 - 128
    with MemoryBank.open(path, embedder=HashingEmbedder(64)) as bank:
        assert [memory.text for memory in bank.timeline(user_id="v")] == ["added during the run"]
        assert bank.search("added", user_id="v")[0].cosine > 0.4


def test_open_handles_raise_an_error(path):
    with MemoryBank.open(path, embedder="hashing") as bank:
        bank.search("cat", user_id="v")
        reembed(path, HashingEmbedder(64))
        with pytest.raises(EmbedderMismatchError, match=r"'hashing-64'.*'hashing'"):
            bank.search("cat", user_id="v")
        with pytest.raises(EmbedderMismatchError):
            bank.add([Turn("new", "", MONDAY)], user_id="v")


def test_a_missing_bank_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="no bank at"):
        reembed(tmp_path / "none.db", "hashing")
    assert not (tmp_path / "none.db").exists()


def test_a_relative_path_is_accepted(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    assert reembed(path.name, HashingEmbedder(64)) == 151
