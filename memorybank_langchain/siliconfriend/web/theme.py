"""Theme, styles and scripts of the page; nothing is loaded from other servers."""

from __future__ import annotations

import gradio as gr

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans CJK SC", "Noto Sans", "sans-serif")
_MONOSPACE = ("ui-monospace", "Noto Sans Mono", "monospace")


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
    return base.set(checkbox_border_color="*neutral_400", checkbox_border_color_dark="*neutral_500")


CSS = """
.gradio-container { width: 100% !important; max-width: 1240px !important;
  margin: 0 auto !important; }
#sf-gate { max-width: 420px; margin: 9vh auto 0; padding: 28px; gap: 14px; }
#sf-gate, #sf-gate .form { background: var(--block-background-fill); }
#sf-gate { border: 1px solid var(--border-color-primary); border-radius: 18px; }
.sf-brand { font-size: 1.7rem; font-weight: 700; margin: 0; letter-spacing: -0.02em; }
.sf-brand i { color: var(--primary-500); font-style: normal; }
.sf-hello { font-size: 1.3rem; font-weight: 650; margin: 0; overflow-wrap: anywhere; }
.sf-known, .sf-empty { color: var(--body-text-color-subdued); font-size: 0.86rem; margin: 0; }
.sf-empty { padding: 28px 8px; text-align: center; }
#sf-notice:not(:has(.sf-notice)), #sf-refused:not(:has(.sf-notice)) { display: none; }
.sf-notice { margin: 0; padding: 8px 12px; border-radius: 10px; font-size: 0.88rem;
  background: color-mix(in srgb, var(--primary-500) 14%, transparent); }
#sf-head { align-items: center; }
#sf-head button { flex: 0 0 auto; min-width: 0; width: auto; }
#sf-chat { background: var(--block-background-fill); border-radius: 14px; padding: 14px;
  border: 1px solid var(--border-color-primary); }
.sf-talk { display: flex; flex-direction: column; gap: 10px; }
.sf-bubble { max-width: 84%; padding: 9px 14px; border-radius: 16px; font-size: 0.97rem;
  line-height: 1.5; white-space: pre-wrap; overflow-wrap: anywhere;
  color: var(--body-text-color); }
.sf-bubble.assistant { align-self: flex-start; border-bottom-left-radius: 5px;
  background: color-mix(in srgb, var(--body-text-color) 7%, transparent); }
.sf-bubble.user { align-self: flex-end; border-bottom-right-radius: 5px;
  background: color-mix(in srgb, var(--primary-500) 22%, transparent); }
#sf-gate .form, #sf-gate .block { border: none !important; box-shadow: none; padding: 0; }
#sf-confirm, #sf-delete-all { background: #c0392b; color: #fff; }
#sf-archived { background: none; }
.gradio-container input[type=checkbox] { border: 1px solid var(--body-text-color-subdued); }
#sf-box textarea { border: 1px solid var(--border-color-primary); }
#sf-archived label { align-items: center; }
#sf-memory .tabitem { padding: 12px; }
div.sf-scroll:not(.block) { height: calc(100vh - 335px); min-height: 360px; overflow-y: auto; }
#sf-recalled div.sf-scroll:not(.block) { height: calc(100vh - 190px); }
#sf-timeline div.sf-scroll:not(.block), #sf-digests div.sf-scroll:not(.block) {
  height: calc(100vh - 250px); }
#sf-memory .block { padding: 0; }
.sf-list { display: flex; flex-direction: column; gap: 10px; padding: 2px 6px 2px 2px; }
.sf-day { font-size: 0.82rem; font-weight: 650; margin: 8px 2px 0;
  color: var(--body-text-color-subdued); }
.sf-memory { border: 1px solid var(--border-color-primary); border-radius: 12px;
  padding: 10px 12px; background: var(--background-fill-primary); }
.sf-memory h3 { margin: 0 0 6px; font-size: 0.95rem; font-weight: 650; }
.sf-memory.archived { opacity: 0.6; }
.sf-pin { float: right; font-size: 0.8rem; }
.sf-memory > summary { cursor: pointer; list-style: none; }
.sf-memory > summary::-webkit-details-marker { display: none; }
.sf-memory > header { display: flex; justify-content: space-between; gap: 8px;
  font-size: 0.8rem; color: var(--body-text-color-subdued); margin-bottom: 4px; }
.sf-said { margin: 0 0 3px; font-size: 0.92rem; line-height: 1.45; white-space: pre-wrap;
  overflow-wrap: anywhere; color: var(--body-text-color); }
.sf-said b { font-weight: 600; color: var(--primary-600); margin-right: 4px; }
.dark .sf-said b { color: var(--primary-400); }
details:not([open]) > summary .sf-said { display: -webkit-box; -webkit-line-clamp: 2;
  -webkit-box-orient: vertical; overflow: hidden; }
.sf-left { height: 4px; border-radius: 2px; margin-top: 8px; overflow: hidden;
  background: var(--border-color-primary); }
.sf-left i { display: block; height: 100%; background: var(--primary-500); }
.sf-parts { display: flex; flex-wrap: wrap; gap: 5px; margin-top: 6px; }
.sf-part { font-size: 0.76rem; padding: 1px 8px; border-radius: 999px;
  color: var(--body-text-color);
  background: color-mix(in srgb, var(--primary-500) 16%, transparent); }
.sf-part.minus { background: color-mix(in srgb, #d9622b 18%, transparent); }
.sf-part b, .sf-score { font-variant-numeric: tabular-nums; }
.sf-actions { display: flex; gap: 6px; flex-wrap: wrap; margin-top: 8px; }
.sf-do { font-size: 0.82rem; padding: 4px 12px; border-radius: 999px; cursor: pointer;
  border: 1px solid var(--border-color-primary); color: var(--body-text-color);
  background: var(--background-fill-secondary); }
.sf-do:hover { border-color: var(--primary-500); }
.sf-do.delete { color: #c0392b; }
.dark .sf-do.delete { color: #f08a7d; }
.sf-do.more { align-self: center; }
.sf-quote { margin: 4px 0; padding: 4px 12px; border-left: 3px solid #c0392b; }
.sf-days > summary { cursor: pointer; padding: 4px; font-size: 0.9rem; }
.sf-days .sf-memory { margin-top: 8px; }
svg.curve { width: 100%; height: auto; margin-top: 8px; color: var(--body-text-color-subdued); }
svg.curve text { fill: currentColor; font-size: 13px; }
svg.curve .axis { stroke: currentColor; stroke-opacity: 0.5; }
svg.curve .low { stroke: currentColor; stroke-dasharray: 4 4; stroke-opacity: 0.7; }
svg.curve .now { stroke: currentColor; stroke-opacity: 0.35; }
svg.curve .area { fill: var(--primary-500); fill-opacity: 0.16; }
svg.curve .past { fill: none; stroke: var(--primary-500); stroke-width: 3; }
svg.curve .future { fill: none; stroke: var(--primary-500); stroke-width: 2;
  stroke-dasharray: 3 5; }
svg.curve .dot { fill: var(--primary-500); }
@media (max-width: 760px) { div.sf-scroll:not(.block) { height: auto !important;
  min-height: 120px; max-height: 65vh; } }
"""

TOGGLE_DARK_MODE = "() => { document.body.classList.toggle('dark'); }"

STORAGE_KEY = "siliconfriend"
"""Key under which the browser stores the user's name."""
FORGET_NAME = f"() => {{ localStorage.removeItem('{STORAGE_KEY}'); }}"

SEND_CLICKED_BUTTON = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-do]');
  if (button) trigger('click', { action: button.dataset.do, memory: button.dataset.id });
});
"""
"""Script that sends the server the action and the memory of the clicked button."""

DOWNLOAD = """(text) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = 'siliconfriend-memories.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return '';
}"""
"""Script that saves a text as a file in the browser; the server writes no file."""
