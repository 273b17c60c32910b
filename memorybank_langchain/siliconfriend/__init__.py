"""SiliconFriend, the companion of the MemoryBank paper: a chain, a terminal app and a web app.

Names are imported on first access, so that `siliconfriend --help` loads no language model code.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memorybank_core.extras import explain_missing_package

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
    with explain_missing_package("siliconfriend"):
        module = import_module(f".{_MODULES[name]}", __name__)
    return getattr(module, name)
