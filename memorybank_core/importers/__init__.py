"""Import of memories from other programs: exports of chats, and the memories of other packages.

Each format has a module that yields turns one by one. Any package can add one with an entry point
of the group "memorybank.importers" (`ImportFormat`).
"""

from .conversations import ImportedTurn, Message, TurnBuilder
from .detection import ImportFormat, detect_format, format_names
from .omissions import Omissions
from .sources import Source

__all__ = [
    "ImportFormat",
    "ImportedTurn",
    "Message",
    "Omissions",
    "Source",
    "TurnBuilder",
    "detect_format",
    "format_names",
]
