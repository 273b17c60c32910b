"""Entry point of `python -m memorybank_core.cli`, which is the same as `memorybank`."""

from . import main

main()
