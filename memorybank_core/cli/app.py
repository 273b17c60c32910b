"""The Typer application `memorybank`, with all commands grouped into the panels of its help.

Modules that are slow to import are imported inside the commands that need them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

import typer

from .commands import (
    changes,
    configuration,
    database,
    deletion,
    digests,
    evaluation,
    forgetting,
    maintenance,
    search,
    transfer,
    turns,
)
from .commands.backup import backup
from .commands.demo import demo
from .commands.doctor import doctor
from .commands.export import export
from .commands.mcp import mcp
from .commands.ui import ui
from .group import create_app

ENTRY_POINTS = "memorybank.commands"
"""Entry point group for commands of other packages."""

app = create_app("memorybank", "Long-term memory for language models, in one file or a database.")
"""The application; call it, or add it to another Typer application."""

MAINTENANCE, TRIALS = "Maintain a bank", "Try it"
"""Panels of the help that also contain groups of commands."""
_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Remember": {"add": turns.add, "import": transfer.import_, "export": export},
    "Recall": {
        "search": search.search,
        "context": search.context,
        "timeline": search.timeline,
    },
    "Digest": {
        "summarize": digests.summarize,
        "rebuild": digests.rebuild,
        "verify": digests.verify,
        "digests": digests.digests,
        "changes": changes.changes,
    },
    "Forget": {
        "forget": forgetting.forget,
        "forecast": forgetting.forecast,
        "restore": forgetting.restore,
        "pin": forgetting.pin,
        "unpin": forgetting.unpin,
        "delete": deletion.delete,
        "expire": deletion.expire,
    },
    MAINTENANCE: {
        "users": maintenance.users,
        "stats": maintenance.stats,
        "configure": configuration.configure,
        "reembed": maintenance.reembed,
        "compact": maintenance.compact,
        "doctor": doctor,
        "backup": backup,
        "move": database.move,
    },
    TRIALS: {"demo": demo},
}
for panel, commands in _COMMANDS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(command)
app.command("ui", rich_help_panel="Serve a bank")(ui)
app.command("mcp", rich_help_panel="Serve a bank")(mcp)
for entry in entry_points(group=ENTRY_POINTS):
    app.command(entry.name, rich_help_panel="Train a model")(entry.load())

databases = typer.Typer(help="Create and upgrade a bank in a PostgreSQL database.")
databases.command("init")(database.init)
databases.command("upgrade")(database.upgrade)
app.add_typer(databases, name="db", rich_help_panel=MAINTENANCE)

measurements = typer.Typer(help="Measure how well recall works.")
measurements.command("retrieval")(evaluation.retrieval)
measurements.callback()(lambda: None)  # keeps "retrieval" a subcommand while it is the only one
app.add_typer(measurements, name="eval", rich_help_panel=TRIALS)
