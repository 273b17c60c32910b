"""A real PgBouncer in transaction mode, if it is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SETTINGS = """
[databases]
* = host={server}
[pgbouncer]
unix_socket_dir = {folder}
listen_port = 5432
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
max_client_conn = 500
server_login_retry = 0.2
"""


class PgBouncer:
    """PgBouncer before a server, reached by a socket in its folder.

    Args:
        program: The path of its program.
        server: The folder with the server's socket.

    Attributes:
        version: Its version, as two numbers.
    """

    def __init__(self, program: str, server: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir="/tmp"))
        (self.folder / "users").write_text('"postgres" ""\n"app" ""\n')
        (self.folder / "ini").write_text(_SETTINGS.format(server=server, folder=self.folder))
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.version = tuple(map(int, re.findall(r"\d+", shown.stdout)[:2]))
        user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
        if user:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, user)
        command = [program, "--quiet", str(self.folder / "ini")]
        with (self.folder / "log").open("w") as log:
            self._process = subprocess.Popen(command, user=user, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while not (self.folder / ".s.PGSQL.5432").exists():
            log = (self.folder / "log").read_text()
            assert self._process.poll() is None, log
            assert time.monotonic() < end, log
            time.sleep(0.01)

    def url(self, url: str) -> str:
        """Return the URL, through PgBouncer, of a database of the server."""
        return f"{url.partition('?')[0]}?host={self.folder}&pooler=true"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder)


@contextmanager
def running_pgbouncer(server: Path) -> Iterator[PgBouncer]:
    """Run PgBouncer before a server; skip the test where it is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed")
    pooler = PgBouncer(program, server)
    try:
        yield pooler
    finally:
        pooler.close()
