"""Search: terms, dates named in a question, and the ranking; pure functions."""
