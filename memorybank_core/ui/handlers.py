"""Event handlers of the page.

A handler returns the components to change, with their new values. The view is the one that the
server keeps for the browser, never data that the browser sends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from memorybank_core.bank import MemoryBank
from memorybank_core.errors import MemoryBankError
from memorybank_core.web.events import Changes, clicked
from memorybank_core.web.markup import render_notice
from memorybank_core.web.passwords import is_password

from .actions import act
from .layout import BankLayout
from .strings import STRINGS
from .view import BankView

MOST_CHOICES = 1_000
"""Number of users in the list; the names of others can be typed."""


def with_view(handler: Callable[..., Changes]) -> Callable[..., Changes]:
    """Decorate a handler to require a view, and to show its errors on the page.

    A browser without a view, as after a restart of the server, gets a new one, or the password's
    form.
    """

    @wraps(handler)
    def wrapper(self: BankHandlers, view: BankView | None, *args: Any) -> Changes:
        if view is None:
            return self._open() if self._password is None else self.show_gate("")
        try:
            return handler(self, view, *args)
        except (LookupError, MemoryBankError) as error:
            return {self.layout.notice: render_notice(str(error))}

    return wrapper


class BankHandlers:
    """Handlers of all events.

    Args:
        bank: The bank.
        layout: Components of the page.
        language: "en" or "zh".
        write: Whether memories may be changed.
        user_id: The user shown first; None shows the first user.
        password: Password that visitors must enter; None requires no password.
    """

    def __init__(
        self,
        bank: MemoryBank,
        layout: BankLayout,
        language: str,
        *,
        write: bool,
        user_id: str | None,
        password: str | None,
    ) -> None:
        self.strings, self.layout = STRINGS[language], layout
        self._bank, self._language, self._write = bank, language, write
        self._user_id, self._password = user_id, password

    def load(self) -> Changes:
        """Show the first view; with a password, leave the form as it is, which may be filled in."""
        return {self.layout.strip: gr.skip()} if self._password is not None else self._open()

    def sign_in(self, password: str) -> Changes:
        """Show the first view after the right password."""
        if not is_password(password, self._password):
            return self.show_gate(self.strings["wrong_password"])
        return self._open()

    def sign_out(self) -> Changes:
        """Ask for the password again, and remove all content."""
        return self.show_gate("")

    def show_gate(self, error: str) -> Changes:
        """Show the password's form with an error, and remove all content."""
        layout = self.layout
        contents = (
            layout.stats, layout.notice, layout.strip, layout.memories, layout.forgetting,
            layout.digests, layout.health, layout.search_box, layout.password,
        )  # fmt: skip
        return {
            layout.view: None,
            layout.gate: gr.update(visible=True),
            layout.content: gr.update(visible=False),
            layout.user: gr.update(choices=[], value=None),
            **dict.fromkeys(contents, ""),
            layout.refused: render_notice(error, role="alert"),
        }

    def _open(self) -> Changes:
        """Show the first view: of the user that the page was started for, if the bank has it."""
        layout, notice = self.layout, ""
        try:
            view = BankView(self._bank, self.strings, self._language, write=self._write)
        except MemoryBankError as error:
            notice = render_notice(str(error), role="alert")
            return {layout.notice: notice, layout.refused: notice}
        try:
            view.choose_user(self._user_id or view.user_id)
        except LookupError as error:
            notice = render_notice(str(error))
        return {
            layout.view: view,
            layout.gate: gr.update(visible=False),
            layout.content: gr.update(visible=True),
            layout.password: "",
            layout.refused: "",
            layout.tabs: gr.Tabs(selected=view.tab),
            layout.state: view.state,
            **self._show(view, notice),
        }

    def _show(self, view: BankView, notice: str = "") -> Changes:
        """Show the open tab, the user and a message."""
        layout = self.layout
        choices, is_long = view.users[:MOST_CHOICES], len(view.users) > MOST_CHOICES
        return {
            layout.notice: notice,
            layout.user: gr.update(
                choices=choices, value=view.user_id or None, allow_custom_value=is_long
            ),
            layout.stats: view.render_stats(),
            layout.strip: view.render_strip(),
            **self._show_tab(view),
        }

    def _show_tab(self, view: BankView) -> Changes:
        render = {
            "memories": view.render_memories,
            "forgetting": view.render_forgetting,
            "digests": view.render_digests,
            "health": view.render_health,
        }[view.tab]
        return {getattr(self.layout, view.tab): render()}

    def load_overview(self, view: BankView | None) -> Changes:
        """Read the counts over all memories, which the first view does not wait for."""
        if view is None or view.overview is not None or not view.user_id:
            return {self.layout.strip: gr.skip()}
        changes: Changes = self._read_overview(view)
        return changes

    @with_view
    def _read_overview(self, view: BankView) -> Changes:
        view.require_overview()
        return {self.layout.strip: view.render_strip(), self.layout.stats: view.render_stats()}

    @with_view
    def choose_user(self, view: BankView, user_id: object) -> Changes:
        """Show another user."""
        view.choose_user(user_id)
        return {self.layout.search_box: "", **self._show(view)}

    @with_view
    def choose_state(self, view: BankView, state: object) -> Changes:
        """List memories in another state."""
        view.choose_state(state)
        return self._show(view)

    @with_view
    def search(self, view: BankView, query: str) -> Changes:
        """Search; an empty query shows the timeline."""
        view.query = query.strip()
        return self._show(view)

    @with_view
    def look_ahead(self, view: BankView, days: float) -> Changes:
        """Show what fades within some days."""
        view.days_ahead = days
        return {self.layout.forgetting: view.render_forgetting()}

    def select_tab(self, name: str) -> Callable[[BankView | None], Changes]:
        """Return a handler that shows a tab."""

        def select(view: BankView | None) -> Changes:
            if view is None:  # the first tab is selected while the page loads
                return {self.layout.strip: gr.skip()}
            changes: Changes = self._select_tab(view, name)
            return changes

        select.__name__ = f"select_{name}"
        return select

    @with_view
    def _select_tab(self, view: BankView, name: str) -> Changes:
        view.tab, view.confirming = name, ("", "")
        return {self.layout.notice: "", **self._show_tab(view)}

    def handle_click(self, view: BankView | None, event: gr.EventData) -> Changes:
        """Handle a click on a button in HTML."""
        changes: Changes = self._act(view, *clicked(event))
        return changes

    @with_view
    def _act(self, view: BankView, action: object, target: object) -> Changes:
        tab = view.tab
        notice = act(view, action, target)
        changes = self._show(view, notice)
        if view.tab != tab:
            changes[self.layout.tabs] = gr.Tabs(selected=view.tab)
        if action == "clear":
            changes[self.layout.search_box] = ""
        return changes
