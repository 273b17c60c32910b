"""The original MemoryBank's memory JSON, in and out.

{user: {"name", "summary", "personality", "overall_history", "overall_personality",
        "history": {"2023-04-27": [{"query", "response"}, …]}, "meta_information"}}

It is taken as it comes: stray spaces around users and days, values missing, null or empty, a
text bare or as {"content": text}. A turn or a summary may bring its "memory_strength",
"last_recall_date" and "memory_id". What the original has no place for stands in keys of our own,
which it ignores: "time", "session", "user_name", "companion_name", "recalls", "recalled_at",
"archived_at", "pinned" and, for an id with spaces around it, "user_id"; a second summary of one day
makes a list of the two. "digests" says who made each digest, when, and from what. So a bank that is
exported and imported comes out the same.
"""

from .exporter import export_json
from .fields import DAY_END, FIRST_TURN
from .files import dump, load
from .importer import BATCH, ImportReport, count_turns, import_json

__all__ = [
    "BATCH",
    "DAY_END",
    "FIRST_TURN",
    "ImportReport",
    "count_turns",
    "dump",
    "export_json",
    "import_json",
    "load",
]
