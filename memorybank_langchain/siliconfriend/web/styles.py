"""Style sheet of the page."""

from __future__ import annotations

_FRAME = """
footer { display: none !important; }
.gradio-container { width: 100% !important; max-width: 1560px !important; margin: 0 auto !important;
  padding: 0 !important; }
div.main.app.app { padding: 0 !important; }
.gradio-container main { padding: 0 14px !important; }
#sf-page .html-container { padding: 0; }
.gradio-container :focus-visible { outline: 2px solid var(--primary-600) !important;
  outline-offset: 2px; }
.dark :focus-visible { outline-color: var(--primary-300) !important; }
.sf-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#sf-gate { max-width: 420px; margin: 12vh auto 0; padding: 28px; gap: 14px; border-radius: 18px;
  border: 1px solid var(--border-color-primary); background: var(--block-background-fill); }
#sf-gate .form, #sf-gate .block { border: none !important; box-shadow: none; padding: 0;
  background: none; }
.sf-brand { font-size: 1.7rem; font-weight: 700; margin: 0; letter-spacing: -0.02em; }
.sf-brand i { color: var(--primary-700); font-style: normal; }
.dark .sf-brand i { color: var(--primary-400); }
#sf-page { height: 100dvh; gap: 0; overflow: hidden; }
#sf-head { flex: 0 0 auto; align-items: center; padding: 8px 4px; flex-wrap: nowrap; gap: 8px; }
#sf-head button { flex: 0 0 auto; width: auto; min-width: 0 !important; }
#sf-hello, #sf-hello div { flex: 1 1 0 !important; min-width: 0 !important;
  overflow: hidden !important; }
#sf-hello > div, #sf-hello .prose { display: flex; align-items: baseline; gap: 12px; }
.sf-hello { font-size: 1.05rem; font-weight: 650; margin: 0; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
.sf-known, .sf-empty, .sf-keys { color: var(--body-text-color-subdued); font-size: 0.84rem;
  margin: 0; }
.sf-empty { padding: 28px 8px; text-align: center; }
.sf-keys { text-align: center; font-size: 0.76rem; padding: 4px 0 8px; }
#sf-columns { flex: 1 1 0; min-height: 0; display: grid; gap: 14px;
  grid-template: minmax(0, 1fr) / 230px minmax(0, 1fr) minmax(320px, 400px); }
#sf-columns > .column { min-width: 0 !important; min-height: 0; height: 100%; flex-wrap: nowrap; }
#sf-head-conversations, #sf-head-memory { display: none; }
.sf-scroll { overflow-y: auto !important; min-height: 0; }
#sf-conversations { gap: 8px; padding-bottom: 10px; }
#sf-conversations > * { flex: 0 0 auto; }
#sf-list { flex: 1 1 0 !important; }
#sf-search textarea, #sf-search input { border: 1px solid var(--border-color-primary); }
#sf-list ul { list-style: none; margin: 0; padding: 0; }
.sf-conversation { display: block; width: 100%; text-align: left; padding: 7px 10px;
  border-radius: 8px; font-size: 0.9rem; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; color: var(--body-text-color); }
.sf-conversation:hover, .sf-conversation[aria-current] {
  background: color-mix(in srgb, var(--body-text-color) 9%, transparent); }
.sf-conversation[aria-current] { font-weight: 600; }
.sf-day { font-size: 0.8rem; font-weight: 650; margin: 10px 2px 2px;
  color: var(--body-text-color-subdued); }
"""

