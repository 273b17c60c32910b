"""Style sheet of the page."""

from __future__ import annotations

from memorybank_core.web.styles import BASE_CSS

_FRAME = """
#mb-page .html-container { padding: 0; }
#mb-page { height: 100dvh; gap: 0; overflow: hidden; }
#mb-head { flex: 0 0 auto; align-items: center; padding: 8px 4px; flex-wrap: nowrap; gap: 8px; }
#mb-head button { flex: 0 0 auto; width: auto; min-width: 0 !important; }
#mb-hello, #mb-hello div { flex: 1 1 0 !important; min-width: 0 !important;
  overflow: hidden !important; }
#mb-hello > div, #mb-hello .prose { display: flex; align-items: baseline; gap: 12px; }
.mb-hello { font-size: 1.05rem; font-weight: 650; margin: 0; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.mb-keys { text-align: center; font-size: 0.76rem; padding: 4px 0 8px; }
#mb-columns { flex: 1 1 0; min-height: 0; display: grid; gap: 14px;
  grid-template: minmax(0, 1fr) / 230px minmax(0, 1fr) minmax(320px, 400px); }
#mb-columns > .column { min-width: 0 !important; min-height: 0; height: 100%; flex-wrap: nowrap; }
#mb-head-conversations, #mb-head-memory { display: none; }
#mb-conversations { gap: 8px; padding-bottom: 10px; }
#mb-conversations > * { flex: 0 0 auto; }
#mb-list { flex: 1 1 0 !important; }
#mb-search textarea, #mb-search input { border: 1px solid var(--border-color-primary); }
#mb-list ul { list-style: none; margin: 0; padding: 0; }
.mb-conversation { display: block; width: 100%; text-align: left; padding: 7px 10px;
  border-radius: 8px; font-size: 0.9rem; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; color: var(--body-text-color); }
.mb-listed { position: relative; margin: 0; }
.mb-listed .mb-conversation { padding-right: 30px; }
.mb-remove { position: absolute; right: 4px; top: 50%; transform: translateY(-50%); width: 24px;
  height: 24px; border-radius: 6px; color: var(--body-text-color-subdued); }
.mb-remove:hover { background: color-mix(in srgb, var(--body-text-color) 12%, transparent);
  color: var(--body-text-color); }
@media (hover: hover) { .mb-remove { opacity: 0; }
  .mb-listed:hover .mb-remove, .mb-listed:focus-within .mb-remove { opacity: 1; } }
.mb-conversation:hover, .mb-conversation[aria-current] {
  background: color-mix(in srgb, var(--body-text-color) 9%, transparent); }
.mb-conversation[aria-current] { font-weight: 600; }
"""

