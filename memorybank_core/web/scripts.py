"""Scripts of pages that run in the browser."""

from __future__ import annotations

TOGGLE_THEME = """() => {
  const dark = document.body.classList.toggle('dark');
  try { localStorage.setItem('mb-theme', dark ? 'dark' : 'light'); } catch { /* not allowed */ }
}"""
"""Script that changes between light and dark colours, and remembers the choice."""


def start_script(language: str) -> str:
    """Return the script of a page's start: its language, and the remembered colours.

    Without a choice of colours, the system's stay.

    Args:
        language: "en" or "zh".
    """
    return f"""() => {{
  document.documentElement.lang = '{language}';
  let theme = null;
  try {{ theme = localStorage.getItem('mb-theme'); }} catch {{ /* not allowed */ }}
  if (theme) document.body.classList.toggle('dark', theme === 'dark');
}}"""


SEND_CLICKED_BUTTON = """
let focused = null;
let acted = false;
async function copy(button) {
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // no permission, or not a secure address
    const box = document.body.appendChild(document.createElement('textarea'));
    box.value = text;
    box.select();
    document.execCommand('copy');
    box.remove();
  }
  const label = button.textContent;
  if (label === button.dataset.done) return;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = label; }, 1500);
}
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.copy !== undefined) { copy(button); return; }
  if (!button.dataset.do) return;
  focused = button.dataset;
  trigger('click', { action: focused.do, item: focused.id });
});
element.addEventListener('change', (event) => {
  const { do: action } = event.target.dataset;
  if (action && event.target.value) trigger('click', { action, item: event.target.value });
});
watch('value', () => {
  acted = focused !== null;
  if (!acted) return;
  const id = CSS.escape(focused.id);
  const next = element.querySelector('button.cancel')
    || element.querySelector(`button[data-id="${id}"]:not(.edit)`);
  next?.focus({ preventScroll: true });
  next?.closest('.mb-question')?.scrollIntoView({ block: 'nearest' });
  focused = null;
});
"""
"""Script of HTML with buttons: sends the server the action and the target of a clicked button.

A field with an action sends its value as the target.
A button with `data-copy` copies text instead. When the HTML changes, the focus stays at the clicked
button or moves to the question in its place.
"""
