"""Style sheet of the page."""

from __future__ import annotations

from memorybank_core.web.styles import BASE_CSS

_FRAME = """
.gradio-container { max-width: 1320px !important; }
#mb-page { gap: 0; padding-bottom: 40px; }
#mb-page .html-container { padding: 0; }
#mb-top { align-items: center; flex-wrap: nowrap; gap: 8px; padding: 14px 2px; }
#mb-top button { flex: 0 0 auto; width: auto; min-width: 0 !important; }
#mb-title { flex: 1 1 0 !important; min-width: 0 !important; overflow: hidden; }
.mb-title { display: flex; align-items: center; gap: 12px; }
#mb-title .mb-brand { font-size: 1.35rem; }
.mb-location { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
#mb-columns { display: grid; gap: 22px; grid-template-columns: 272px minmax(0, 1fr);
  align-items: start; }
#mb-columns > .column { min-width: 0 !important; }
#mb-side { gap: 12px; position: sticky; top: 12px; }
#mb-side .block, #mb-side .form { padding: 0; border-width: 0 !important; background: none;
  box-shadow: none; overflow: visible; }
#mb-user .wrap { border: 1px solid var(--border-color-primary); border-radius: 12px; }
#mb-main { gap: 0; }
#mb-tabs { gap: 0; }
#mb-tabs [role=tab] { font-size: 0.95rem; }
#mb-tabs [role=tab][aria-selected=true] { color: var(--primary-700); }
.dark #mb-tabs [role=tab][aria-selected=true] { color: var(--primary-300); }
#mb-tabs .tabitem { padding: 14px 0; border: none; }
#mb-tabs .tabitem > .column { gap: 8px; }
#mb-searching { flex-wrap: nowrap; gap: 8px; }
#mb-search textarea, #mb-search input { border: 1px solid var(--border-color-primary);
  border-radius: 12px; padding: 10px 14px; font-size: 1rem; }
#mb-search-now { flex: 0 0 auto; border-radius: 12px; }
#mb-state .wrap { gap: 6px; }
#mb-state input { position: absolute; opacity: 0; }
#mb-state label span { margin: 0; }
#mb-state label:has(:focus-visible) { outline: 2px solid var(--primary-600); outline-offset: 2px; }
#mb-state label.selected { background: var(--primary-700); color: #fff; }
#mb-state label { padding: 4px 12px; border-radius: 999px; box-shadow: none; font-size: 0.86rem; }
#mb-ahead { border: 1px solid var(--border-color-primary); border-radius: 12px; }
"""

