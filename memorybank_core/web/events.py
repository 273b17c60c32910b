"""Connection of events to handlers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

Changes = dict[Any, Any]
"""Components to change, with their new values: what a handler returns."""
Connect = Callable[..., Any]
"""Connects a trigger to a handler, with the inputs of the handler; see `connector`."""


def connector(outputs: Sequence[Any]) -> Connect:
    """Return a function that connects an event to a handler which may change any component.

    Args:
        outputs: All components of the page.
    """

    def connect(
        trigger: Any, handler: Callable[..., Any] | None, *inputs: Any, **options: Any
    ) -> Any:
        defaults = {"outputs": outputs, "show_progress": "hidden", "api_visibility": "private"}
        return gr.on(trigger, handler, inputs=list(inputs), **{**defaults, **options})

    return connect


def clicked(event: gr.EventData) -> tuple[object, object]:
    """Return the action and the target of a clicked button, as the browser sent them."""
    return getattr(event, "action", None), getattr(event, "item", None)
