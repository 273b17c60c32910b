"""SiliconFriend's page: its components, connected to their event handlers."""

from __future__ import annotations

from typing import Any

import gradio as gr
from langchain_core.language_models import BaseChatModel

from memorybank_core import MemoryBank
from memorybank_core.validation import require_language
from memorybank_core.web.events import Connect, connector
from memorybank_core.web.passwords import require_password
from memorybank_core.web.scripts import TOGGLE_THEME, start_script

from .chat_handlers import ChatHandlers
from .deletions import PendingDeletions
from .page_layout import PageLayout, build_layout
from .scripts import DOWNLOAD, FOCUS_MESSAGE_BOX, FORGET_NAME, toggle_sheet
from .strings import STRINGS


class ChatPage(gr.Blocks):
    """SiliconFriend's page; closing it runs the deletions that could still be undone."""

    deletions: PendingDeletions

    def close(self, verbose: bool = True) -> None:
        """Run pending deletions, and stop serving the page."""
        self.deletions.finish()
        super().close(verbose)


def page(
    bank: MemoryBank,
    model: BaseChatModel,
    *,
    language: str | None = None,
    password: str | None = None,
    **options: Any,
) -> gr.Blocks:
    """Build SiliconFriend's page; `start` serves it.

    Args:
        bank: Bank with the memories; users see only their own.
        model: Any LangChain chat model.
        language: Language of the page, "en" or "zh"; default the bank's, which the companion
            speaks.
        password: Password that visitors must enter; None requires no password.
        options: Keyword arguments of `Companion` and `siliconfriend`, except `user_id`.

    Raises:
        ConfigurationError: If the password is empty.
        InvalidInputError: If `language` is not supported.
    """
    language = require_language(language or bank.language)
    strings, asks_password = STRINGS[language], require_password(password) is not None
    blocks = ChatPage(title=strings["title"], analytics_enabled=False, fill_width=True)
    with blocks:
        layout = build_layout(strings, asks_password=asks_password)
        handlers = ChatHandlers(bank, model, layout, language, password, options)
        blocks.deletions = handlers.deletions
        _connect(blocks, layout, handlers)
        blocks.load(None, None, None, js=start_script(language), api_visibility="private")
    blocks.queue(default_concurrency_limit=None, api_open=False)
    return blocks


def _connect(blocks: gr.Blocks, layout: PageLayout, handlers: ChatHandlers) -> None:
    """Connect the events of the components to the handlers."""
    on, session = connector(layout.all_components()), layout.session
    _connect_frame(on, blocks, layout, handlers)
    _connect_conversation(on, layout, handlers)
    on(layout.archived.input, handlers.show_archived, session, layout.archived)
    on(layout.forget_faded.click, handlers.forget_faded, session)
    on(layout.timeline.click, handlers.handle_memory, session, trigger_mode="multiple")
    on(layout.notice.click, handlers.handle_notice, session)
    on(layout.undo_timer.tick, handlers.report_deletion, session)
    on(layout.delete_all.click, handlers.ask_to_delete_all)
    on(layout.confirm.click, handlers.delete_all, session)
    on(layout.cancel.click, handlers.cancel_deletion)
    on(layout.digest_now.click, handlers.digest, session, show_progress="minimal")
    export = on(layout.export.click, handlers.export, session)
    export.success(None, layout.exported, layout.exported, js=DOWNLOAD, api_visibility="private")


def _connect_frame(
    on: Connect, blocks: gr.Blocks, layout: PageLayout, handlers: ChatHandlers
) -> None:
    """Connect signing in and out, and the buttons at the top."""
    on(blocks.load, handlers.restore_session, layout.remembered)
    submit_events = [layout.sign_in.click, layout.name.submit, layout.password.submit]
    sign_in = on(submit_events, handlers.sign_in, layout.name, layout.password)
    _focus_message_box(sign_in)
    on(layout.theme.click, None, outputs=None, js=TOGGLE_THEME)
    on(layout.sign_out.click, handlers.sign_out, layout.session)
    on(layout.sign_out.click, None, outputs=None, js=FORGET_NAME)
    for button, name in (
        (layout.show_conversations, "conversations"), (layout.show_memory, "memory")
    ):  # fmt: skip
        on(button.click, None, outputs=None, js=toggle_sheet(name))


def _connect_conversation(on: Connect, layout: PageLayout, handlers: ChatHandlers) -> None:
    """Connect the conversation and the list of conversations."""
    session = layout.session
    settings = (layout.use_defaults, layout.temperature, layout.top_p, layout.max_tokens)
    send_events = [layout.send.click, layout.message_box.submit]
    say = on(send_events, handlers.say, session, layout.message_box, *settings)
    turn = on(layout.chat.click, handlers.handle_turn, session, *settings, trigger_mode="multiple")
    for answer_event in (say, turn):
        answer_event.failure(
            handlers.show_send_button, None, [layout.send, layout.stop], api_visibility="private"
        )
    _focus_message_box(say)
    on(layout.stop.click, handlers.stop, session, queue=False)
    new_conversation = on(layout.new_conversation.click, handlers.new_conversation, session)
    _focus_message_box(new_conversation)
    on(layout.search_box.change, handlers.search, session, layout.search_box)
    on(layout.conversations.click, handlers.open_conversation, session)
    on(layout.use_defaults.change, handlers.toggle_settings, layout.use_defaults)


def _focus_message_box(event: Any) -> None:
    """Move the focus to the message box after an event."""
    event.then(None, None, None, js=FOCUS_MESSAGE_BOX, api_visibility="private")
