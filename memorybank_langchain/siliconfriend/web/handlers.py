"""What is common to all that is pressed on the page, and who is let in.

An act returns what changes on the page. Who it happens to is read from the visit that the server
keeps for the browser's session, never from what the browser sends.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import gradio as gr
from langchain_core.language_models import BaseChatModel

from memorybank_core import MemoryBank, MemoryBankError

from . import markup
from .page_layout import PageLayout
from .session import UserSession, called
from .strings import WORDS

_GUESSING = 1.0  # seconds that a wrong password costs
Changes = dict[Any, Any]


def shown(act: Callable[..., Changes]) -> Callable[..., Changes]:
    """`act` of a visit; where it fails, that is shown, and without a visit nothing is done."""

    @wraps(act)
    def safe(self: PageHandlers, visit: UserSession | None, *args: Any) -> Changes:
        if visit is None:
            return self.turned_away(self.words["lost"])
        try:
            return {self.at.notice: "", **act(self, visit, *args)}
        except (LookupError, MemoryBankError) as error:
            return self.notice(str(error))

    return safe


def shown_live(act: Callable[..., Iterator[Changes]]) -> Callable[..., Iterator[Changes]]:
    """The same for one that changes the page step by step."""

    @wraps(act)
    def safe(self: PageHandlers, visit: UserSession | None, *args: Any) -> Iterator[Changes]:
        if visit is None:
            yield self.turned_away(self.words["lost"])
            return
        try:
            yield {self.at.notice: ""}
            yield from act(self, visit, *args)
        except (LookupError, MemoryBankError) as error:
            yield self.notice(str(error))

    return safe


class PageHandlers:
    """The gate, and what every act may show.

    Args:
        bank: Where the memories are.
        model: What answers.
        at: The parts of the page.
        language: "en" or "zh".
        password: What everyone must know who wants in; None asks for none.
        options: The keywords of `Companion`.
    """

    def __init__(
        self,
        bank: MemoryBank,
        model: BaseChatModel,
        at: PageLayout,
        language: str,
        password: str | None,
        options: dict[str, Any],
    ) -> None:
        self.words, self.at = WORDS[language], at
        self._bank, self._model, self._language = bank, model, language
        self._password, self._options = password, options

    def come_back(self, remembered: object) -> Changes:
        """Where no password is asked, a browser comes back as who it was."""
        if not isinstance(remembered, str) or not remembered:
            return self.turned_away("")
        if self._password is not None:
            return {self.at.name: remembered}
        return self.enter(remembered, "")

    def enter(self, name: str, password: str) -> Changes:
        """Lets a person in, and shows them what is theirs."""
        if self._password is not None and not hmac.compare_digest(
            (password or "").encode(), self._password.encode()
        ):
            time.sleep(_GUESSING)
            return self.turned_away(self.words["wrong_password"])
        try:
            user = called(name or "", self.words)
            visit = UserSession(self._model, self._bank, user, self.words, **self._options)
        except MemoryBankError as error:
            return self.turned_away(str(error))
        at = self.at
        return {
            at.visit: visit,
            at.remembered: user,
            at.gate: gr.update(visible=False),
            at.inside: gr.update(visible=True),
            at.name: "",
            at.password: "",
            **self.talk(visit),
            **self.memory(visit),
            at.digests: visit.digests(),
            **dict.fromkeys((at.refused, at.notice), ""),
        }

    def leave(self, visit: UserSession | None) -> Changes:
        """Forgets who it was."""
        if visit is not None:
            visit.stop()
        return {self.at.remembered: "", **self.turned_away("")}

    def turned_away(self, why: str) -> Changes:
        """Shows the gate, and nothing of anybody."""
        at = self.at
        texts = (at.head, at.chat, at.recalled, at.timeline, at.digests, at.notice, at.quote)
        return {
            at.visit: None,
            at.doomed: None,
            at.gate: gr.update(visible=True),
            at.inside: gr.update(visible=False),
            at.question: gr.update(visible=False),
            at.archived: False,
            at.refused: markup.notice(why),
            **dict.fromkeys(texts, ""),
        }

    def notice(self, text: str) -> Changes:
        """Says what was done, or why not."""
        return {self.at.notice: markup.notice(text)}

    def talk(self, visit: UserSession) -> Changes:
        """The conversation as it is."""
        return {self.at.chat: visit.talk()}

    def memory(self, visit: UserSession) -> Changes:
        """The memory as it is."""
        at = self.at
        return {
            at.head: visit.head(),
            at.recalled: visit.recalled(self._language),
            at.timeline: visit.timeline(),
        }
