"""LocalStore meets the contract of every store."""

import pytest

from memorybank_core.stores import LocalStore
from memorybank_core.testing import StoreContract
from memorybank_core.testing.examples import ADA, EAST, NOON, turn


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.path = tmp_path / "bank.db"

    def open_store(self):
        return LocalStore(self.path, embedder="by-hand", dimension=3)


class TestLocalStoreWithoutIndexCache(TestLocalStore):
    def open_store(self):
        return LocalStore(self.path, embedder="by-hand", dimension=3, cache_bytes=0)


@pytest.mark.parametrize("name", ["archive", "restore", "pin", "unpin"])
def test_old_names_of_state_changes_still_work(tmp_path, name):
    arguments = [] if name == "pin" else [NOON]
    store = LocalStore(tmp_path / "bank.db", embedder="by-hand", dimension=3)
    store.add(ADA, [turn("tea is good")], [EAST])
    if name in ("restore", "unpin"):
        store.change_state(ADA, ["tea"], "archive" if name == "restore" else "pin", NOON)
    with pytest.warns(DeprecationWarning, match=f"change_state.*'{name}'"):
        assert getattr(store, name)(ADA, ["tea"], *arguments) == 1
    store.close()
