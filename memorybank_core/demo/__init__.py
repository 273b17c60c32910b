"""The demo: two people's diaries, remembered, asked about, faded and brought back.

Run it with `memorybank demo` or `python -m memorybank_core.demo`. It needs no key and no network.
"""