_CONVERSATION = """
#mb-main { gap: 0; }
#mb-talk { flex: 1 1 0; flex-wrap: nowrap; gap: 0; padding: 4px 0; }
#mb-talk > * { flex: 0 0 auto; max-width: 780px; width: 100%; margin: 0 auto; }
#mb-notice, #mb-composer, .mb-keys { flex: 0 0 auto; max-width: 780px; width: 100%;
  margin: 0 auto; }
.mb-turn { display: flex; flex-direction: column; gap: 4px; padding: 6px 4px; }
.mb-turn.archived .mb-bubble { border: 1px dashed var(--body-text-color-subdued); }
.mb-bubble { font-size: 1rem; line-height: 1.6; overflow-wrap: anywhere;
  color: var(--body-text-color); }
.mb-bubble.user { align-self: flex-end; max-width: 80%; padding: 9px 15px;
  border-radius: 18px 18px 5px 18px;
  background: color-mix(in srgb, var(--primary-500) 20%, transparent); }
.mb-bubble.assistant { padding: 4px 4px 0; }
.mb-bubble p { margin: 0 0 0.6em; }
.mb-bubble > :last-child { margin-bottom: 0; }
.mb-plain { white-space: pre-wrap; }
.mb-bubble ul, .mb-bubble ol { margin: 0 0 0.6em; padding-left: 1.5em; list-style: revert; }
.mb-bubble blockquote { margin: 0 0 0.6em; padding-left: 12px;
  border-left: 3px solid var(--border-color-primary); }
.mb-bubble a { color: var(--primary-700); text-decoration: underline; }
.dark .mb-bubble a { color: var(--primary-300); }
.mb-bubble table { border-collapse: collapse; display: block; overflow-x: auto;
  margin: 0 0 0.6em; }
.mb-bubble th, .mb-bubble td { border: 1px solid var(--border-color-primary); padding: 4px 10px; }
.mb-bubble code { font-family: var(--font-mono); font-size: 0.88em; padding: 1px 5px;
  border-radius: 5px; background: color-mix(in srgb, var(--body-text-color) 9%, transparent); }
.mb-code { margin: 4px 0 0.8em; border-radius: 10px; overflow: hidden;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-secondary); }
.mb-code-head { display: flex; justify-content: space-between; align-items: center;
  padding: 3px 6px 3px 12px; font-size: 0.78rem; color: var(--body-text-color-subdued);
  border-bottom: 1px solid var(--border-color-primary); }
.mb-code pre { margin: 0; padding: 10px 12px; overflow-x: auto; }
.mb-code pre code { background: none; padding: 0; white-space: pre; overflow-wrap: normal; }
.mb-code { --keyword: #7b2d8b; --string: #1b6b3a; --number: #8a4b08; --comment: #616161; }
.dark .mb-code { --keyword: #d8a6e6; --string: #8fd6a6; --number: #f0bd84; --comment: #b5b0aa; }
.mb-code .k, .mb-code .kn, .mb-code .kc, .mb-code .ow { color: var(--keyword); }
.mb-code .s, .mb-code .s1, .mb-code .s2, .mb-code .sa { color: var(--string); }
.mb-code .mi, .mb-code .mf, .mb-code .nb { color: var(--number); }
.mb-code .c1, .mb-code .cm { color: var(--comment); font-style: italic; }
.mb-acts { display: flex; flex-wrap: wrap; gap: 2px; align-items: center; }
.mb-acts.user { justify-content: flex-end; }
.mb-state { font-size: 0.78rem; padding: 2px 9px; border-radius: 999px; margin-right: 4px;
  background: color-mix(in srgb, var(--body-text-color) 9%, transparent); }
.mb-acts .mb-do { border-color: transparent; background: none; padding: 3px 9px;
  color: var(--body-text-color-subdued); }
.mb-acts .mb-do:hover { background: color-mix(in srgb, var(--body-text-color) 9%, transparent);
  color: var(--body-text-color); }
@media (hover: hover) {
  .mb-turn:not(.last) .mb-acts .mb-do { opacity: 0; }
  .mb-turn:hover .mb-do.mb-do, .mb-turn:focus-within .mb-do.mb-do { opacity: 1; } }
.mb-waiting { display: inline-flex; gap: 5px; padding: 8px 2px; }
.mb-waiting i { width: 8px; height: 8px; border-radius: 50%; background: var(--primary-600);
  animation: mb-blink 1.2s infinite; }
.mb-waiting i:nth-child(2) { animation-delay: 0.2s; }
.mb-waiting i:nth-child(3) { animation-delay: 0.4s; }
@keyframes mb-blink { 50% { opacity: 0.25; } }
@media (prefers-reduced-motion: reduce) { .mb-waiting i { animation: none; } }
.mb-failure { margin: 4px; padding: 10px 14px; border-radius: 10px; border: 1px solid #b3261e;
  color: var(--body-text-color); }
.mb-start { padding: 12vh 8px 0; text-align: center; }
.mb-start h2 { font-size: 1.45rem; font-weight: 650; margin: 0 0 6px; }
.mb-start p { color: var(--body-text-color-subdued); margin: 0 0 22px; }
.mb-start ul { display: grid; gap: 10px; list-style: none; padding: 0;
  max-width: 560px; margin: 0 auto; }
.mb-start li { display: flex; }
.mb-suggestion { flex: 1; text-align: left; padding: 12px 14px; border-radius: 14px;
  border: 1px solid var(--border-color-primary); background: var(--block-background-fill);
  font-size: 0.92rem; line-height: 1.45; color: var(--body-text-color); }
.mb-suggestion:hover { border-color: var(--primary-600); }
#mb-composer { flex-wrap: nowrap; align-items: flex-end; gap: 6px; padding: 6px;
  border-radius: 18px; border: 1px solid var(--border-color-primary);
  background: var(--block-background-fill); }
#mb-composer:has(textarea:focus-visible) { outline: 2px solid var(--primary-600);
  outline-offset: -1px; }
#mb-box { border: none !important; box-shadow: none; background: none; }
#mb-box textarea { border: none; background: none; font-size: 1rem; padding: 9px 10px; }
#mb-box textarea, #mb-box textarea:focus { outline: none !important; border: none !important;
  box-shadow: none !important; }
#mb-send, #mb-stop { flex: 0 0 auto; border-radius: 12px; }
"""

_MEMORY = """
#mb-memory { padding-bottom: 10px; }
#mb-memory > .tabs, #mb-memory .tabs { flex: 1 1 0; min-height: 0; display: flex;
  flex-direction: column; }
#mb-memory [role=tab] { padding: 8px 9px; font-size: 0.88rem; }
#mb-memory .tabitem { padding: 10px 2px; flex: 1 1 0; min-height: 0; overflow-y: auto; }
#mb-memory .block { padding: 0; }
#mb-memory [role=tab][aria-selected=true] { color: var(--primary-700); }
.dark #mb-memory [role=tab][aria-selected=true] { color: var(--primary-300); }
.dark #mb-delete-all { color: #f2a49b; }
#mb-delete-all { border: 1px solid currentColor; background: none; }
"""

_NARROW = """
@media (max-width: 1080px) {
  #mb-columns { grid-template-columns: minmax(0, 1fr); }
  #mb-head-conversations, #mb-head-memory { display: inline-flex; }
  #mb-conversations, #mb-memory { display: none !important; position: fixed; z-index: 20;
    inset: auto 0 0 0; height: 86dvh !important; padding: 16px; border-radius: 18px 18px 0 0;
    background: var(--background-fill-primary); border-top: 1px solid var(--border-color-primary);
    box-shadow: 0 -8px 30px rgb(0 0 0 / 25%); }
  .mb-open-conversations #mb-conversations, .mb-open-memory #mb-memory {
    display: flex !important; }
  .mb-open-conversations #mb-notice, .mb-open-memory #mb-notice { position: fixed; z-index: 30;
    left: 12px; right: 12px; bottom: 12px; width: auto; } }
@media (max-width: 640px) {
  .gradio-container main { padding: 0 8px !important; }
  #mb-hello .mb-known, #mb-head-theme, .mb-keys { display: none; }
  #mb-main { padding-bottom: 8px; }
  .mb-start { padding-top: 5vh; } }
"""

CSS = BASE_CSS + _FRAME + _CONVERSATION + _MEMORY + _NARROW
"""Style sheet of the whole page."""
