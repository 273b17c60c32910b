"""Event handlers of the conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from . import markup
from .handlers import Changes, PageHandlers, with_session, with_session_streaming
from .session import Message, UserSession


class ChatHandlers(PageHandlers):
    """Handlers that send and delete messages, and stop answers."""

    @with_session_streaming
    def say(self, session: UserSession, text: str, *settings: Any) -> Iterator[Changes]:
        """Answer the message in the message box."""
        if text.strip():
            states = session.say(text, _sampling_options(*settings))
            yield from self._stream_answer(session, states, {self.layout.message_box: ""})

    @with_session_streaming
    def again(self, session: UserSession, *settings: Any) -> Iterator[Changes]:
        """Answer the last message again."""
        yield from self._stream_answer(session, session.again(_sampling_options(*settings)), {})

    def _stream_answer(
        self, session: UserSession, states: Iterator[list[Message]], changes: Changes
    ) -> Iterator[Changes]:
        """Show a growing answer and a stop button; update the memory at the end."""
        layout = self.layout
        changes |= {layout.send: gr.update(visible=False), layout.stop: gr.update(visible=True)}
        for messages in states:
            yield {layout.chat: markup.render_conversation(messages, self.strings), **changes}
            changes = {}
        yield {**self.show_send_button(), **self.show_memory(session)}

    def show_send_button(self) -> Changes:
        """Show the send button and hide the stop button."""
        return {
            self.layout.send: gr.update(visible=True),
            self.layout.stop: gr.update(visible=False),
        }

    @with_session
    def stop(self, session: UserSession) -> Changes:
        """Stop the current answer."""
        session.stop()
        return {}

    @with_session
    def take_back(self, session: UserSession) -> Changes:
        """Erase the last turn."""
        session.take_back()
        notice = self.show_notice(self.strings["taken_back"])
        return {**self.show_conversation(session), **self.show_memory(session), **notice}

    @with_session
    def new_conversation(self, session: UserSession) -> Changes:
        """Start a new conversation."""
        session.new_conversation()
        return {**self.show_conversation(session), **self.show_memory(session)}

    def toggle_settings(self, use_defaults: bool) -> Changes:
        """Enable the sliders, unless the model's defaults are used."""
        layout = self.layout
        sliders = (layout.temperature, layout.top_p, layout.max_tokens)
        return dict.fromkeys(sliders, gr.update(interactive=not use_defaults))


def _sampling_options(
    use_defaults: bool, temperature: float, top_p: float, max_tokens: float
) -> dict[str, Any]:
    """Return the model's sampling options; an empty dictionary uses its defaults."""
    if use_defaults:
        return {}
    return {"temperature": temperature, "top_p": top_p, "max_tokens": int(max_tokens)}
