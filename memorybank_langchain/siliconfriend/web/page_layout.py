"""What stands where on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from . import markup
from .theme import ACTIONS, REMEMBERED

_BARE: dict[str, Any] = {"container": False, "apply_default_css": False}


@dataclass(frozen=True)
class PageLayout:
    """The parts of the page that are filled, pressed or hidden."""

    visit: gr.State
    doomed: gr.State
    remembered: gr.BrowserState
    gate: gr.Column
    refused: gr.HTML
    name: gr.Textbox
    password: gr.Textbox
    enter: gr.Button
    inside: gr.Column
    head: gr.HTML
    theme: gr.Button
    leave: gr.Button
    chat: gr.HTML
    notice: gr.HTML
    box: gr.Textbox
    send: gr.Button
    stop: gr.Button
    again: gr.Button
    take_back: gr.Button
    anew: gr.Button
    own: gr.Checkbox
    temperature: gr.Slider
    top_p: gr.Slider
    max_tokens: gr.Slider
    recalled: gr.HTML
    archived: gr.Checkbox
    fade: gr.Button
    timeline: gr.HTML
    digest_now: gr.Button
    digests: gr.HTML
    export: gr.Button
    exported: gr.Textbox
    delete_all: gr.Button
    question: gr.Column
    quote: gr.HTML
    confirm: gr.Button
    decline: gr.Button

    def all(self) -> list[Any]:
        """Every part: what a handler may change."""
        return [getattr(self, field.name) for field in fields(self)]


def laid_out(words: Mapping[str, str], *, asks_password: bool) -> PageLayout:
    """The empty page, inside of a `gr.Blocks`: nobody's memory is in it."""
    parts: dict[str, Any] = {
        "visit": gr.State(None, delete_callback=_leave),
        "doomed": gr.State(None),
        "remembered": gr.BrowserState("", storage_key=REMEMBERED),
    }
    parts |= _gate(words, asks_password=asks_password)
    with gr.Column(visible=False) as inside:
        parts |= {"inside": inside} | _head(words)
        with gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=360):
                parts |= _talk(words)
            with gr.Column(scale=5, min_width=340, elem_id="sf-memory"):
                parts["notice"] = gr.HTML("", elem_id="sf-notice", **_BARE)
                parts |= _question(words) | _memory(words)
    return PageLayout(**parts)


def _leave(visit: Any) -> None:
    """When a browser is long gone, so is what it asked for."""
    if visit is not None:
        visit.stop()


def _gate(words: Mapping[str, str], *, asks_password: bool) -> dict[str, Any]:
    with gr.Column(elem_id="sf-gate") as gate:
        title = f'<h1 class="sf-brand">Silicon<i>Friend</i></h1>{_line(words["tagline"])}'
        gr.HTML(title, **_BARE)
        name = gr.Textbox(
            label=words["name"], placeholder=words["name_hint"], max_length=100, elem_id="sf-name"
        )
        password = gr.Textbox(
            label=words["password"], type="password", visible=asks_password, elem_id="sf-password"
        )
        enter = gr.Button(words["sign_in"], variant="primary", elem_id="sf-enter")
        refused = gr.HTML("", elem_id="sf-refused", **_BARE)
    gate_parts = {"gate": gate, "refused": refused, "name": name, "password": password}
    return gate_parts | {"enter": enter}


def _line(text: str) -> str:
    return f'<p class="sf-known">{markup.escaped(text)}</p>'


def _head(words: Mapping[str, str]) -> dict[str, Any]:
    with gr.Row(elem_id="sf-head"):
        head = gr.HTML("", elem_id="sf-hello", scale=1, **_BARE)
        theme = gr.Button(words["theme"], size="sm", elem_id="sf-theme")
        leave = gr.Button(words["sign_out"], size="sm", elem_id="sf-leave")
    return {"head": head, "theme": theme, "leave": leave}


