"""Layout of the memory: what was recalled, the timeline, the portrait, and the user's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from memorybank_core.web.html_text import escape

from .scripts import SEND_CLICKED_BUTTON

_SCROLLABLE: dict[str, Any] = {
    "elem_classes": "mb-scroll", "container": False, "apply_default_css": False
}  # fmt: skip


def create_memory(strings: Mapping[str, str]) -> dict[str, Any]:
    """Create the tabs of the memory; return their components by name."""
    with gr.Tabs():
        with gr.Tab(strings["recalled"], elem_id="mb-tab-recalled"):
            recalled = gr.HTML("", elem_id="mb-recalled", **_SCROLLABLE)
            parts: dict[str, Any] = {"recalled": recalled}
        with gr.Tab(strings["timeline"], elem_id="mb-tab-timeline"):
            parts |= _create_timeline(strings)
        with gr.Tab(strings["digests"], elem_id="mb-tab-digests"):
            parts["digest_now"] = gr.Button(strings["digest_now"], size="sm", elem_id="mb-digest")
            parts["digests"] = gr.HTML("", elem_id="mb-digests", **_SCROLLABLE)
        with gr.Tab(strings["data"], elem_id="mb-tab-data"):
            parts |= _create_data(strings)
            parts |= _create_settings(strings)
    return parts


def _create_timeline(strings: Mapping[str, str]) -> dict[str, Any]:
    with gr.Row(equal_height=True):
        archived = gr.Checkbox(
            label=strings["archived"], container=False, min_width=120, elem_id="mb-archived"
        )
        forget_faded = gr.Button(
            strings["forget_faded"], size="sm", min_width=120, elem_id="mb-forget-faded"
        )
    timeline = gr.HTML("", js_on_load=SEND_CLICKED_BUTTON, elem_id="mb-timeline", **_SCROLLABLE)
    return {"archived": archived, "forget_faded": forget_faded, "timeline": timeline}


def _create_data(strings: Mapping[str, str]) -> dict[str, Any]:
    """Create the download and the deletion of everything, with its question."""
    hint = f'<p class="mb-known">{escape(strings["data_hint"])}</p>'
    gr.HTML(hint, container=False, apply_default_css=False)
    export = gr.Button(strings["export"], size="sm", elem_id="mb-export")
    exported = gr.Textbox(visible="hidden")
    delete_all = gr.Button(
        strings["delete_all"], size="sm", elem_id="mb-delete-all", elem_classes="mb-danger"
    )
    with gr.Column(visible=False, elem_id="mb-confirmation") as confirmation:
        question = f"<p>{escape(strings['sure_all'])}</p>"
        gr.HTML(question, container=False, apply_default_css=False)
        with gr.Row():
            cancel = gr.Button(strings["cancel"], size="sm", elem_id="mb-decline")
            confirm = gr.Button(strings["confirm"], variant="stop", size="sm", elem_id="mb-confirm")
    return {
        "export": export,
        "exported": exported,
        "delete_all": delete_all,
        "confirmation": confirmation,
        "cancel": cancel,
        "confirm": confirm,
    }


def _create_settings(strings: Mapping[str, str]) -> dict[str, Any]:
    """Create the sampling settings; their ranges are those of the original MemoryBank's page."""
    with gr.Accordion(strings["settings"], open=False, elem_id="mb-settings"):
        use_defaults = gr.Checkbox(
            value=True, label=strings["use_defaults"], elem_id="mb-use-defaults"
        )
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
