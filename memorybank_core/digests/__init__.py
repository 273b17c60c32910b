"""Digests: summaries and portraits, written by a language model or extracted from the dialogue.

`state` finds the digests that are missing or stale, `runner` makes and stores them. `summarizer`
produces the texts: with a language model (called by `llm_client`), or without one by quoting the
dialogue (`extraction`) and stating what the user said of themselves (`portrait`).
"""