def _talk(words: Mapping[str, str]) -> dict[str, Any]:
    chat = gr.HTML("", elem_id="sf-chat", elem_classes="sf-scroll", autoscroll=True, **_BARE)
    with gr.Row(equal_height=True):
        box = gr.Textbox(
            label=words["message"],
            show_label=False,
            placeholder=words["message_hint"],
            max_lines=6,
            max_length=20_000,
            scale=8,
            container=False,
            elem_id="sf-box",
        )
        send = gr.Button(words["send"], variant="primary", min_width=90, elem_id="sf-send")
        stop = gr.Button(
            words["stop"], variant="stop", min_width=90, visible=False, elem_id="sf-stop"
        )
    with gr.Row():
        buttons = {
            do: gr.Button(words[do], size="sm", min_width=80, elem_id=f"sf-{do.replace('_', '-')}")
            for do in ("again", "take_back", "anew")
        }
    return {"chat": chat, "box": box, "send": send, "stop": stop} | buttons | _settings(words)


def _settings(words: Mapping[str, str]) -> dict[str, Any]:
    """Of the sampling; the ranges are those of the original's page."""
    with gr.Accordion(words["settings"], open=False):
        own = gr.Checkbox(value=True, label=words["own"], elem_id="sf-own")
        with gr.Row():
            kinds: dict[str, Any] = {"interactive": False, "min_width": 140}
            temperature = gr.Slider(0, 2, 0.95, step=0.01, label=words["temperature"], **kinds)
            top_p = gr.Slider(0.01, 1, 0.7, step=0.01, label=words["top_p"], **kinds)
            max_tokens = gr.Slider(16, 4096, 512, step=16, label=words["max_tokens"], **kinds)
    return {"own": own, "temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}


def _question(words: Mapping[str, str]) -> dict[str, Any]:
    """What asks before anything is deleted."""
    with gr.Column(visible=False, elem_id="sf-question") as question:
        quote = gr.HTML("", **_BARE)
        with gr.Row():
            confirm = gr.Button(words["yes"], variant="stop", size="sm", elem_id="sf-confirm")
            decline = gr.Button(words["no"], size="sm", elem_id="sf-decline")
    return {"question": question, "quote": quote, "confirm": confirm, "decline": decline}


def _memory(words: Mapping[str, str]) -> dict[str, Any]:
    scrolling: dict[str, Any] = {"elem_classes": "sf-scroll", **_BARE}
    with gr.Tabs():
        with gr.Tab(words["recalled"], elem_id="sf-tab-recalled"):
            recalled = gr.HTML("", elem_id="sf-recalled", **scrolling)
        with gr.Tab(words["timeline"], elem_id="sf-tab-timeline"):
            with gr.Row(equal_height=True):
                archived = gr.Checkbox(
                    label=words["archived"], container=False, min_width=120, elem_id="sf-archived"
                )
                fade = gr.Button(words["fade"], size="sm", min_width=120, elem_id="sf-fade")
            timeline = gr.HTML("", js_on_load=ACTIONS, elem_id="sf-timeline", **scrolling)
        with gr.Tab(words["digests"], elem_id="sf-tab-digests"):
            digest_now = gr.Button(words["digest_now"], size="sm", elem_id="sf-digest")
            digests = gr.HTML("", elem_id="sf-digests", **scrolling)
        with gr.Tab(words["data"], elem_id="sf-tab-data"):
            gr.HTML(_line(words["data_told"]), **_BARE)
            export = gr.Button(words["export"], size="sm", elem_id="sf-export")
            exported = gr.Textbox(visible="hidden")
            delete_all = gr.Button(
                words["delete_all"], variant="stop", size="sm", elem_id="sf-delete-all"
            )
    return {
        "recalled": recalled,
        "archived": archived,
        "fade": fade,
        "timeline": timeline,
        "digest_now": digest_now,
        "digests": digests,
        "export": export,
        "exported": exported,
        "delete_all": delete_all,
    }
