"""Answers without a language model: the companion quotes what the user said, with the day."""
