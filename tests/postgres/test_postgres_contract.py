"""PostgresStore meets the contract of every store."""

import pytest

from memorybank_core.testing import StoreContract

pytest.importorskip("psycopg", reason="psycopg is not installed")

import psycopg

pytest.importorskip("pgvector", reason="pgvector is not installed")

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
        with psycopg.connect(self.url) as db:
            for table in ("users", "memories", "vectors", "recalls", "digests", "items"):
                db.execute(f"DELETE FROM memorybank.{table}")

    def open_store(self):
        return PostgresStore(self.url, embedder="by-hand", dimension=3)
