"""Event handlers of the conversation and the list of conversations."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, cast

import gradio as gr

from memorybank_core import MemoryBankError
from memorybank_core.web.events import Changes, clicked
from memorybank_langchain.siliconfriend.failures import describe_failure

from . import conversation_markup
from .handlers import with_session, with_session_streaming
from .memory_handlers import MemoryHandlers
from .session import NoAnswerError, UserSession

_MAX_REASON_LENGTH = 500
_PAUSE = 0.05  # seconds between two updates of a growing answer


class ChatHandlers(MemoryHandlers):
    """Handlers that send, edit and answer messages, and change the conversation."""

    @with_session_streaming
    def say(self, session: UserSession, text: str, *settings: Any) -> Iterator[Changes]:
        """Answer the message in the message box."""
        if text.strip():
            edited = session.editing
            answers = session.say(text, _sampling_options(*settings))
            yield from self._stream_answer(
                session, text, answers, replaces_last=bool(edited), edited=edited
            )

    def handle_turn(
        self, session: UserSession | None, event: gr.EventData, *settings: Any
    ) -> Iterator[Changes]:
        """Handle a click on a button of a turn, or on a suggestion."""
        action, target = clicked(event)
        changes: Iterator[Changes] = self._handle_turn(session, action, target, *settings)
        yield from changes

    @with_session_streaming
    def _handle_turn(
        self, session: UserSession, action: object, target: object, *settings: Any
    ) -> Iterator[Changes]:
        if action == "suggest":
            position = int(target) if isinstance(target, str) and target.isdecimal() else -1
            for text in session.suggestions[position : position + 1]:
                answers = session.say(text, _sampling_options(*settings))
                yield from self._stream_answer(session, text, answers, replaces_last=False)
        elif action == "again":
            turn = session.require_last(target).turn
            answers = session.again(target, _sampling_options(*settings))
            query = turn.query if turn else ""
            yield from self._stream_answer(session, query, answers, replaces_last=True)
        elif action == "edit":
            text = session.edit(target)
            yield {self.layout.message_box: text, **self.show_pending(session)}
        else:
            yield self.act(session, "chat", action, target)

    def _stream_answer(
        self,
        session: UserSession,
        query: str,
        answers: Iterator[str],
        *,
        replaces_last: bool,
        edited: str = "",
    ) -> Iterator[Changes]:
        """Show a growing answer and a stop button; update the memory at the end.

        Args:
            session: The user's session.
            query: The user's message.
            answers: The growing answer.
            replaces_last: Whether the answer replaces the last turn.
            edited: Id of the turn whose message was edited; without an answer it is edited again.
        """
        conversation, answer, failure = session.companion.session, "", ""
        with closing(cast(Generator[str], answers)):
            yield self._show_start(session, query, replaces_last=replaces_last)
            shown_at = 0.0
            try:
                for answer in answers:
                    if session.companion.session != conversation:
                        break  # another conversation was opened
                    if time.monotonic() - shown_at >= _PAUSE:
                        yield self._show_growing(session, query, answer)
                        shown_at = time.monotonic()
            except NoAnswerError as error:
                reason = describe_failure(error.error, self._language)[:_MAX_REASON_LENGTH]
                failure = self.strings["failed"].format(error=reason)
        is_kept = edited and (failure or not answer) and session.companion.session == conversation
        if is_kept:
            session.editing = edited
        note = self.strings["kept_earlier" if replaces_last else "kept"]
        yield {
            **self._show_end(session, failure, note),
            **self.show_send_button(),
            **({self.layout.message_box: query} if is_kept else {}),
        }

    def _show_start(self, session: UserSession, query: str, *, replaces_last: bool) -> Changes:
        """Show the message, the place of its answer, and the stop button."""
        layout, turns = self.layout, session.read_turns()
        return {
            layout.chat: session.render_conversation(
                turns, answering=True, without_last=replaces_last
            ),
            **self._show_growing(session, query, ""),
            layout.message_box: "",
            layout.send: gr.update(visible=False),
            layout.stop: gr.update(visible=True),
            **self.show_pending(session),
        }

    def _show_growing(self, session: UserSession, query: str, answer: str) -> Changes:
        """Show a growing answer, below the turns that wait to be stored."""
        growing = conversation_markup.render_growing(query, answer, self.strings)
        return {self.layout.answer: session.render_waiting() + growing}

    def _show_end(self, session: UserSession, failure: str, note: str) -> Changes:
        """Show the page after an answer, also if the bank cannot be read.

        Args:
            session: The user's session.
            failure: Why there is no answer; "" if there is one.
            note: What is stored if there is no answer.
        """
        try:
            changes = {**self.show_page(session), **self.show_pending(session)}
        except MemoryBankError as error:
            changes = self.show_notice(str(error))
        shown = session.render_waiting()
        if failure:
            reason = failure if shown else f"{failure}\n\n{note}"
            shown += conversation_markup.render_failure(reason, self.strings)
        return {**changes, self.layout.answer: shown}

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
    def new_conversation(self, session: UserSession) -> Changes:
        """Start a new conversation."""
        session.new_conversation()
        return self.show_page(session)

    def open_conversation(self, session: UserSession | None, event: gr.EventData) -> Changes:
        """Open the clicked conversation, or delete it."""
        action, name = clicked(event)
        if action == "open":
            changes: Changes = self._open_conversation(session, name)
        else:
            changes = self._delete_conversation(session, action, name)
        return changes

    @with_session
    def _delete_conversation(self, session: UserSession, action: object, name: object) -> Changes:
        """Ask before the deletion of a conversation, and delete it once confirmed."""
        is_confirmed = action == "confirm" and session.confirming == ("conversations", name)
        session.confirming = ("conversations", str(name)) if action == "delete" else None
        if is_confirmed:
            session.delete_conversation_later(str(name))
            return self._show_deletion(session)
        turns = session.read_turns()
        return {self.layout.conversations: session.render_conversations(turns)}

    @with_session
    def _open_conversation(self, session: UserSession, name: object) -> Changes:
        session.open_conversation(name)
        return self.show_page(session)

    @with_session
    def search(self, session: UserSession, text: str) -> Changes:
        """List the conversations that contain the words in the search box."""
        session.search = text
        turns = session.read_turns()
        return {self.layout.conversations: session.render_conversations(turns)}

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
