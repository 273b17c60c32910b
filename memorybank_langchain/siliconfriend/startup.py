"""Startup of a command: open its bank and load its model, with progress messages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from memorybank_core import ConfigurationError, MemoryBank
from memorybank_core.locations import is_url
from memorybank_core.validation import require_language

from .dependencies import explain_missing_package

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

STRINGS = {
    "en": {
        "built_in": "No API key and no --llm: using SmolLM2-135M, the small model from the wheel. "
        "It makes many mistakes and speaks English only; see --help for better models.",
        "loading": "Loading {model} …",
    },
    "zh": {
        "built_in": "没有密钥，也没有 --llm：与你交谈的是 wheel 中的小模型 SmolLM2-135M。"
        "它很笨拙，只会英语；更好的选择见 --help。",
        "loading": "正在加载 {model}……",
    },
}


@contextmanager
def open_bank_and_model(
    path: str,
    llm: str | None,
    model_options: Mapping[str, Any],
    bank_options: Mapping[str, Any],
) -> Iterator[tuple[MemoryBank, BaseChatModel]]:
    """Open the bank at `path` and load the model, which also writes the bank's digests.

    Args:
        path: File of the bank, created if it does not exist; or a database URL.
        llm: Name of the model; None uses `default_model_name`.
        model_options: Keyword arguments of `chat_model`.
        bank_options: Keyword arguments of `MemoryBank.open`.

    Raises:
        ConfigurationError: If the model or the bank does not exist or cannot be used.
        StoreError: If the bank cannot be opened.
    """
    messages = STRINGS[require_language(bank_options["language"] or "en")]
    with explain_missing_package():
        from .models import BUILT_IN, choose_digest_llm, default_model_name

    if not is_url(path):
        file = Path(path).expanduser()
        if not file.parent.is_dir():
            raise ConfigurationError(
                f"cannot create the bank {file.name}: the folder {file.parent} does not exist"
            )
        path = str(file)
    name = llm or default_model_name()
    stderr = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if llm is None and name == BUILT_IN:
        stderr.print(messages["built_in"], style="yellow")
    stderr.print(messages["loading"].format(model=name), style="dim")
    model = load_chat_model(name, **model_options)
    with MemoryBank.open(path, llm=choose_digest_llm(model), **bank_options) as bank:
        yield bank, model


def load_chat_model(name: str, **options: Any) -> BaseChatModel:
    """Call `chat_model`, with a progress bar only in a terminal and not for the built-in model.

    Without it, the progress bars of libraries are also switched off.

    Args:
        name: Name of the model, as in `chat_model`.
        options: Further keyword arguments of `chat_model`.

    Raises:
        ConfigurationError: If the model does not exist or cannot be used.
    """
    from memorybank_langchain.siliconfriend import chat_model  # its error names a missing package

    from .models import BUILT_IN

    progress = name != BUILT_IN and sys.stderr.isatty()
    if not progress:
        os.environ.setdefault("TQDM_DISABLE", "1")
    return chat_model(name, **options, progress=progress)
