"""Entry point of `python -m memorybank_core.demo`, which is the same as `memorybank demo`."""

import sys

from memorybank_core.cli import main

main(["demo", *sys.argv[1:]])
