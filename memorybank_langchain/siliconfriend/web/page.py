"""The page: what is done where something is pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from langchain_core.language_models import BaseChatModel

from memorybank_core import MemoryBank
from memorybank_core.validation import require_language

from .chat_handlers import ChatHandlers
from .memory_handlers import MemoryHandlers
from .page_layout import PageLayout, laid_out
from .strings import WORDS
from .theme import DOWNLOAD, FORGET_ME, THEME_SWITCH


class _All(ChatHandlers, MemoryHandlers):
    """Everything that can be pressed."""


def page(
    bank: MemoryBank,
    model: BaseChatModel,
    *,
    language: str = "en",
    password: str | None = None,
    **options: Any,
) -> gr.Blocks:
    """SiliconFriend's page; `start` serves it.

    Args:
        bank: Where the memories are; people see their own alone.
        model: Any chat model of LangChain's.
        language: "en" or "zh": the page's; the companion speaks the bank's.
        password: What everyone must know who wants in; None asks for none.
        options: The keywords of `Companion` and `siliconfriend`, but for whose memory it is.

    Raises:
        InvalidInputError: There is no wording in that language.
    """
    words = WORDS[require_language(language)]
    blocks: gr.Blocks = gr.Blocks(title=words["title"], analytics_enabled=False, fill_width=True)
    with blocks:
        layout = laid_out(words, asks_password=password is not None)
        acts = _All(bank, model, layout, language, password, options)
        _wire(blocks, layout, acts)
    blocks.queue(default_concurrency_limit=None, api_open=False)
    return blocks


def _wire(blocks: gr.Blocks, at: PageLayout, acts: _All) -> None:
    """Says what each button does."""

    def on(trigger: Any, act: Callable[..., Any] | None, *inputs: Any, **more: Any) -> Any:
        kinds = {"outputs": at.all(), "show_progress": "hidden", "api_visibility": "private"}
        return gr.on(trigger, act, inputs=list(inputs), **{**kinds, **more})

    settings = (at.own, at.temperature, at.top_p, at.max_tokens)
    on(blocks.load, acts.come_back, at.remembered)
    on([at.enter.click, at.name.submit, at.password.submit], acts.enter, at.name, at.password)
    on(at.theme.click, None, outputs=None, js=THEME_SWITCH)
    on(at.leave.click, acts.leave, at.visit)
    on(at.leave.click, None, outputs=None, js=FORGET_ME)
    saying = on([at.send.click, at.box.submit], acts.say, at.visit, at.box, *settings)
    again = on(at.again.click, acts.again, at.visit, *settings)
    for answering in (saying, again):
        answering.failure(acts.answered, None, [at.send, at.stop], api_visibility="private")
    on(at.stop.click, acts.stop, at.visit, queue=False)
    on(at.take_back.click, acts.take_back, at.visit)
    on(at.anew.click, acts.begin_anew, at.visit)
    on(at.own.change, acts.choose_settings, at.own)
    on(at.archived.input, acts.show_archived, at.visit, at.archived)
    on(at.fade.click, acts.fade, at.visit)
    on(at.timeline.click, acts.press, at.visit)
    on(at.delete_all.click, acts.doom_all, at.visit)
    on(at.confirm.click, acts.delete, at.visit, at.doomed)
    on(at.decline.click, acts.keep)
    on(at.digest_now.click, acts.digest, at.visit, show_progress="minimal")
    exporting = on(at.export.click, acts.export, at.visit)
    exporting.success(None, at.exported, at.exported, js=DOWNLOAD, api_visibility="private")