_CONVERSATION = """
#sf-main { gap: 0; }
#sf-talk { flex: 1 1 0; flex-wrap: nowrap; gap: 0; padding: 4px 0; }
#sf-talk > * { flex: 0 0 auto; max-width: 780px; width: 100%; margin: 0 auto; }
#sf-notice, #sf-composer, .sf-keys { flex: 0 0 auto; max-width: 780px; width: 100%;
  margin: 0 auto; }
.sf-turn { display: flex; flex-direction: column; gap: 4px; padding: 6px 4px; }
.sf-turn.archived .sf-bubble { border: 1px dashed var(--body-text-color-subdued); }
.sf-bubble { font-size: 1rem; line-height: 1.6; overflow-wrap: anywhere;
  color: var(--body-text-color); }
.sf-bubble.user { align-self: flex-end; max-width: 80%; padding: 9px 15px;
  border-radius: 18px 18px 5px 18px;
  background: color-mix(in srgb, var(--primary-500) 20%, transparent); }
.sf-bubble.assistant { padding: 4px 4px 0; }
.sf-bubble p { margin: 0 0 0.6em; }
.sf-bubble > :last-child { margin-bottom: 0; }
.sf-plain { white-space: pre-wrap; }
.sf-bubble ul, .sf-bubble ol { margin: 0 0 0.6em; padding-left: 1.5em; list-style: revert; }
.sf-bubble blockquote { margin: 0 0 0.6em; padding-left: 12px;
  border-left: 3px solid var(--border-color-primary); }
.sf-bubble a { color: var(--primary-700); text-decoration: underline; }
.dark .sf-bubble a { color: var(--primary-300); }
.sf-bubble table { border-collapse: collapse; display: block; overflow-x: auto;
  margin: 0 0 0.6em; }
.sf-bubble th, .sf-bubble td { border: 1px solid var(--border-color-primary); padding: 4px 10px; }
.sf-bubble code { font-family: var(--font-mono); font-size: 0.88em; padding: 1px 5px;
  border-radius: 5px; background: color-mix(in srgb, var(--body-text-color) 9%, transparent); }
.sf-code { margin: 4px 0 0.8em; border-radius: 10px; overflow: hidden;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-secondary); }
.sf-code-head { display: flex; justify-content: space-between; align-items: center;
  padding: 3px 6px 3px 12px; font-size: 0.78rem; color: var(--body-text-color-subdued);
  border-bottom: 1px solid var(--border-color-primary); }
.sf-code pre { margin: 0; padding: 10px 12px; overflow-x: auto; }
.sf-code pre code { background: none; padding: 0; white-space: pre; overflow-wrap: normal; }
.sf-code { --keyword: #7b2d8b; --string: #1b6b3a; --number: #8a4b08; --comment: #616161; }
.dark .sf-code { --keyword: #d8a6e6; --string: #8fd6a6; --number: #f0bd84; --comment: #b5b0aa; }
.sf-code .k, .sf-code .kn, .sf-code .kc, .sf-code .ow { color: var(--keyword); }
.sf-code .s, .sf-code .s1, .sf-code .s2, .sf-code .sa { color: var(--string); }
.sf-code .mi, .sf-code .mf, .sf-code .nb { color: var(--number); }
.sf-code .c1, .sf-code .cm { color: var(--comment); font-style: italic; }
.sf-acts { display: flex; flex-wrap: wrap; gap: 2px; align-items: center; }
.sf-acts.user { justify-content: flex-end; }
.sf-state { font-size: 0.78rem; padding: 2px 9px; border-radius: 999px; margin-right: 4px;
  background: color-mix(in srgb, var(--body-text-color) 9%, transparent); }
.sf-acts .sf-do { border-color: transparent; background: none; padding: 3px 9px;
  color: var(--body-text-color-subdued); }
.sf-acts .sf-do:hover { background: color-mix(in srgb, var(--body-text-color) 9%, transparent);
  color: var(--body-text-color); }
@media (hover: hover) {
  .sf-turn:not(.last) .sf-acts .sf-do { opacity: 0; }
  .sf-turn:hover .sf-do.sf-do, .sf-turn:focus-within .sf-do.sf-do { opacity: 1; } }
.sf-waiting { display: inline-flex; gap: 5px; padding: 8px 2px; }
.sf-waiting i { width: 8px; height: 8px; border-radius: 50%; background: var(--primary-600);
  animation: sf-blink 1.2s infinite; }
.sf-waiting i:nth-child(2) { animation-delay: 0.2s; }
.sf-waiting i:nth-child(3) { animation-delay: 0.4s; }
@keyframes sf-blink { 50% { opacity: 0.25; } }
@media (prefers-reduced-motion: reduce) { .sf-waiting i { animation: none; } }
.sf-failure { margin: 4px; padding: 10px 14px; border-radius: 10px; border: 1px solid #b3261e;
  color: var(--body-text-color); }
.sf-start { padding: 12vh 8px 0; text-align: center; }
.sf-start h2 { font-size: 1.45rem; font-weight: 650; margin: 0 0 6px; }
.sf-start p { color: var(--body-text-color-subdued); margin: 0 0 22px; }
.sf-start ul { display: grid; gap: 10px; list-style: none; padding: 0;
  max-width: 560px; margin: 0 auto; }
.sf-start li { display: flex; }
.sf-suggestion { flex: 1; text-align: left; padding: 12px 14px; border-radius: 14px;
  border: 1px solid var(--border-color-primary); background: var(--block-background-fill);
  font-size: 0.92rem; line-height: 1.45; color: var(--body-text-color); }
.sf-suggestion:hover { border-color: var(--primary-600); }
#sf-composer { flex-wrap: nowrap; align-items: flex-end; gap: 6px; padding: 6px;
  border-radius: 18px; border: 1px solid var(--border-color-primary);
  background: var(--block-background-fill); }
#sf-composer:has(textarea:focus-visible) { outline: 2px solid var(--primary-600);
  outline-offset: -1px; }
#sf-box { border: none !important; box-shadow: none; background: none; }
#sf-box textarea { border: none; background: none; font-size: 1rem; padding: 9px 10px; }
#sf-box textarea, #sf-box textarea:focus { outline: none !important; border: none !important;
  box-shadow: none !important; }
#sf-send, #sf-stop { flex: 0 0 auto; border-radius: 12px; }
#sf-notice:not(:has(.sf-notice)), #sf-refused:not(:has(.sf-notice)) { display: none; }
.sf-notice { display: flex; justify-content: space-between; align-items: center; gap: 12px;
  margin: 6px 0; padding: 7px 14px; border-radius: 12px; font-size: 0.9rem;
  color: var(--body-text-color);
  background: color-mix(in srgb, var(--primary-500) 14%, var(--background-fill-primary)); }
.sf-notice .sf-do { font-weight: 600; flex: 0 0 auto; }
"""

