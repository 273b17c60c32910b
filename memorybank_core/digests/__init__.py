"""Digests: summaries and portraits, written by a language model or extracted from the dialogue.

- Runs: `state` finds the digests that are missing or stale, `runner` makes and stores them, and
  `summarizer` writes their texts, with a language model (`llm_client`) or by extraction.
- Summaries without a model: `extraction` selects what is most central (`centrality`), and states
  it in `indirect_speech` or quotes it.
- Portraits without a model: `portrait` lists the `facts` that the user stated, by `fact_groups`;
  `fact_choice` selects those of the overall portrait.
- Language: `statement_spans` finds statements, `implied_subjects` adds their subjects, and
  `grammatical_person` changes "I" to "the user", with the `verb_forms` of English. The `*_patterns`
  are compiled by `pattern_lines`.
- Changes: `changes` asks a language model which statements replaced which.
"""
