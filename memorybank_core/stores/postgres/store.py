"""PostgresStore: the bank in a PostgreSQL database with pgvector, for any number of machines.

Nothing of a user is kept in the process: every call asks the database, which finds and scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from memorybank_core.reports import Stats
from memorybank_core.stores.rows import to_stats

from .address import address_of
from .awaiting import AsyncConnections
from .connections import EVERYONE, Connections, Options, Statement, Steps, alone, user_scope
from .deleting import Deleting
from .items import PostgresItems
from .reading import Reading
from .schema import TABLES, Layout, layout_of, migrate, named
from .searching import Searching
from .writing import Writing

EXACT_UP_TO = 20_000
"""Up to how many windows of one user are compared one by one; beyond it, HNSW finds the nearest."""

_USERS = (
    "SELECT user_id FROM memorybank.users WHERE user_id > %(after)s ORDER BY user_id LIMIT 1000"
)
_STATS = (
    "SELECT count(DISTINCT user_id), count(*), count(archived_at), coalesce(sum(recalls), 0), "
    "min(day), max(day) FROM memorybank.memories"
)
_BYTES = (
    "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = %(schema)s AND c.relkind = 'r'"
)
_DEAD = "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE schemaname = %(schema)s"


class PostgresStore(Reading, Writing, Searching, Deleting):
    """A `MemoryStore` in a PostgreSQL database, for any number of threads, processes and machines.

    What is about one user can also be awaited (`aadd`, `acandidates`, …): natively, without a
    thread. Who does so closes the store with `aclose`.

    Where the schema that the URL names is empty, its tables are made, with the layout that
    `memorybank db init` has by default; to choose another, run that first.

    Args:
        url: postgresql://user@host:port/database, with ?schema=NAME for another schema than
            "memorybank". What it leaves out, the password above all, comes from libpq's
            environment and files.
        embedder: Name of the embedder whose vectors the bank holds.
        dimension: Length of its vectors.
        pool_size: How many connections this store opens at most.
        timeout: Seconds in which a call must succeed, waiting and trying again included.
        statement_timeout: Seconds that one statement may take; 0 sets no limit.
        pooler: Whether a pooler that lends connections by the transaction stands between
            (PgBouncer): nothing is then prepared, or set for longer than a transaction.
        exact_up_to: Up to how many windows of one user are compared one by one; beyond it, HNSW
            finds the nearest.

    Attributes:
        path: The URL without the password: opens the same bank where libpq knows that.

    Raises:
        ConfigurationError: It is no such URL, or the database has no pgvector.
        NotABankError: The schema has another application's tables.
        SchemaTooNewError: A newer version of the package made them.
        SchemaTooOldError: An older one did; `memorybank db upgrade` brings them up to date.
        EmbedderMismatchError: Another embedder wrote the vectors.
        StoreUnavailableError: The server cannot be reached.
    """

    def __init__(
        self,
        url: str,
        *,
        embedder: str,
        dimension: int,
        pool_size: int = 10,
        timeout: float = 10.0,
        statement_timeout: float = 30.0,
        pooler: bool = False,
        exact_up_to: int = EXACT_UP_TO,
    ) -> None:
        address = address_of(url)
        self.path = address.shown
        self._embedder, self._dimension, self._exact_up_to = embedder, dimension, exact_up_to
        options = Options(pool_size, timeout, statement_timeout, pooler)
        with alone(address, options) as db:
            migrate(db, address, Layout(embedder, dimension))
            layout = layout_of(db, address)
        self._connections = Connections(address, options, walls=layout.walls)
        self._awaiting = AsyncConnections(address, options, walls=layout.walls)
        self._check_embedder([(layout.embedder,), (layout.dimension,)])
        self._items = PostgresItems(self._connections, self._check_embedder)

    @property
    def items(self) -> PostgresItems:
        """Values under keys, in the same database."""
        return self._items

    def users(self) -> Iterator[str]:
        """Every user id, sorted."""
        after = ""
        while batch := self._connections.run(partial(_users, after), EVERYONE, writes=False):
            yield from batch
            after = batch[-1]

    def stats(self, user_id: str | None = None) -> Stats:
        """Counts over one user or, with None, over all."""
        scope = EVERYONE if user_id is None else user_scope(user_id)
        return self._connections.run(partial(self._stats, user_id), scope, writes=False)

    def compact(self) -> bool:
        """Lets VACUUM go over the tables: the room of what was deleted is free to be used anew.

        Nobody is kept waiting. To give the room back to the disk, run VACUUM (FULL), which locks
        the tables. Returns False where an open transaction still sees what was deleted.
        """
        address = self._connections.address
        with alone(address, self._connections.options) as db:
            for table in TABLES:
                db.execute(named(f"VACUUM (ANALYZE) memorybank.{table}", address.schema))
            db.execute("SELECT pg_stat_force_next_flush()")
            found = db.execute(_DEAD, {"schema": address.schema}).fetchone()
        return not (found and found[0])

    def close(self) -> None:
        """Closes the connections; a second call does nothing."""
        self._connections.close()

    async def aclose(self) -> None:
        """Closes the connections, those of this event loop among them."""
        await self._awaiting.close()
        self.close()

    def _stats(self, user_id: str | None) -> Steps[Stats]:
        condition = "" if user_id is None else " WHERE user_id = %(user)s"
        schema = self._connections.address.schema
        [counts], [(size,)] = yield [
            Statement(_STATS + condition, {"user": user_id}),
            Statement(_BYTES, {"schema": schema}),
        ]
        return to_stats(counts, size)


def _users(after: str) -> Steps[list[str]]:
    """The user ids that follow one, so many at most."""
    [found] = yield [Statement(_USERS, {"after": after})]
    return [user_id for (user_id,) in found]
