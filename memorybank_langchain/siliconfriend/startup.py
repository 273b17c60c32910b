"""Startup of a command: open its bank and load its model, with progress messages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from memorybank_core import ConfigurationError, MemoryBank
from memorybank_core.extras import explain_missing_package
from memorybank_core.locations import is_url
from memorybank_core.validation import require_language

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

STRINGS = {
    "en": {
        "quotation": "Answers quote what you said earlier; no language model is used, and nothing "
        "leaves this machine.",
        "choice": "For a language model: --llm {name}  ({note})",
        "sends": "sends your messages and the memories recalled for them to {host}",
        "ollama": "Ollama, on this machine",
        "folder": "on this machine",
        "tiny": "{model} is a very small model: it makes things up. Its answers are not kept as "
        "memories.",
        "loading": "Loading {model} …",
    },
    "zh": {
        "quotation": "回答只引用你说过的话：不用语言模型，数据不会离开这台电脑。",
        "choice": "想用语言模型：--llm {name}（{note}）",
        "sends": "会把你的消息和想起的记忆发往 {host}",
        "ollama": "这台电脑上的 Ollama",
        "folder": "在这台电脑上",
        "tiny": "{model} 是很小的模型，会编造内容；它的回答不会当作记忆保存。",
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
        llm: Name of the model; None answers by quotation, and lists the models that were found.
        model_options: Keyword arguments of `chat_model`.
        bank_options: Keyword arguments of `MemoryBank.open`.

    Raises:
        ConfigurationError: If the model or the bank does not exist or cannot be used.
        StoreError: If the bank cannot be opened.
    """
    language = require_language(bank_options["language"] or "en")
    with explain_missing_package("siliconfriend"):
        from .models import choose_digest_llm

    if not is_url(path):
        file = Path(path).expanduser()
        if not file.parent.is_dir():
            raise ConfigurationError(
                f"cannot create the bank {file.name}: the folder {file.parent} does not exist"
            )
        path = str(file)
    with ExitStack() as stack:
        bank = None
        if is_url(path) or Path(path).exists():  # a new bank is not created before the model loads
            bank = stack.enter_context(MemoryBank.open(path, **bank_options))
            language = bank.language
        chat_model = _load_and_report(llm, model_options, STRINGS[language])
        digest_llm = choose_digest_llm(chat_model)
        if bank is None:
            bank = stack.enter_context(MemoryBank.open(path, llm=digest_llm, **bank_options))
        bank.llm = digest_llm
        yield bank, chat_model


def _load_and_report(
    llm: str | None, options: Mapping[str, Any], messages: Mapping[str, str]
) -> BaseChatModel:
    """Load the model, and say what it is; see `open_bank_and_model`."""
    from .discovery import find_models
    from .models import QUOTATION, is_tiny

    name = llm or QUOTATION
    stderr = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if name == QUOTATION:
        stderr.print(messages["quotation"], style="dim", soft_wrap=True)
        for choice in find_models() if llm is None else ():
            note = messages[choice.kind].format(host=choice.host)
            stderr.print(messages["choice"].format(name=choice.name, note=note), style="dim")
    else:
        stderr.print(messages["loading"].format(model=name), style="dim")
    model = load_chat_model(name, **options)
    if is_tiny(model):
        stderr.print(messages["tiny"].format(model=name), style="yellow", soft_wrap=True)
    return model


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
