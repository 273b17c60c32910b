"""A bank on PostgreSQL with pgvector: `PostgresStore`, and what is done to a bank as a whole."""

from .administration import init, upgrade, written_by
from .reembedding import reembed
from .schema import PARTITIONS, Layout
from .store import PostgresStore

__all__ = ["PARTITIONS", "Layout", "PostgresStore", "init", "reembed", "upgrade", "written_by"]
