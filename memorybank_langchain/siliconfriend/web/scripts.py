"""Scripts of the page that run in the browser."""

from __future__ import annotations

TOGGLE_DARK_MODE = "() => { document.body.classList.toggle('dark'); }"

STORAGE_KEY = "siliconfriend"
"""Key under which the browser stores the user's name."""
FORGET_NAME = f"() => {{ localStorage.removeItem('{STORAGE_KEY}'); }}"

FOCUS_MESSAGE_BOX = """() => {
  document.querySelector('#sf-page')?.classList.remove('sf-open-conversations', 'sf-open-memory');
  if (matchMedia('(pointer: fine)').matches)
    setTimeout(() => document.querySelector('#sf-box textarea')?.focus(), 50);
}"""
"""Script that moves the focus to where one types, except where this opens a keyboard on screen."""


def toggle_sheet(name: str) -> str:
    """Return a script that opens or closes a sheet on a narrow screen; Escape closes it.

    Args:
        name: "conversations" or "memory".
    """
    return f"""() => {{
  const sheets = document.querySelector('#sf-page').classList;
  const open = sheets.toggle('sf-open-{name}');
  sheets.remove('sf-open-{_OTHER[name]}');
  const button = document.querySelector('#sf-head-{name}');
  button.setAttribute('aria-expanded', open);
  if (open) document.querySelector('#sf-{name} button')?.focus();
  const close = (event) => {{
    if (event.key !== 'Escape') return;
    sheets.remove('sf-open-{name}');
    button.setAttribute('aria-expanded', false);
    button.focus();
    document.removeEventListener('keydown', close);
  }};
  if (open) document.addEventListener('keydown', close);
}}"""


_OTHER = {"conversations": "memory", "memory": "conversations"}

SEND_CLICKED_BUTTON = """
let focused = null;
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
  if (['edit', 'suggest', 'cancel_edit', 'open'].includes(focused.do)) {
    focused = null;
    document.querySelector('#sf-page')?.classList.remove('sf-open-conversations');
    document.querySelector('#sf-talk').dataset.follows = 'yes';
    if (matchMedia('(pointer: fine)').matches) document.querySelector('#sf-box textarea').focus();
  }
});
watch('value', () => {
  const talk = element.closest('#sf-talk');
  if (talk && !focused && talk.dataset.follows !== 'no') talk.scrollTop = talk.scrollHeight;
  if (!focused) return;
  const id = CSS.escape(focused.id);
  const next = element.querySelector(`button.cancel`)
    || element.querySelector(`button[data-id="${id}"]:not(.edit)`);
  next?.focus({ preventScroll: true });
  next?.closest('.sf-question')?.scrollIntoView({ block: 'nearest' });
  focused = null;
});
"""
"""Script of HTML with buttons: sends the server the action and the target of a clicked button.

A button with `data-copy` copies text instead. When the HTML changes, the focus stays at the clicked
button or moves to the question in its place; a changed conversation is scrolled to its end.
"""

FOLLOW_ANSWER = """
const talk = element.closest('#sf-talk');
talk.addEventListener('scroll', () => {
  const below = talk.scrollHeight - talk.scrollTop - talk.clientHeight;
  talk.dataset.follows = below < 60 ? 'yes' : 'no';
});
new ResizeObserver(() => {
  if (talk.dataset.follows !== 'no') talk.scrollTop = talk.scrollHeight;
}).observe(talk);
watch('value', () => {
  const isNew = element.querySelector('.sf-waiting');
  if (isNew || talk.dataset.follows !== 'no') talk.scrollTop = talk.scrollHeight;
});
"""
"""Script that scrolls with a growing answer, unless the reader has scrolled up."""

DOWNLOAD = """(text) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = 'siliconfriend-memories.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return '';
}"""
"""Script that saves a text as a file in the browser; the server writes no file."""
