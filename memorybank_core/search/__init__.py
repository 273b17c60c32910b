"""Search: from a query to the best memories of one user. `pipeline` combines all steps.

- Query: `query_profile` analyzes it, with `dates`, `word_forms` and `spelling`; `long_queries`
  reduces a pasted text to a few windows, and `small_talk` recognizes messages that ask nothing.
- Terms: `tokenize` returns those of a text, with `folding`, `numbers` and `romanization`. `terms`
  has the definitions that search and the stores share, and `traits` what is stored for ranking.
- Scores: `ranking` adds up the signals, with `neighbours`, and `reranking` those of a model.
  `relevance` estimates, with `answer_types`, how likely a result answers the query.
  `score_strings` has the wording of `SearchResult.why`.
- Results: `repeats` merges repeated statements and lowers questions without an answer (`answers`).
  `superseding` ranks the newest statement about a thing before those that it replaced, with
  `statement_analysis` and `change_patterns`.
"""
