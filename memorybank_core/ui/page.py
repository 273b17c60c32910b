"""The page of a bank: its components, connected to their event handlers."""

from __future__ import annotations

from typing import Any

import gradio as gr

from memorybank_core.bank import MemoryBank
from memorybank_core.validation import require_language
from memorybank_core.web.events import connector
from memorybank_core.web.passwords import require_password
from memorybank_core.web.scripts import TOGGLE_THEME, start_script

from .handlers import BankHandlers
from .layout import BankLayout, TabTriggers, build_layout
from .report_markup import render_title
from .strings import STRINGS


def page(
    bank: MemoryBank,
    *,
    write: bool = False,
    user_id: str | None = None,
    language: str | None = None,
    password: str | None = None,
) -> gr.Blocks:
    """Build the page of a bank; `start` serves it.

    Args:
        bank: The bank.
        write: Whether the page may change memories, if the bank can be written.
        user_id: The user shown first; None shows the first user.
        language: Language of the page, "en" or "zh"; default the bank's.
        password: Password that visitors must enter; None requires no password.

    Raises:
        ConfigurationError: If the password is empty.
        InvalidInputError: If `language` is not supported.
    """
    language = require_language(language or bank.language)
    strings, write = STRINGS[language], write and not bank.readonly
    asks_password = require_password(password) is not None
    title = render_title(bank, strings, write=write)
    blocks: gr.Blocks = gr.Blocks(title=strings["title"], analytics_enabled=False, fill_width=True)
    with blocks:
        layout, tabs = build_layout(strings, title, asks_password=asks_password)
        handlers = BankHandlers(
            bank, layout, language, write=write, user_id=user_id, password=password
        )
        _connect(blocks, layout, tabs, handlers)
        blocks.load(None, None, None, js=start_script(language), api_visibility="private")
    blocks.queue(default_concurrency_limit=None, api_open=False)
    return blocks


def _connect(
    blocks: gr.Blocks, layout: BankLayout, tabs: TabTriggers, handlers: BankHandlers
) -> None:
    """Connect the events of the components to the handlers."""
    on, view = connector(layout.all_components()), layout.view

    def read_overview(event: Any) -> None:
        event.then(
            handlers.load_overview,
            view,
            layout.all_components(),
            show_progress="hidden",
            api_visibility="private",
        )

    read_overview(on(blocks.load, handlers.load))
    read_overview(
        on([layout.sign_in.click, layout.password.submit], handlers.sign_in, layout.password)
    )
    on(layout.sign_out.click, handlers.sign_out)
    on(layout.theme.click, None, outputs=None, js=TOGGLE_THEME)
    read_overview(on(layout.user.input, handlers.choose_user, view, layout.user))
    on(layout.state.input, handlers.choose_state, view, layout.state)
    searches = [layout.search.click, layout.search_box.submit]
    on(searches, handlers.search, view, layout.search_box)
    on(layout.days_ahead.input, handlers.look_ahead, view, layout.days_ahead,
       trigger_mode="always_last")  # fmt: skip
    for name, tab in tabs.by_name.items():
        on(tab.select, handlers.select_tab(name), view)
    for html in (
        layout.stats, layout.strip, layout.memories, layout.forgetting, layout.digests,
        layout.health,
    ):  # fmt: skip
        read_overview(on(html.click, handlers.handle_click, view, trigger_mode="multiple"))
