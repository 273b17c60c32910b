"""Run `python -m memorybank_core.cli`; the same as `memorybank`."""

from . import main

main()
