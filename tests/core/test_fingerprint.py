"""The fingerprint of an embedder: vectors of two models never mix in one bank."""

import numpy as np
import pytest

from memorybank_core import EmbedderMismatchError, HashingEmbedder, MemoryBank, Turn
from memorybank_core.stores.reembed import reembed

ADA = "ada@example.com"


class NewVersion(HashingEmbedder):
    """A model of the same name and dimension that returns other vectors."""

    def __init__(self, noise=1.0):
        super().__init__()
        self._noise = noise * np.random.default_rng(0).normal(size=self.dimension)

    def embed_query(self, text):
        vector = super().embed_query(text) + np.float32(self._noise)
        return vector / np.linalg.norm(vector)


class Drifting(HashingEmbedder):
    """A model whose vectors have become shorter."""

    def __init__(self):
        super().__init__(dimension=255)
        self.name = "hashing"


class Failing(HashingEmbedder):
    def embed_documents(self, texts):
        raise ConnectionError("the server of the model is down")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "bank.db"
    with MemoryBank.open(path, embedder=HashingEmbedder()) as bank:
        bank.add([Turn("My sister Nora plays the cello.")], user_id=ADA)
    return path


def test_a_new_version_of_a_model_is_refused_with_the_way_out(path):
    with pytest.raises(EmbedderMismatchError, match=r"cosine 0\.\d+.*memorybank reembed"):
        MemoryBank.open(path, embedder=NewVersion())
    assert reembed(path, NewVersion()) == 1
    with MemoryBank.open(path, embedder=NewVersion()) as bank:
        assert bank.search("cello", user_id=ADA)
    with pytest.raises(EmbedderMismatchError):
        MemoryBank.open(path, embedder=HashingEmbedder())


def test_rounding_of_another_processor_is_not_another_model(path):
    MemoryBank.open(path, embedder=NewVersion(noise=1e-4)).close()


@pytest.mark.parametrize("other", [NewVersion, Drifting])
def test_another_embedder_cannot_be_assigned(path, other):
    with MemoryBank.open(path) as bank:
        with pytest.raises(EmbedderMismatchError):
            bank.embedder = other()
        assert type(bank.embedder) is HashingEmbedder
        bank.embedder = same = HashingEmbedder()
        assert bank.embedder is same


def test_an_embedder_that_fails_now_does_not_prevent_opening(path):
    with MemoryBank.open(path, embedder=Failing()) as bank:
        assert len(bank.timeline(user_id=ADA)) == 1


def test_a_bank_without_a_fingerprint_gets_one(path):
    with MemoryBank.open(path) as bank, bank.store._connections.write() as db:
        db.execute("DELETE FROM meta WHERE name = 'setting.fingerprint'")
    MemoryBank.open(path).close()
    with pytest.raises(EmbedderMismatchError):
        MemoryBank.open(path, embedder=NewVersion())
