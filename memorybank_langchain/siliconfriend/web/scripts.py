"""Scripts of the page that run in the browser."""

from __future__ import annotations

from memorybank_core.web import scripts

STORAGE_KEY = "siliconfriend"
"""Key under which the browser stores the user's name."""
FORGET_NAME = f"() => {{ localStorage.removeItem('{STORAGE_KEY}'); }}"

FOCUS_MESSAGE_BOX = """() => {
  document.querySelector('#mb-page')?.classList.remove('mb-open-conversations', 'mb-open-memory');
  if (matchMedia('(pointer: fine)').matches)
    setTimeout(() => document.querySelector('#mb-box textarea')?.focus(), 50);
}"""
"""Script that moves the focus to where one types, except where this opens a keyboard on screen."""


def toggle_sheet(name: str) -> str:
    """Return a script that opens or closes a sheet on a narrow screen; Escape closes it.

    Args:
        name: "conversations" or "memory".
    """
    return f"""() => {{
  const sheets = document.querySelector('#mb-page').classList;
  const open = sheets.toggle('mb-open-{name}');
  sheets.remove('mb-open-{_OTHER[name]}');
  const button = document.querySelector('#mb-head-{name}');
  button.setAttribute('aria-expanded', open);
  if (open) document.querySelector('#mb-{name} button')?.focus();
  const close = (event) => {{
    if (event.key !== 'Escape') return;
    sheets.remove('mb-open-{name}');
    button.setAttribute('aria-expanded', false);
    button.focus();
    document.removeEventListener('keydown', close);
  }};
  if (open) document.addEventListener('keydown', close);
}}"""


_OTHER = {"conversations": "memory", "memory": "conversations"}

SEND_CLICKED_BUTTON = (
    scripts.SEND_CLICKED_BUTTON
    + """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-do]');
  if (!button || !['edit', 'suggest', 'cancel_edit', 'open'].includes(button.dataset.do)) return;
  focused = null;
  document.querySelector('#mb-page')?.classList.remove('mb-open-conversations');
  document.querySelector('#mb-talk').dataset.follows = 'yes';
  if (matchMedia('(pointer: fine)').matches) document.querySelector('#mb-box textarea').focus();
});
watch('value', () => {
  const talk = element.closest('#mb-talk');
  if (talk && !acted && talk.dataset.follows !== 'no') talk.scrollTop = talk.scrollHeight;
});
"""
)
"""The shared script; it also moves the focus to the message box, and scrolls to the end.

After an action on a turn, the conversation is not scrolled.
"""

FOLLOW_ANSWER = """
const talk = element.closest('#mb-talk');
const log = document.createElement('div');
log.className = 'mb-hidden';
log.setAttribute('role', 'log');
element.parentElement.append(log);
let answering = false;
talk.addEventListener('scroll', () => {
  const below = talk.scrollHeight - talk.scrollTop - talk.clientHeight;
  talk.dataset.follows = below < 60 ? 'yes' : 'no';
});
new ResizeObserver(() => {
  if (talk.dataset.follows !== 'no') talk.scrollTop = talk.scrollHeight;
}).observe(talk);
watch('value', () => {
  const isNew = element.querySelector('.mb-waiting');
  const wasAnswering = answering;
  answering = element.querySelector('[aria-busy]') !== null;
  if (wasAnswering && !answering) setTimeout(() => {
    const answers = document.querySelectorAll('#mb-talk .mb-bubble.assistant');
    log.append(Object.assign(document.createElement('p'),
      { textContent: answers[answers.length - 1]?.innerText ?? '' }));
  }, 100);
  if (isNew || talk.dataset.follows !== 'no') talk.scrollTop = talk.scrollHeight;
});
"""
"""Script that scrolls with a growing answer, unless the reader has scrolled up.

An answer that is complete is added to a hidden log, which screen readers read aloud.
"""

DOWNLOAD = """(text) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = 'siliconfriend-memories.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return '';
}"""
"""Script that saves a text as a file in the browser; the server writes no file."""
