"""A proxy before PostgreSQL that cuts connections before, during and after COMMIT."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

_SOCKET = ".s.PGSQL.5432"
_ADD = b"WITH owner AS (UPDATE"


class FaultProxy:
    """Passes on what clients and a server send each other, by sockets in folders.

    Every third COMMIT is lost, and every third `add` that is one statement, in turn: "before" it
    reaches the server; "during" it, so that it reaches the server but nobody waits for the answer;
    "after" the server answered, so that it is committed but the client does not hear of it.

    Args:
        server: The folder with the server's socket.

    Attributes:
        folder: The folder with the socket of the proxy.
        cuts: Number of connections that were cut at a COMMIT, by the time of the cut.
        cuts_of_add: The same at an `add` that is one statement.
    """

    def __init__(self, server: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="proxy-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.cuts: Counter[str] = Counter()
        self.cuts_of_add: Counter[str] = Counter()
        self._server = server
        self._schedules = {
            id(cuts): (cycle(range(3)), cycle(["before", "during", "after"]))
            for cuts in (self.cuts, self.cuts_of_add)
        }
        self._lock, self._cuts_now = threading.Lock(), False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / _SOCKET))
        (self.folder / _SOCKET).chmod(0o777)
        self._listener.listen(50)
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @classmethod
    def before(cls, url: str) -> FaultProxy | None:
        """Return a proxy before the server of a URL, or None if it has no socket in a folder."""
        host = dict(parse_qsl(urlsplit(url).query)).get("host", "")
        return cls(Path(host)) if host.startswith("/") else None

    def url(self, url: str) -> str:
        """Return the URL of a database of the server through the proxy."""
        return url.replace(f"host={self._server}", f"host={self.folder}")

    def __enter__(self) -> FaultProxy:
        """Start to cut connections."""
        self._cuts_now = True
        return self

    def __exit__(self, *_: object) -> None:
        self._cuts_now = False

    def close(self) -> None:
        """Wait for the clients to close their connections, and stop."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
        self._listener.close()
        shutil.rmtree(self.folder)

    def next_cut(self, cuts: Counter[str]) -> str | None:
        """Return when to cut the connection on which one of these arrived, if at all."""
        with self._lock:
            numbers, times = self._schedules[id(cuts)]
            if not self._cuts_now or next(numbers):
                return None
            when = next(times)
            cuts[when] += 1
            return when

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self._server / _SOCKET))
                except OSError:
                    client.close()
                    server.close()
                    continue
                connection = _Connection(self, client, server)
                self._threads.append(threading.Thread(target=connection.run))
                self._threads[-1].start()


class _Connection:
    """One connection of a client."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._hides_commit = self._hides_add = False

    def run(self) -> None:
        """Pass on messages in both directions until one end closes the connection."""
        with (
            self._client,
            self._server,
            self._client.makefile("rb") as requests,
            self._server.makefile("rb") as answers,
        ):
            answering = threading.Thread(target=self._run, args=(self._pass_answers, answers))
            answering.start()
            self._run(self._pass_requests, requests)
            answering.join()

    def _run(self, pass_messages, stream) -> None:
        with suppress(OSError, EOFError):
            pass_messages(stream)
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _pass_requests(self, stream) -> None:
        """Pass on the messages of the client until a COMMIT is to be lost."""
        size = _read(stream, 4)
        self._server.sendall(size + _read(stream, int.from_bytes(size, "big") - 4))
        commits: set[bytes] = set()  # names of prepared statements
        adds: set[bytes] = set()
        is_commit = is_add = ends_at_sync = False
        for kind, message in _messages(stream):
            names = message[5:].split(b"\0", 2)
            if kind == b"P":
                (commits.add if _is_commit(names[1]) else commits.discard)(names[0])
                (adds.add if names[1].startswith(_ADD) else adds.discard)(names[0])
            elif kind == b"B":
                is_commit, is_add = names[1] in commits, names[1] in adds
            if kind == b"E" and is_add:
                is_add = False
                when = self._proxy.next_cut(self._proxy.cuts_of_add)
                if when == "before":
                    return
                ends_at_sync, self._hides_add = when == "during", when == "after"
                self._server.sendall(message)
            elif (kind == b"Q" and _is_commit(names[0])) or (kind == b"E" and is_commit):
                is_commit = False
                when = self._proxy.next_cut(self._proxy.cuts)
                if when == "before":
                    return
                self._hides_commit = when == "after"
                self._server.sendall(message)
                if when == "during":
                    return
            else:
                self._server.sendall(message)
                if kind == b"S" and ends_at_sync:  # commits what was not in a transaction
                    return

    def _pass_answers(self, stream) -> None:
        """Pass on the messages of the server until the answer to a COMMIT is to be lost."""
        for kind, message in _messages(stream):
            if kind == b"C" and self._hides_commit and message[5:] == b"COMMIT\0":
                return
            if not self._hides_add:
                self._client.sendall(message)
            elif kind == b"Z":
                return


def _messages(stream) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind of each message of PostgreSQL's protocol, and the whole message."""
    while True:
        head = _read(stream, 5)
        yield head[:1], head + _read(stream, int.from_bytes(head[1:], "big") - 4)


def _read(stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _is_commit(query: bytes) -> bool:
    return query.upper().rstrip(b";") == b"COMMIT"
