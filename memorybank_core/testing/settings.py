"""The contract of the settings of a `MemoryStore`, as a class of tests."""

# ruff: noqa: S101 - tests: assertions, and names that say what is tested

from __future__ import annotations

from contextlib import closing

from memorybank_core.protocols import MemoryStore


class SettingsContract:
    """Tests of a store's settings. Each begins with an empty location."""

    def open_store(self) -> MemoryStore:
        """Open the store at the test's location; see `StoreContract`."""
        raise NotImplementedError

    def test_settings_are_kept_and_replaced(self) -> None:
        with closing(self.open_store()) as store:
            store.settings.write({})
            assert store.settings.read() == {}
            store.settings.write({"language": "en", "embedder": "of the settings"})
            store.settings.write({"language": "zh 中文"})
        with closing(self.open_store()) as store:
            expected = {"language": "zh 中文", "embedder": "of the settings"}
            assert store.settings.read() == expected
