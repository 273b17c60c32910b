"""`python -m memorybank_core.cli` is `memorybank`."""

from . import main

main()
