"""The PostgreSQL that Hindsight brings (pg0), in a folder and on a free port."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path


def start(folder: Path) -> str:
    """Start the server, or find it running, and return its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = _pg0(folder, "start", "--data-dir", str(folder / "pg"), "--port", port)
    info = json.loads(_pg0(folder, "info", "-o", "json").stdout or "{}")
    if "uri" not in info:
        raise RuntimeError(started.stderr)
    return info["uri"]


def stop(folder: Path) -> None:
    """Stop the server."""
    _pg0(folder, "stop")


def _pg0(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pg0, as another user than root, as which PostgreSQL does not run."""
    import pg0

    user = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")
        user = {"user": "nobody", "group": "nogroup"}
    variables = {**os.environ, "HOME": str(folder)}
    command = [pg0._find_pg0(), *words]
    return subprocess.run(
        command, env=variables, capture_output=True, text=True, check=False, **user
    )