_MEMORY = """
#sf-memory { padding-bottom: 10px; }
#sf-memory > .tabs, #sf-memory .tabs { flex: 1 1 0; min-height: 0; display: flex;
  flex-direction: column; }
#sf-memory [role=tab] { padding: 8px 9px; font-size: 0.88rem; }
#sf-memory .tabitem { padding: 10px 2px; flex: 1 1 0; min-height: 0; overflow-y: auto; }
#sf-memory .block { padding: 0; }
#sf-memory [role=tab][aria-selected=true] { color: var(--primary-700); }
.dark #sf-memory [role=tab][aria-selected=true] { color: var(--primary-300); }
.sf-list { display: flex; flex-direction: column; gap: 10px; padding: 2px 4px; }
.sf-memory { border: 1px solid var(--border-color-primary); border-radius: 12px;
  padding: 10px 12px; background: var(--background-fill-primary); }
.sf-memory h3 { margin: 0 0 6px; font-size: 0.95rem; font-weight: 650; }
.sf-memory.archived { border-style: dashed; }
.sf-pin { float: right; font-size: 0.76rem; padding: 1px 8px; border-radius: 999px;
  background: color-mix(in srgb, var(--primary-500) 16%, transparent); }
.sf-memory > summary { cursor: pointer; list-style: none; border-radius: 8px; }
.sf-memory > summary::-webkit-details-marker { display: none; }
.sf-memory > header { display: flex; justify-content: space-between; gap: 8px;
  font-size: 0.8rem; color: var(--body-text-color-subdued); margin-bottom: 4px; }
.sf-said { margin: 0 0 3px; font-size: 0.92rem; line-height: 1.45; white-space: pre-wrap;
  overflow-wrap: anywhere; color: var(--body-text-color); }
.sf-said b { font-weight: 600; color: var(--primary-700); margin-right: 4px; }
.dark .sf-said b { color: var(--primary-300); }
details:not([open]) > summary .sf-said { display: -webkit-box; -webkit-line-clamp: 2;
  -webkit-box-orient: vertical; overflow: hidden; }
.sf-left { height: 4px; border-radius: 2px; margin-top: 8px; overflow: hidden;
  background: var(--border-color-primary); }
.sf-left i { display: block; height: 100%; background: var(--primary-600); }
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
.sf-do:hover { border-color: var(--primary-600); }
.sf-do.delete.delete, #sf-delete-all { color: #b3261e; }
.dark .sf-do.delete.delete { color: #f2a49b; }
.dark #sf-delete-all { color: #f2a49b; }
#sf-delete-all { border: 1px solid currentColor; background: none; }
.sf-do.confirm { background: #b3261e; border-color: #b3261e; color: #fff; }
.sf-do.confirm:hover { background: #8c1d18; }
.sf-do.more { align-self: center; }
.sf-question, #sf-confirmation { margin-top: 8px; padding: 10px 12px; border-radius: 12px;
  border: 1px solid #b3261e; gap: 8px; }
.sf-question p, #sf-confirmation p { margin: 0; font-size: 0.92rem;
  color: var(--body-text-color); }
.sf-days > summary { cursor: pointer; padding: 4px; font-size: 0.9rem; }
.sf-days .sf-memory { margin-top: 8px; }
svg.curve { width: 100%; height: auto; margin-top: 8px; color: var(--body-text-color-subdued); }
svg.curve text { fill: currentColor; font-size: 15px; }
svg.curve .axis { stroke: currentColor; stroke-opacity: 0.5; }
svg.curve .low { stroke: currentColor; stroke-dasharray: 4 4; stroke-opacity: 0.7; }
svg.curve .now { stroke: currentColor; stroke-opacity: 0.35; }
svg.curve .area { fill: var(--primary-500); fill-opacity: 0.16; }
svg.curve .past { fill: none; stroke: var(--primary-500); stroke-width: 3; }
svg.curve .future { fill: none; stroke: var(--primary-500); stroke-width: 2;
  stroke-dasharray: 3 5; }
svg.curve .dot { fill: var(--primary-500); }
"""

_NARROW = """
@media (max-width: 1080px) {
  #sf-columns { grid-template-columns: minmax(0, 1fr); }
  #sf-head-conversations, #sf-head-memory { display: inline-flex; }
  #sf-conversations, #sf-memory { display: none !important; position: fixed; z-index: 20;
    inset: auto 0 0 0; height: 86dvh !important; padding: 16px; border-radius: 18px 18px 0 0;
    background: var(--background-fill-primary); border-top: 1px solid var(--border-color-primary);
    box-shadow: 0 -8px 30px rgb(0 0 0 / 25%); }
  .sf-open-conversations #sf-conversations, .sf-open-memory #sf-memory {
    display: flex !important; }
  .sf-open-conversations #sf-notice, .sf-open-memory #sf-notice { position: fixed; z-index: 30;
    left: 12px; right: 12px; bottom: 12px; width: auto; } }
@media (max-width: 640px) {
  .gradio-container main { padding: 0 8px !important; }
  #sf-hello .sf-known, #sf-head-theme, .sf-keys { display: none; }
  #sf-main { padding-bottom: 8px; }
  .sf-start { padding-top: 5vh; } }
"""

CSS = _FRAME + _CONVERSATION + _MEMORY + _NARROW
"""Style sheet of the whole page."""
