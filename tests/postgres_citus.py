"""A real Citus: a coordinator and two workers, where Debian's PostgreSQL has the extension."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fault_proxy import FaultProxy
from postgres_servers import URL_VARIABLE, Databases, Server, connect, name_of, running

_SETTINGS = """
shared_preload_libraries = 'citus'
max_prepared_transactions = 200
citus.shard_count = 8
citus.enable_statistics_collection = off
"""


class Citus(Databases):
    """A coordinator and its workers.

    Args:
        coordinator: The coordinator, as a server.
        nodes: Host and port of the coordinator, then of each worker, for the nodes themselves.
    """

    workers: Sequence[Server] = ()
    proxies: Sequence[FaultProxy] = ()

    def __init__(self, coordinator: Databases, nodes: Sequence[tuple[str, int]]) -> None:
        super().__init__()
        self.coordinator, self._nodes = coordinator, nodes

    def url(self, database: str, user: str = "postgres") -> str:
        return self.coordinator.url(database, user)

    def new(self, settings: str = "") -> str:
        """Create a database on all nodes and return its URL."""
        url = self.coordinator.new(settings)
        self.created.append(url)
        name = name_of(url)
        coordinator, *workers = self._nodes
        for host, port in workers:
            node = {"host": host, "port": port, "autocommit": True}
            with connect(self.url("postgres"), **node) as db:
                db.execute(f"CREATE DATABASE {name} {settings}")
            with connect(url, **node) as db:
                db.execute("CREATE EXTENSION citus")
        with connect(url, autocommit=True) as db:
            db.execute("CREATE EXTENSION citus")
            db.execute("SELECT citus_set_coordinator_host(%s, %s)", coordinator)
            for worker in workers:
                db.execute("SELECT citus_add_node(%s, %s)", worker)
        return url

    def drop(self, url: str) -> None:
        """Drop the database of a URL on all nodes."""
        self.coordinator.drop(url)
        for host, port in self._nodes[1:]:
            with connect(self.url("postgres"), host=host, port=port, autocommit=True) as db:
                db.execute(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

    def stop(self, mode: str = "immediate") -> None:
        self.coordinator.stop(mode)

    def start(self) -> None:
        self.coordinator.start()

    def close(self) -> None:
        for url in self.created:
            self.drop(url)


class LocalCitus(Citus):
    """A coordinator with two workers, which it reaches through proxies.

    Attributes:
        workers: The servers with the shards.
        proxies: The proxies before the workers.
    """

    def __init__(self, install: Path) -> None:
        coordinator, *self.workers = (Server(install, _SETTINGS) for _ in range(3))
        self.proxies = [FaultProxy(worker.folder) for worker in self.workers]
        folders = [coordinator.folder, *(proxy.folder for proxy in self.proxies)]
        super().__init__(coordinator, [(str(folder), 5432) for folder in folders])
        self.folder = coordinator.folder

    def close(self) -> None:
        for server in (self.coordinator, *self.workers):
            server.close()
        for proxy in self.proxies:
            proxy.close()


@contextmanager
def running_citus() -> Iterator[Citus]:
    """Run Citus, or return that of the URL in the environment; skip the test without Citus."""
    if url := os.environ.get(URL_VARIABLE):
        with running(url) as coordinator:
            with coordinator.connect(name_of(url)) as db:
                if not db.execute("SELECT FROM pg_extension WHERE extname = 'citus'").fetchall():
                    pytest.skip("the server of the URL is not Citus")
                nodes = db.execute(
                    "SELECT nodename, nodeport FROM pg_dist_node ORDER BY groupid"
                ).fetchall()
            with closing(Citus(coordinator, nodes)) as citus:
                yield citus
        return
    found = sorted(Path("/usr/share/postgresql").glob("*/extension/citus.control"))
    if not found:
        pytest.skip("Citus is not installed")
    with closing(LocalCitus(Path("/usr/lib/postgresql") / found[-1].parent.parent.name)) as citus:
        yield citus
