"""Base class of the page's event handlers: sign-in, sign-out, and errors shown on the page.

A handler returns the components to change, with their new values. The user is taken from the
session that the server keeps for the browser, never from data that the browser sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import gradio as gr
from langchain_core.language_models import BaseChatModel

from memorybank_core import MemoryBank, MemoryBankError
from memorybank_core.web.events import Changes
from memorybank_core.web.markup import render_button, render_notice
from memorybank_core.web.passwords import is_password

from .deletions import PendingDeletions
from .page_layout import PageLayout
from .session import StaleConversationError, UserSession, clean_name
from .strings import STRINGS


def with_session(handler: Callable[..., Changes]) -> Callable[..., Changes]:
    """Decorate a handler to require a session, and to show its errors on the page."""

    @wraps(handler)
    def wrapper(self: PageHandlers, session: UserSession | None, *args: Any) -> Changes:
        if session is None:
            return self.show_lost()
        try:
            changes = handler(self, session, *args)
            return {**self.show_pending(session), **changes}
        except (LookupError, MemoryBankError) as error:
            return self.show_error(session, error)

    return wrapper


def with_session_streaming(
    handler: Callable[..., Iterator[Changes]],
) -> Callable[..., Iterator[Changes]]:
    """Apply `with_session` to a handler that yields several changes of the page."""

    @wraps(handler)
    def wrapper(self: PageHandlers, session: UserSession | None, *args: Any) -> Iterator[Changes]:
        if session is None:
            yield self.show_lost()
            return
        try:
            yield self.show_pending(session)
            yield from handler(self, session, *args)
        except (LookupError, MemoryBankError) as error:
            yield self.show_error(session, error)

    return wrapper


class PageHandlers:
    """Handlers of sign-in and sign-out, and the page changes that several handlers share.

    Args:
        bank: Bank with the memories.
        model: Chat model that answers.
        layout: Components of the page.
        language: "en" or "zh".
        password: Password that visitors must enter; None requires no password.
        options: Keyword arguments of `Companion`.
    """

    def __init__(
        self,
        bank: MemoryBank,
        model: BaseChatModel,
        layout: PageLayout,
        language: str,
        password: str | None,
        options: dict[str, Any],
    ) -> None:
        self.strings, self.layout = STRINGS[language], layout
        self._bank, self._model, self._language = bank, model, language
        self._password, self._options = password, options
        self.deletions = PendingDeletions()

    def restore_session(self, remembered: object) -> Changes:
        """Sign in a returning browser; with a password, only fill in the name.

        Without a name the page stays as it is: the visitor may have signed in by hand meanwhile.
        """
        if not isinstance(remembered, str) or not remembered:
            return self.show_notice("")
        if self._password is not None:
            return {self.layout.name: remembered}
        return self.sign_in(remembered, "")

    def sign_in(self, name: str, password: str) -> Changes:
        """Sign in a user and show their conversation and memories."""
        if not is_password(password, self._password):
            return self.show_sign_in(self.strings["wrong_password"])
        try:
            user = clean_name(name or "", self.strings)
            self.deletions.finish(user)
            session = UserSession(
                self._model, self._bank, user, self.strings, self.deletions, **self._options
            )
        except MemoryBankError as error:
            return self.show_sign_in(str(error))
        layout = self.layout
        return {
            layout.session: session,
            layout.remembered: user,
            layout.sign_in_form: gr.update(visible=False),
            layout.content: gr.update(visible=True),
            layout.name: "",
            layout.password: "",
            **self.show_page(session),
            layout.search_box: "",
            **dict.fromkeys((layout.sign_in_error, layout.notice), ""),
        }

    def sign_out(self, session: UserSession | None) -> Changes:
        """Sign out: forget the name, and show the sign-in form."""
        if session is not None:
            session.stop()
            self.deletions.finish(session.user_id)
        return {self.layout.remembered: "", **self.show_sign_in("")}

    def show_lost(self) -> Changes:
        """Show the sign-in form after the server lost the session; keep the message being typed."""
        changes = self.show_sign_in(self.strings["lost"])
        del changes[self.layout.message_box]
        return changes

    def show_sign_in(self, error: str) -> Changes:
        """Show the sign-in form with an error, and remove all content.

        Args:
            error: The message to show; "" shows none.
        """
        layout = self.layout
        content_components = (
            layout.head, layout.chat, layout.answer, layout.conversations, layout.recalled,
            layout.timeline, layout.digests, layout.notice, layout.message_box,
        )  # fmt: skip
        return {
            layout.session: None,
            layout.sign_in_form: gr.update(visible=True),
            layout.content: gr.update(visible=False),
            layout.confirmation: gr.update(visible=False),
            layout.delete_all: gr.update(visible=True),
            layout.archived: False,
            layout.sign_in_error: render_notice(error, role="alert"),
            **dict.fromkeys(content_components, ""),
        }

    def show_notice(self, text: str) -> Changes:
        """Show a message about the last action."""
        return {self.layout.notice: render_notice(text)}

    def show_error(self, session: UserSession, error: Exception) -> Changes:
        """Show an error, and the present conversation if the page shows an earlier state of it."""
        notice = self.show_notice(str(error))
        if isinstance(error, StaleConversationError):
            return {**self.show_page(session), **notice}
        return notice

    def show_pending(self, session: UserSession) -> Changes:
        """Show what can still be undone or cancelled: a deletion, or the editing of a message."""
        strings = self.strings
        notice = ""
        if session.editing:
            button = render_button("cancel_edit", "", strings)
            notice = render_notice(strings["editing"], button)
        elif session.deletion is not None and session.deletion.is_pending:
            button = render_button("undo", "", strings)
            notice = render_notice(strings["deleting"], button)
        return {self.layout.notice: notice}

    def show_page(self, session: UserSession) -> Changes:
        """Show the conversation, the list of conversations, and the memory."""
        layout, turns = self.layout, session.read_turns()
        return {
            layout.head: session.render_head(turns),
            layout.chat: session.render_conversation(turns),
            layout.answer: session.render_waiting(),
            layout.conversations: session.render_conversations(turns),
            layout.recalled: session.render_recalled(self._language),
            layout.timeline: session.render_timeline(),
            layout.digests: session.render_digests(),
        }
