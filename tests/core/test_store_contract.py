"""LocalStore meets the contract of every store."""

import pytest

from memorybank_core.stores import LocalStore
from memorybank_core.testing import StoreContract


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.path = tmp_path / "bank.db"

    def open_store(self):
        return LocalStore(self.path, embedder="by-hand", dimension=3)


class TestLocalStoreWithoutIndexCache(TestLocalStore):
    def open_store(self):
        return LocalStore(self.path, embedder="by-hand", dimension=3, cache_bytes=0)
