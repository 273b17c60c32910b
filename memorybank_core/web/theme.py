"""Colours and fonts of the page; nothing is loaded from other servers."""

from __future__ import annotations

import gradio as gr

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans CJK SC", "Noto Sans", "sans-serif")
_MONOSPACE = ("ui-monospace", "Noto Sans Mono", "monospace")
_COLOURS = {
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_text_color": "white",
    "button_secondary_background_fill_hover": "*neutral_200",
    "button_cancel_background_fill": "#b3261e",
    "button_cancel_background_fill_hover": "#8c1d18",
    "button_cancel_text_color": "white",
    "body_text_color_subdued": "*neutral_600",
    "block_info_text_color": "*neutral_700",
    "block_label_text_color": "*neutral_700",
    "block_title_background_fill": "transparent",
    "block_title_text_color": "*neutral_700",
    "input_placeholder_color": "*neutral_500",
}
"""Colours with a contrast of at least 4.5:1."""
_DARK_COLOURS = {
    "button_secondary_background_fill_hover": "*neutral_600",
    "block_info_text_color": "*neutral_200",
    "block_label_text_color": "*neutral_200",
    "block_title_text_color": "*neutral_200",
    "body_text_color_subdued": "*neutral_300",
    "input_placeholder_color": "*neutral_400",
}


def build_theme() -> gr.themes.Base:
    """Return the page's theme: warm greys and teal, for light and dark mode."""
    base: gr.themes.Base = gr.themes.Soft(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_lg,
        font=[gr.themes.Font(name) for name in _FONTS],
        font_mono=[gr.themes.Font(name) for name in _MONOSPACE],
    )
    dark = {f"{name}_dark": _DARK_COLOURS.get(name, colour) for name, colour in _COLOURS.items()}
    return base.set(
        **_COLOURS,
        **dark,
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
    )
