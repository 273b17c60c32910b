"""Layout of the page: its components and their arrangement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from . import markup
from .theme import SEND_CLICKED_BUTTON, STORAGE_KEY

_BARE: dict[str, Any] = {"container": False, "apply_default_css": False}


@dataclass(frozen=True)
class PageLayout:
    """Components of the page that event handlers read or change."""

    session: gr.State
    to_delete: gr.State
    remembered: gr.BrowserState
    sign_in_form: gr.Column
    sign_in_error: gr.HTML
    name: gr.Textbox
    password: gr.Textbox
    sign_in: gr.Button
    content: gr.Column
    head: gr.HTML
    theme: gr.Button
    sign_out: gr.Button
    chat: gr.HTML
    notice: gr.HTML
    message_box: gr.Textbox
    send: gr.Button
    stop: gr.Button
    again: gr.Button
    take_back: gr.Button
    new_conversation: gr.Button
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
    quote: gr.HTML
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
        "session": gr.State(None, delete_callback=_stop),
        "to_delete": gr.State(None),
        "remembered": gr.BrowserState("", storage_key=STORAGE_KEY),
    }
    parts |= _create_sign_in_form(strings, asks_password=asks_password)
    with gr.Column(visible=False) as content:
        parts |= {"content": content} | _create_head(strings)
        with gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=360):
                parts |= _create_conversation(strings)
            with gr.Column(scale=5, min_width=340, elem_id="sf-memory"):
                parts["notice"] = gr.HTML("", elem_id="sf-notice", **_BARE)
                parts |= _create_confirmation(strings) | _create_memory(strings)
    return PageLayout(**parts)


def _stop(session: Any) -> None:
    """Stop the answer of a session that gradio has expired."""
    if session is not None:
        session.stop()


def _create_sign_in_form(strings: Mapping[str, str], *, asks_password: bool) -> dict[str, Any]:
    with gr.Column(elem_id="sf-gate") as form:
        title = f'<h1 class="sf-brand">Silicon<i>Friend</i></h1>{_render_line(strings["tagline"])}'
        gr.HTML(title, **_BARE)
        name = gr.Textbox(
            label=strings["name"],
            placeholder=strings["name_hint"],
            max_length=100,
            elem_id="sf-name",
        )
        password = gr.Textbox(
            label=strings["password"], type="password", visible=asks_password, elem_id="sf-password"
        )
        sign_in = gr.Button(strings["sign_in"], variant="primary", elem_id="sf-enter")
        error = gr.HTML("", elem_id="sf-refused", **_BARE)
    return {
        "sign_in_form": form,
        "sign_in_error": error,
        "name": name,
        "password": password,
        "sign_in": sign_in,
    }


def _render_line(text: str) -> str:
    return f'<p class="sf-known">{markup.escape(text)}</p>'


def _create_head(strings: Mapping[str, str]) -> dict[str, Any]:
    with gr.Row(elem_id="sf-head"):
        head = gr.HTML("", elem_id="sf-hello", scale=1, **_BARE)
        theme = gr.Button(strings["theme"], size="sm", elem_id="sf-theme")
        sign_out = gr.Button(strings["sign_out"], size="sm", elem_id="sf-leave")
    return {"head": head, "theme": theme, "sign_out": sign_out}


def _create_conversation(strings: Mapping[str, str]) -> dict[str, Any]:
    chat = gr.HTML("", elem_id="sf-chat", elem_classes="sf-scroll", autoscroll=True, **_BARE)
    with gr.Row(equal_height=True):
        message_box = gr.Textbox(
            label=strings["message"],
            show_label=False,
            placeholder=strings["message_hint"],
            max_lines=6,
            max_length=20_000,
            scale=8,
            container=False,
            elem_id="sf-box",
        )
        send = gr.Button(strings["send"], variant="primary", min_width=90, elem_id="sf-send")
        stop = gr.Button(
            strings["stop"], variant="stop", min_width=90, visible=False, elem_id="sf-stop"
        )
    with gr.Row():
        buttons = {
            name: gr.Button(
                strings[name], size="sm", min_width=80, elem_id=f"sf-{name.replace('_', '-')}"
            )
            for name in ("again", "take_back", "new_conversation")
        }
    return (
        {"chat": chat, "message_box": message_box, "send": send, "stop": stop}
        | buttons
        | _create_settings(strings)
    )


def _create_settings(strings: Mapping[str, str]) -> dict[str, Any]:
    """Create the sampling settings; their ranges are those of the original MemoryBank's page."""
    with gr.Accordion(strings["settings"], open=False):
        use_defaults = gr.Checkbox(
            value=True, label=strings["use_defaults"], elem_id="sf-use-defaults"
        )
        with gr.Row():
            options: dict[str, Any] = {"interactive": False, "min_width": 140}
            temperature = gr.Slider(0, 2, 0.95, step=0.01, label=strings["temperature"], **options)
            top_p = gr.Slider(0.01, 1, 0.7, step=0.01, label=strings["top_p"], **options)
            max_tokens = gr.Slider(16, 4096, 512, step=16, label=strings["max_tokens"], **options)
    return {
        "use_defaults": use_defaults,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
    }


def _create_confirmation(strings: Mapping[str, str]) -> dict[str, Any]:
    """Create the question that is shown before a deletion."""
    with gr.Column(visible=False, elem_id="sf-confirmation") as confirmation:
        quote = gr.HTML("", **_BARE)
        with gr.Row():
            confirm = gr.Button(strings["yes"], variant="stop", size="sm", elem_id="sf-confirm")
            cancel = gr.Button(strings["no"], size="sm", elem_id="sf-decline")
    return {
        "confirmation": confirmation,
        "quote": quote,
        "confirm": confirm,
        "cancel": cancel,
    }


def _create_memory(strings: Mapping[str, str]) -> dict[str, Any]:
    scrollable: dict[str, Any] = {"elem_classes": "sf-scroll", **_BARE}
    with gr.Tabs():
        with gr.Tab(strings["recalled"], elem_id="sf-tab-recalled"):
            recalled = gr.HTML("", elem_id="sf-recalled", **scrollable)
        with gr.Tab(strings["timeline"], elem_id="sf-tab-timeline"):
            with gr.Row(equal_height=True):
                archived = gr.Checkbox(
                    label=strings["archived"], container=False, min_width=120, elem_id="sf-archived"
                )
                forget_faded = gr.Button(
                    strings["forget_faded"], size="sm", min_width=120, elem_id="sf-forget-faded"
                )
            timeline = gr.HTML(
                "", js_on_load=SEND_CLICKED_BUTTON, elem_id="sf-timeline", **scrollable
            )
        with gr.Tab(strings["digests"], elem_id="sf-tab-digests"):
            digest_now = gr.Button(strings["digest_now"], size="sm", elem_id="sf-digest")
            digests = gr.HTML("", elem_id="sf-digests", **scrollable)
        with gr.Tab(strings["data"], elem_id="sf-tab-data"):
            gr.HTML(_render_line(strings["data_hint"]), **_BARE)
            export = gr.Button(strings["export"], size="sm", elem_id="sf-export")
            exported = gr.Textbox(visible="hidden")
            delete_all = gr.Button(
                strings["delete_all"], variant="stop", size="sm", elem_id="sf-delete-all"
            )
    return {
        "recalled": recalled,
        "archived": archived,
        "forget_faded": forget_faded,
        "timeline": timeline,
        "digest_now": digest_now,
        "digests": digests,
        "export": export,
        "exported": exported,
        "delete_all": delete_all,
    }
