"""Layout of the page: the user and the settings at the side, the tabs, and their components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from memorybank_core.web.html_text import escape
from memorybank_core.web.scripts import SEND_CLICKED_BUTTON

from .overview import HORIZON
from .timeline_pages import STATES

_BARE: dict[str, Any] = {"container": False, "apply_default_css": False}
TABS = ("memories", "forgetting", "digests", "health")
"""Names of the tabs."""


@dataclass(frozen=True)
class BankLayout:
    """Components of the page that event handlers read or change."""

    view: gr.State
    gate: gr.Column
    refused: gr.HTML
    password: gr.Textbox
    sign_in: gr.Button
    content: gr.Column
    theme: gr.Button
    sign_out: gr.Button
    user: gr.Dropdown
    stats: gr.HTML
    notice: gr.HTML
    tabs: gr.Tabs
    search_box: gr.Textbox
    search: gr.Button
    state: gr.Radio
    strip: gr.HTML
    memories: gr.HTML
    days_ahead: gr.Slider
    forgetting: gr.HTML
    digests: gr.HTML
    health: gr.HTML

    def all_components(self) -> list[Any]:
        """Return all components, as the outputs of a handler."""
        return [getattr(self, field.name) for field in fields(self)]


@dataclass(frozen=True)
class TabTriggers:
    """The tabs by name, whose selection is an event."""

    by_name: Mapping[str, gr.Tab]


def build_layout(
    strings: Mapping[str, str], title: str, *, asks_password: bool
) -> tuple[BankLayout, TabTriggers]:
    """Create the components, without content, inside the current `gr.Blocks`.

    Args:
        strings: Texts of the page.
        title: HTML of the title.
        asks_password: Whether visitors must enter a password.
    """
    parts: dict[str, Any] = {"view": gr.State(None)}
    parts |= _create_gate(strings, asks_password=asks_password)
    with gr.Column(visible=not asks_password, elem_id="mb-page") as content:
        parts["content"] = content
        with gr.Row(elem_id="mb-top"):
            gr.HTML(title, elem_id="mb-title", **_BARE)
            parts["theme"] = gr.Button(strings["theme"], size="sm", elem_id="mb-theme")
            parts["sign_out"] = gr.Button(
                strings["sign_out"], size="sm", visible=asks_password, elem_id="mb-sign-out"
            )
        with gr.Row(equal_height=False, elem_id="mb-columns"):
            with gr.Column(min_width=0, elem_id="mb-side"):
                parts["user"] = gr.Dropdown(
                    label=strings["user"], filterable=True, elem_id="mb-user"
                )
                parts["stats"] = _create_html("mb-stats")
            with gr.Column(min_width=0, elem_id="mb-main"):
                parts["notice"] = gr.HTML("", elem_id="mb-notice", **_BARE)
                tabs = _create_tabs(strings, parts)
    return BankLayout(**parts), TabTriggers(tabs)


def _create_html(elem_id: str) -> gr.HTML:
    """Create HTML whose buttons are events."""
    return gr.HTML("", js_on_load=SEND_CLICKED_BUTTON, elem_id=elem_id, **_BARE)


def _create_gate(strings: Mapping[str, str], *, asks_password: bool) -> dict[str, Any]:
    with gr.Column(elem_id="mb-gate", visible=asks_password) as gate:
        tagline = escape(strings["tagline"])
        title = f'<h1 class="mb-brand">Memory<i>Bank</i></h1><p class="mb-known">{tagline}</p>'
        gr.HTML(title, **_BARE)
        password = gr.Textbox(
            label=strings["password"], type="password", autofocus=True, elem_id="mb-password"
        )
        sign_in = gr.Button(strings["sign_in"], variant="primary", elem_id="mb-enter")
        refused = gr.HTML("", elem_id="mb-refused", **_BARE)
    return {"gate": gate, "password": password, "sign_in": sign_in, "refused": refused}


def _create_tabs(strings: Mapping[str, str], parts: dict[str, Any]) -> dict[str, gr.Tab]:
    """Create the tabs; add their components to `parts`, and return the tabs."""
    tabs: dict[str, gr.Tab] = {}
    with gr.Tabs(selected="memories", elem_id="mb-tabs") as parts["tabs"]:
        for name in TABS:
            with gr.Tab(strings[name], id=name, elem_id=f"mb-tab-{name}") as tabs[name]:
                if name == "memories":
                    _create_search(strings, parts)
                if name == "forgetting":
                    parts["days_ahead"] = gr.Slider(
                        0, HORIZON.days, 30, step=1, label=strings["days_ahead"], elem_id="mb-ahead"
                    )
                parts[name] = _create_html(f"mb-{name}")
    return tabs


def _create_search(strings: Mapping[str, str], parts: dict[str, Any]) -> None:
    """Create the search box, the states of memories and the strip of days."""
    with gr.Row(equal_height=True, elem_id="mb-searching"):
        parts["search_box"] = gr.Textbox(
            label=strings["search"],
            placeholder=strings["search_hint"],
            container=False,
            max_lines=1,
            max_length=2_000,
            scale=8,
            elem_id="mb-search",
        )
        parts["search"] = gr.Button(
            strings["search"], variant="primary", scale=0, min_width=96, elem_id="mb-search-now"
        )
    parts["state"] = gr.Radio(
        [(strings[state], state) for state in STATES],
        value=STATES[0],
        label=strings["filter"],
        container=False,
        elem_id="mb-state",
    )
    parts["strip"] = _create_html("mb-strip")
