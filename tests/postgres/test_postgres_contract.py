"""PostgresStore meets the contract of every store."""

import pytest

from memorybank_core.testing import StoreContract

pytest.importorskip("psycopg", reason="psycopg is not installed")

from postgres_servers import emptied

from memorybank_core.stores.postgres import PostgresStore


@pytest.fixture(scope="module")
def database(postgres):
    return postgres.new()


class TestPostgresStore(StoreContract):
    erases = False

    @pytest.fixture(autouse=True)
    def _place(self, database):
        self.url = database
        yield
        emptied(self.url)

    def open_store(self):
        return PostgresStore(self.url, embedder="by-hand", dimension=3)
