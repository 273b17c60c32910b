"""Style sheet that several pages share: frame, notices, memories and curves."""

from __future__ import annotations

BASE_CSS = """
footer { display: none !important; }
.gradio-container { width: 100% !important; max-width: 1560px !important; margin: 0 auto !important;
  padding: 0 !important; }
div.main.app.app { padding: 0 !important; }
.gradio-container main { padding: 0 14px !important; }
.gradio-container :focus-visible { outline: 2px solid var(--primary-600) !important;
  outline-offset: 2px; }
.dark :focus-visible { outline-color: var(--primary-300) !important; }
.mb-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#mb-gate { max-width: 420px; margin: 12vh auto 0; padding: 28px; gap: 14px; border-radius: 18px;
  border: 1px solid var(--border-color-primary); background: var(--block-background-fill); }
#mb-gate .form, #mb-gate .block { border: none !important; box-shadow: none; padding: 0;
  background: none; }
.mb-brand { font-size: 1.7rem; font-weight: 700; margin: 0; letter-spacing: -0.02em; }
.mb-brand i { color: var(--primary-700); font-style: normal; }
.dark .mb-brand i { color: var(--primary-400); }
.mb-known, .mb-empty, .mb-keys { color: var(--body-text-color-subdued); font-size: 0.84rem;
  margin: 0; }
.mb-empty { padding: 28px 8px; text-align: center; }
.mb-scroll { overflow-y: auto !important; min-height: 0; }
.mb-day { font-size: 0.8rem; font-weight: 650; margin: 10px 2px 2px;
  color: var(--body-text-color-subdued); }
#mb-notice:not(:has(.mb-notice)), #mb-refused:not(:has(.mb-notice)) { display: none; }
.mb-notice { display: flex; justify-content: space-between; align-items: center; gap: 12px;
  margin: 6px 0; padding: 7px 14px; border-radius: 12px; font-size: 0.9rem;
  color: var(--body-text-color);
  background: color-mix(in srgb, var(--primary-500) 14%, var(--background-fill-primary)); }
.mb-notice .mb-do { font-weight: 600; flex: 0 0 auto; }
.mb-list { display: flex; flex-direction: column; gap: 10px; padding: 2px 4px; }
.mb-memory { border: 1px solid var(--border-color-primary); border-radius: 12px;
  padding: 10px 12px; background: var(--background-fill-primary); }
.mb-memory h3 { margin: 0 0 6px; font-size: 0.95rem; font-weight: 650; }
.mb-memory.archived { border-style: dashed; }
.mb-pin { float: right; margin-left: 8px; font-size: 0.76rem; padding: 1px 8px;
  border-radius: 999px;
  background: color-mix(in srgb, var(--primary-500) 16%, transparent); }
.mb-memory > summary { cursor: pointer; list-style: none; border-radius: 8px; }
.mb-memory > summary::-webkit-details-marker { display: none; }
.mb-memory > header { display: flex; justify-content: space-between; gap: 8px;
  font-size: 0.8rem; color: var(--body-text-color-subdued); margin-bottom: 4px; }
.mb-said { margin: 0 0 3px; font-size: 0.92rem; line-height: 1.45; white-space: pre-wrap;
  overflow-wrap: anywhere; color: var(--body-text-color); }
.mb-said b { font-weight: 600; color: var(--primary-700); margin-right: 4px; }
.dark .mb-said b { color: var(--primary-300); }
details:not([open]) > summary .mb-said { display: -webkit-box; -webkit-line-clamp: 2;
  -webkit-box-orient: vertical; overflow: hidden; }
.mb-left { height: 4px; border-radius: 2px; margin-top: 8px; overflow: hidden;
  background: var(--border-color-primary); }
.mb-left i { display: block; height: 100%; background: var(--primary-600); }
.mb-parts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(230px, 100%), 1fr));
  gap: 2px 18px; margin: 6px 0 0; padding: 0; list-style: none; font-size: 0.76rem; }
.mb-parts li { display: grid; grid-template-columns: 7.5em 1fr 3em; gap: 8px; align-items: center;
  margin: 0; color: var(--body-text-color); }
.mb-parts span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.mb-parts i { position: relative; height: 6px; border-radius: 3px;
  background: color-mix(in srgb, var(--body-text-color) 10%, transparent); }
.mb-parts i::before { content: ""; position: absolute; inset: 0 auto 0 50%; border-radius: 3px;
  width: calc(var(--part) * 50%); background: var(--primary-600); }
.mb-parts i.minus::before { inset: 0 50% 0 auto; background: #d9622b; }
.mb-parts b { text-align: right; font-weight: 500; }
.mb-parts b, .mb-score { font-variant-numeric: tabular-nums; }
.mb-actions { display: flex; gap: 6px; flex-wrap: wrap; margin-top: 8px; }
.mb-do { font-size: 0.82rem; padding: 4px 12px; border-radius: 999px; cursor: pointer;
  border: 1px solid var(--border-color-primary); color: var(--body-text-color);
  background: var(--background-fill-secondary); }
.mb-do:hover { border-color: var(--primary-600); }
.mb-do.delete.delete, #mb-delete-all { color: #b3261e; }
.dark .mb-do.delete.delete { color: #f2a49b; }
.mb-do.confirm { background: #b3261e; border-color: #b3261e; color: #fff; }
.mb-do.confirm:hover { background: #8c1d18; }
.mb-do.more { align-self: center; }
.mb-question, #mb-confirmation { margin-top: 8px; padding: 10px 12px; border-radius: 12px;
  border: 1px solid #b3261e; gap: 8px; }
.mb-question p, #mb-confirmation p { margin: 0; font-size: 0.92rem;
  color: var(--body-text-color); }
.mb-days > summary { cursor: pointer; padding: 4px; font-size: 0.9rem; }
.mb-days .mb-memory { margin-top: 8px; }
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
"""Rules for the HTML of this package."""