_CONTENT = """
.mb-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: 8px;
  margin: 0; }
.mb-tiles > div { border: 1px solid var(--border-color-primary); border-radius: 12px;
  padding: 9px 12px; background: var(--background-fill-primary); }
.mb-tiles dd { margin: 0; font-size: 1.25rem; font-weight: 650; line-height: 1.2;
  font-variant-numeric: tabular-nums; color: var(--body-text-color); }
.mb-tiles dt { font-size: 0.78rem; color: var(--body-text-color-subdued); }
#mb-stats .mb-known { margin: 8px 2px 0; }
#mb-stats .mb-actions, #mb-stats .mb-question { margin-top: 14px; }
.mb-fields { display: grid; gap: 3px; margin: 8px 0 0; font-size: 0.8rem; }
.mb-fields > div { display: grid; grid-template-columns: 6.5em minmax(0, 1fr); gap: 8px; }
.mb-fields dt { color: var(--body-text-color-subdued); }
.mb-fields dd { margin: 0; overflow-wrap: anywhere; color: var(--body-text-color); }
.mb-settings { margin-top: 14px; padding-top: 12px;
  border-top: 1px solid var(--border-color-primary); }
.mb-badge { display: inline-block; padding: 1px 9px; border-radius: 999px; font-size: 0.76rem;
  font-weight: 500; white-space: nowrap; color: var(--body-text-color);
  background: color-mix(in srgb, var(--body-text-color) 9%, transparent); }
.mb-badge.ok { background: color-mix(in srgb, var(--primary-500) 18%, transparent); }
.mb-badge.warning, .mb-badge.changed, .mb-badge.missing {
  background: color-mix(in srgb, #e0a100 28%, transparent); }
.mb-badge.error { background: #b3261e; color: #fff; }
.mb-head { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: center; margin: 0 0 4px;
  font-size: 0.8rem; color: var(--body-text-color-subdued); }
.mb-head .mb-badge { white-space: normal; }
.mb-head .mb-share { margin-left: auto; font-variant-numeric: tabular-nums; }
.mb-head .mb-share::after { content: " ▾"; }
details[open] > summary .mb-share::after { content: " ▴"; }
.mb-day-head { display: flex; justify-content: space-between; align-items: baseline; gap: 10px; }
.mb-day-head .mb-day { font-size: 0.92rem; color: var(--body-text-color); }
.mb-day-head .mb-do { border-color: transparent; background: none; padding: 1px 8px; }
.mb-do.delete_day, .mb-do.delete_user { color: #b3261e; }
.dark .mb-do.delete_day.delete_day { color: #f2a49b; }
.dark .mb-do.delete_user.delete_user { color: #f2a49b; }
.mb-do.delete_user { border-color: currentColor; background: none; }
.mb-found { display: flex; justify-content: space-between; align-items: center; gap: 10px;
  flex-wrap: wrap; margin: 4px 2px 10px; }
.mb-found .mb-actions { margin: 0; }
.mb-lead { margin: 12px 2px 2px; font-size: 1.02rem; font-weight: 600;
  color: var(--body-text-color); }
.mb-found .mb-lead { margin: 0; }
.mb-pager { display: flex; justify-content: center; align-items: center; gap: 10px;
  margin: 16px 0 4px; font-size: 0.86rem; color: var(--body-text-color-subdued); }
.mb-strip { margin: 8px 2px 4px; }
.mb-bars { display: flex; align-items: flex-end; gap: 2px; height: 46px;
  border-bottom: 1px solid var(--border-color-primary); }
.mb-bars button { flex: 1 1 0; min-width: 0; height: 100%; display: flex; align-items: flex-end;
  cursor: pointer; border-radius: 3px 3px 0 0; }
.mb-bars i { display: block; width: 100%; min-height: 1px; border-radius: 3px 3px 0 0;
  background: color-mix(in srgb, var(--primary-500) 60%, transparent); }
.mb-bars button:hover i { background: var(--primary-600); }
.mb-bars button:hover { background: color-mix(in srgb, var(--body-text-color) 7%, transparent); }
.mb-strip-foot { display: flex; justify-content: space-between; align-items: center; gap: 8px;
  margin-top: 5px; font-size: 0.78rem; color: var(--body-text-color-subdued); }
.mb-strip-foot input { border: 1px solid var(--border-color-primary); border-radius: 8px;
  padding: 2px 6px; font-size: 0.8rem; background: var(--input-background-fill);
  color: var(--body-text-color); }
.dark .mb-strip-foot input { color-scheme: dark; }
svg.remaining { max-width: 760px; display: block; margin: 10px auto 14px; }
svg.remaining { margin-bottom: 0; }
svg.remaining text { font-size: 13px; }
.mb-caption { text-align: center; margin-bottom: 14px; }
#mb-memories .mb-memory svg.curve, #mb-forgetting .mb-memory svg.curve { max-width: 560px; }
.mb-digest .mb-day { margin-top: 0; font-size: 0.92rem; color: var(--body-text-color); }
.mb-part-of { margin-top: 8px; }
.mb-part-of .mb-said { max-height: 13.2em; overflow-y: auto; }
.mb-digest h3 { font-size: 0.84rem; margin: 0 0 4px; }
.mb-sources { margin-top: 10px; padding-top: 8px;
  border-top: 1px solid var(--border-color-primary); }
.mb-sources > summary { cursor: pointer; font-size: 0.84rem; margin-bottom: 4px; }
.mb-findings { display: flex; flex-direction: column; gap: 8px; margin: 0; padding: 0;
  list-style: none; }
.mb-findings li { display: grid; grid-template-columns: 76px minmax(0, 1fr); gap: 10px; margin: 0;
  align-items: start; padding: 9px 12px; border: 1px solid var(--border-color-primary);
  border-radius: 12px; color: var(--body-text-color); font-size: 0.92rem; }
.mb-findings p { margin: 0; overflow-wrap: anywhere; }
.mb-findings .mb-badge { text-align: center; }
.mb-receipt { display: block; }
.mb-receipt p { margin: 2px 0 8px; }
.mb-receipt .mb-tiles { margin-bottom: 8px; }
"""

_NARROW = """
@media (max-width: 860px) {
  .gradio-container main { padding: 0 10px !important; }
  #mb-columns { grid-template-columns: minmax(0, 1fr); gap: 12px; }
  #mb-side { position: static; }
  .mb-settings { display: none; }
  .mb-tiles { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 6px; }
  .mb-receipt .mb-tiles { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .mb-tiles > div { padding: 6px 8px; }
  .mb-tiles dd { font-size: 1.02rem; }
  .mb-tiles dt { font-size: 0.7rem; }
  #mb-tabs .tab-container button { padding: 8px 7px; font-size: 0.84rem; }
  #mb-state label { padding: 3px 10px; }
  svg.curve text, svg.remaining text { font-size: 20px; }
  .mb-location { display: none; }
  .mb-title .mb-badge { flex: 0 0 auto; }
  #mb-title .mb-brand { font-size: 1.15rem; }
  #mb-searching .lg { min-width: 0 !important; }
  .mb-strip-foot > span { display: none; } }
"""

CSS = BASE_CSS + _FRAME + _CONTENT + _NARROW
"""Style sheet of the whole page."""
