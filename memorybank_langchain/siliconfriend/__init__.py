"""SiliconFriend: the paper's companion, as a short chain, in a terminal and on a page.

Each name is imported when it is first asked for: `siliconfriend --help` needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memorybank_core import MissingDependencyError

if TYPE_CHECKING:
    from .chain import siliconfriend
    from .companion import Companion
    from .models import budget, chat_model
    from .personas import CARE, PERSONA, persona

__all__ = [
    "CARE",
    "PERSONA",
    "Companion",
    "budget",
    "chat_model",
    "persona",
    "siliconfriend",
]

_MODULES = {
    "CARE": "personas",
    "PERSONA": "personas",
    "Companion": "companion",
    "budget": "models",
    "chat_model": "models",
    "persona": "personas",
    "siliconfriend": "chain",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_MODULES[name]}", __name__)
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "siliconfriend") from error
    return getattr(module, name)
