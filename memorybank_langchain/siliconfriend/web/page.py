"""SiliconFriend's page: its components, connected to their event handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from langchain_core.language_models import BaseChatModel

from memorybank_core import MemoryBank
from memorybank_core.validation import require_language

from .chat_handlers import ChatHandlers
from .memory_handlers import MemoryHandlers
from .page_layout import PageLayout, build_layout
from .strings import STRINGS
from .theme import DOWNLOAD, FORGET_NAME, TOGGLE_DARK_MODE


class _AllHandlers(ChatHandlers, MemoryHandlers):
    """All event handlers of the page."""


def page(
    bank: MemoryBank,
    model: BaseChatModel,
    *,
    language: str = "en",
    password: str | None = None,
    **options: Any,
) -> gr.Blocks:
    """Build SiliconFriend's page; `start` serves it.

    Args:
        bank: Bank with the memories; users see only their own.
        model: Any LangChain chat model.
        language: Language of the page, "en" or "zh"; the companion speaks the bank's language.
        password: Password that visitors must enter; None requires no password.
        options: Keyword arguments of `Companion` and `siliconfriend`, except `user_id`.

    Raises:
        InvalidInputError: If `language` is not supported.
    """
    strings = STRINGS[require_language(language)]
    blocks: gr.Blocks = gr.Blocks(title=strings["title"], analytics_enabled=False, fill_width=True)
    with blocks:
        layout = build_layout(strings, asks_password=password is not None)
        handlers = _AllHandlers(bank, model, layout, language, password, options)
        _connect(blocks, layout, handlers)
    blocks.queue(default_concurrency_limit=None, api_open=False)
    return blocks


def _connect(blocks: gr.Blocks, layout: PageLayout, handlers: _AllHandlers) -> None:
    """Connect the events of the components to the handlers."""

    def on(trigger: Any, handler: Callable[..., Any] | None, *inputs: Any, **options: Any) -> Any:
        defaults = {
            "outputs": layout.all_components(),
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        return gr.on(trigger, handler, inputs=list(inputs), **{**defaults, **options})

    session = layout.session
    settings = (layout.use_defaults, layout.temperature, layout.top_p, layout.max_tokens)
    on(blocks.load, handlers.restore_session, layout.remembered)
    submit_events = [layout.sign_in.click, layout.name.submit, layout.password.submit]
    on(submit_events, handlers.sign_in, layout.name, layout.password)
    on(layout.theme.click, None, outputs=None, js=TOGGLE_DARK_MODE)
    on(layout.sign_out.click, handlers.sign_out, session)
    on(layout.sign_out.click, None, outputs=None, js=FORGET_NAME)
    send_events = [layout.send.click, layout.message_box.submit]
    say = on(send_events, handlers.say, session, layout.message_box, *settings)
    again = on(layout.again.click, handlers.again, session, *settings)
    for answer_event in (say, again):
        answer_event.failure(
            handlers.show_send_button, None, [layout.send, layout.stop], api_visibility="private"
        )
    on(layout.stop.click, handlers.stop, session, queue=False)
    on(layout.take_back.click, handlers.take_back, session)
    on(layout.new_conversation.click, handlers.new_conversation, session)
    on(layout.use_defaults.change, handlers.toggle_settings, layout.use_defaults)
    on(layout.archived.input, handlers.show_archived, session, layout.archived)
    on(layout.forget_faded.click, handlers.forget_faded, session)
    on(layout.timeline.click, handlers.handle_button, session)
    on(layout.delete_all.click, handlers.ask_to_delete_all, session)
    on(layout.confirm.click, handlers.delete, session, layout.to_delete)
    on(layout.cancel.click, handlers.cancel_deletion)
    on(layout.digest_now.click, handlers.digest, session, show_progress="minimal")
    export = on(layout.export.click, handlers.export, session)
    export.success(None, layout.exported, layout.exported, js=DOWNLOAD, api_visibility="private")
