"""Import and export of the original MemoryBank's JSON format.

{user: {"name", "summary", "personality", "overall_history", "overall_personality",
        "history": {"2023-04-27": [{"query", "response"}, …]}, "meta_information"}}

Import is lenient: spaces around users and days, missing, null or empty values, and texts given
directly or as {"content": text} are accepted. A turn or a summary may have "memory_strength",
"last_recall_date" and "memory_id". Everything else is stored in additional keys, which the original
ignores: "time", "session", "user_name", "companion_name", "recalls", "recalled_at", "recalled_by"
(the turn of each recall), "archived_at", "pinned", "metadata" and, for an id with spaces around it,
"user_id"; several summaries of one day are a list. "digests" records the author, time and source of
each digest, "changes" the recorded changes. The entry "" has the "items" of the bank, such as those
of a LangGraph store. An export followed by an import into another bank is therefore an exact round
trip. Other additional keys are ignored.
"""

from memorybank_core.bulk import BATCH

from .exporter import export_json
from .fields import DAY_END, FIRST_TURN
from .files import dump, is_export, load
from .importer import ImportReport, count_turns, import_json
from .items import count_items

__all__ = [
    "BATCH",
    "DAY_END",
    "FIRST_TURN",
    "ImportReport",
    "count_items",
    "count_turns",
    "dump",
    "export_json",
    "import_json",
    "is_export",
    "load",
]
