"""Layout of the page: its components and their arrangement.

Three columns: the conversations, the current conversation, and the memory. On a narrow screen the
first and the last are sheets over the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from memorybank_core.web.html_text import escape

from . import deletions
from .memory_layout import create_memory
from .scripts import FOLLOW_ANSWER, SEND_CLICKED_BUTTON, STORAGE_KEY

BARE: dict[str, Any] = {"container": False, "apply_default_css": False}


@dataclass(frozen=True)
class PageLayout:
    """Components of the page that event handlers read or change."""

    session: gr.State
    remembered: gr.BrowserState
    undo_timer: gr.Timer
    sign_in_form: gr.Column
    sign_in_error: gr.HTML
    name: gr.Textbox
    password: gr.Textbox
    sign_in: gr.Button
    content: gr.Column
    head: gr.HTML
    show_conversations: gr.Button
    show_memory: gr.Button
    theme: gr.Button
    sign_out: gr.Button
    new_conversation: gr.Button
    search_box: gr.Textbox
    conversations: gr.HTML
    chat: gr.HTML
    answer: gr.HTML
    notice: gr.HTML
    message_box: gr.Textbox
    send: gr.Button
    stop: gr.Button
    use_defaults: gr.Checkbox
    temperature: gr.Slider
    top_p: gr.Slider
    max_tokens: gr.Slider
    recalled: gr.HTML
    archived: gr.Checkbox
    forget_faded: gr.Button
    timeline: gr.HTML
    digest_now: gr.Button
    digests: gr.HTML
    export: gr.Button
    exported: gr.Textbox
    delete_all: gr.Button
    confirmation: gr.Column
    confirm: gr.Button
    cancel: gr.Button

    def all_components(self) -> list[Any]:
        """Return all components, as the outputs of a handler."""
        return [getattr(self, field.name) for field in fields(self)]


def build_layout(strings: Mapping[str, str], *, asks_password: bool) -> PageLayout:
    """Create the components, without content, inside the current `gr.Blocks`.

    Args:
        strings: Texts of the page.
        asks_password: Whether the sign-in form asks for a password.
    """
    parts: dict[str, Any] = {
        "session": gr.State(None, delete_callback=_close_session),
        "remembered": gr.BrowserState("", storage_key=STORAGE_KEY),
        "undo_timer": gr.Timer(deletions.UNDO_SECONDS / 10, active=False),
    }
    parts |= _create_sign_in_form(strings, asks_password=asks_password)
    with gr.Column(visible=False, elem_id="mb-page") as content:
        parts |= {"content": content} | _create_head(strings)
        with gr.Row(equal_height=False, elem_id="mb-columns"):
            with gr.Column(min_width=0, elem_id="mb-conversations"):
                parts |= _create_conversations(strings)
            with gr.Column(min_width=0, elem_id="mb-main"):
                parts |= _create_conversation(strings)
            with gr.Column(min_width=0, elem_id="mb-memory"):
                parts |= create_memory(strings)
    return PageLayout(**parts)


def _close_session(session: Any) -> None:
    """Stop the answer of a session that gradio has expired, and run its pending deletion."""
    if session is not None:
        session.stop()
        session.deletions.finish(session.user_id)


def _create_sign_in_form(strings: Mapping[str, str], *, asks_password: bool) -> dict[str, Any]:
    with gr.Column(elem_id="mb-gate") as form:
        title = (
            '<h1 class="mb-brand">Silicon<i>Friend</i></h1>'
            f'<p class="mb-known">{escape(strings["tagline"])}</p>'
        )
        gr.HTML(title, **BARE)
        name = gr.Textbox(
            label=strings["name"],
            placeholder=strings["name_hint"],
            max_length=100,
            autofocus=True,
            elem_id="mb-name",
        )
        password = gr.Textbox(
            label=strings["password"], type="password", visible=asks_password, elem_id="mb-password"
        )
        sign_in = gr.Button(strings["sign_in"], variant="primary", elem_id="mb-enter")
        error = gr.HTML("", elem_id="mb-refused", **BARE)
    return {
        "sign_in_form": form,
        "sign_in_error": error,
        "name": name,
        "password": password,
        "sign_in": sign_in,
    }


def _create_head(strings: Mapping[str, str]) -> dict[str, Any]:
    with gr.Row(elem_id="mb-head"):
        parts: dict[str, Any] = {
            "show_conversations": _create_head_button(strings, "conversations"),
            "head": gr.HTML("", elem_id="mb-hello", scale=1, **BARE),
            "show_memory": _create_head_button(strings, "memory"),
            "theme": _create_head_button(strings, "theme"),
            "sign_out": _create_head_button(strings, "sign_out"),
        }
    return parts


def _create_head_button(strings: Mapping[str, str], name: str) -> gr.Button:
    return gr.Button(strings[name], size="sm", min_width=0, elem_id=f"mb-head-{name}")


def _create_conversations(strings: Mapping[str, str]) -> dict[str, Any]:
    new_conversation = gr.Button(
        strings["new_conversation"], size="sm", elem_id="mb-new-conversation"
    )
    search_box = gr.Textbox(
        label=strings["search"],
        placeholder=strings["search"],
        container=False,
        max_lines=1,
        elem_id="mb-search",
    )
    conversations = gr.HTML(
        "", js_on_load=SEND_CLICKED_BUTTON, elem_id="mb-list", elem_classes="mb-scroll", **BARE
    )
    return {
        "new_conversation": new_conversation,
        "search_box": search_box,
        "conversations": conversations,
    }


def _create_conversation(strings: Mapping[str, str]) -> dict[str, Any]:
    with gr.Column(elem_id="mb-talk", elem_classes="mb-scroll"):
        chat = gr.HTML("", js_on_load=SEND_CLICKED_BUTTON, elem_id="mb-chat", **BARE)
        answer = gr.HTML("", js_on_load=FOLLOW_ANSWER, elem_id="mb-answer", **BARE)
    notice = gr.HTML("", js_on_load=SEND_CLICKED_BUTTON, elem_id="mb-notice", **BARE)
    with gr.Row(equal_height=False, elem_id="mb-composer"):
        message_box = gr.Textbox(
            label=strings["message"],
            placeholder=strings["message_hint"],
            max_lines=10,
            max_length=20_000,
            scale=8,
            container=False,
            elem_id="mb-box",
        )
        send = gr.Button(
            strings["send"], variant="primary", scale=0, min_width=84, elem_id="mb-send"
        )
        stop = gr.Button(strings["stop"], scale=0, min_width=84, visible=False, elem_id="mb-stop")
    hint = escape(strings["keys"])
    gr.HTML(f'<p class="mb-keys">{hint}</p>', **BARE)
    return {
        "chat": chat,
        "answer": answer,
        "notice": notice,
        "message_box": message_box,
        "send": send,
        "stop": stop,
    }
