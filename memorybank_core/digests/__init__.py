"""Digests: what is made of the days, by a language model or without one.

`ledger` says what is due, `run` has it made and stored, `summarizer` makes the texts: with a model
(`answers` asks it) or by `extraction`, which quotes.
"""
