"""What the page does with a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from . import markup
from .handlers import Changes, PageHandlers, shown, shown_live
from .session import Message, UserSession


class ChatHandlers(PageHandlers):
    """Saying, stopping, taking back."""

    @shown_live
    def say(self, visit: UserSession, text: str, *settings: Any) -> Iterator[Changes]:
        """Answers what is in the box."""
        if text.strip():
            states = visit.say(text, _settings(*settings))
            yield from self._answering(visit, states, {self.at.box: ""})

    @shown_live
    def again(self, visit: UserSession, *settings: Any) -> Iterator[Changes]:
        """Answers anew what was said last."""
        yield from self._answering(visit, visit.again(_settings(*settings)), {})

    def _answering(
        self, visit: UserSession, states: Iterator[list[Message]], changes: Changes
    ) -> Iterator[Changes]:
        """Shows an answer as it grows, with a button that stops it, and then the memory."""
        at = self.at
        changes |= {at.send: gr.update(visible=False), at.stop: gr.update(visible=True)}
        for messages in states:
            yield {at.chat: markup.talk(messages, self.words), **changes}
            changes = {}
        yield {**self.answered(), **self.memory(visit)}

    def answered(self) -> Changes:
        """Something can be said again."""
        return {self.at.send: gr.update(visible=True), self.at.stop: gr.update(visible=False)}

    @shown
    def stop(self, visit: UserSession) -> Changes:
        """Ends the answer under way."""
        visit.stop()
        return {}

    @shown
    def take_back(self, visit: UserSession) -> Changes:
        """Erases the last turn."""
        visit.take_back()
        told = self.notice(self.words["taken_back"])
        return {**self.talk(visit), **self.memory(visit), **told}

    @shown
    def begin_anew(self, visit: UserSession) -> Changes:
        """Begins another conversation."""
        visit.begin_anew()
        return {**self.talk(visit), **self.memory(visit)}

    def choose_settings(self, own: bool) -> Changes:
        """Lets the sliders be moved, or not."""
        sliders = (self.at.temperature, self.at.top_p, self.at.max_tokens)
        return dict.fromkeys(sliders, gr.update(interactive=not own))


def _settings(own: bool, temperature: float, top_p: float, max_tokens: float) -> dict[str, Any]:
    """What the model is told of its sampling; nothing where it is left to it."""
    if own:
        return {}
    return {"temperature": temperature, "top_p": top_p, "max_tokens": int(max_tokens)}
