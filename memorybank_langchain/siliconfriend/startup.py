"""A bank and a model for a command, with a word on what takes its time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from memorybank_core import ConfigurationError, MemoryBank, MissingDependencyError
from memorybank_core.locations import is_url
from memorybank_core.validation import require_language

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

TOLD = {
    "en": {
        "built_in": "There is no key and no --llm: you talk with SmolLM2-135M, the small model "
        "from the wheel. It is slow of wit and speaks English only; see --help for better ones.",
        "loading": "Loading {model} …",
    },
    "zh": {
        "built_in": "没有密钥，也没有 --llm：与你交谈的是 wheel 中的小模型 SmolLM2-135M。"
        "它很笨拙，只会英语；更好的选择见 --help。",
        "loading": "正在加载 {model}……",
    },
}


@contextmanager
def opened(
    path: str, llm: str | None, how: Mapping[str, Any], where: Mapping[str, Any]
) -> Iterator[tuple[MemoryBank, BaseChatModel]]:
    """The bank at `path`, which the model digests, and the model.

    Args:
        path: The bank's file, made where there is none; or the URL of a database.
        llm: The model's name; None takes what `chosen` says, and tells so.
        how: The keywords of `chat_model`.
        where: The keywords of `MemoryBank.open`.

    Raises:
        ConfigurationError: There is no such model, or it cannot be used; or so the bank.
        StoreError: The bank cannot be opened.
    """
    told = TOLD[require_language(where["language"])]
    try:
        from .models import BUILT_IN, chosen, digester
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "siliconfriend") from error

    if not is_url(path):
        file = Path(path).expanduser()
        if not file.parent.is_dir():
            raise ConfigurationError(f"there is no folder {file.parent} for the bank {file.name}")
        path = str(file)
    name = llm or chosen()
    err = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if llm is None and name == BUILT_IN:
        err.print(told["built_in"], style="yellow")
    err.print(told["loading"].format(model=name), style="dim")
    model = loaded(name, **how)
    with MemoryBank.open(path, llm=digester(model), **where) as bank:
        yield bank, model


def loaded(name: str, **how: Any) -> BaseChatModel:
    """`chat_model`, which shows its progress to a person only, and none of the built-in model's.

    Where none is to be shown, the bars of libraries are switched off, too.
    """
    from memorybank_langchain.siliconfriend import chat_model  # says what must be installed

    from .models import BUILT_IN

    shows = name != BUILT_IN and sys.stderr.isatty()
    if not shows:
        os.environ.setdefault("TQDM_DISABLE", "1")
    return chat_model(name, **how, progress=shows)
