"""`python -m memorybank_core.demo` is `memorybank demo`."""

import sys

from memorybank_core.cli import app

app(["demo", *sys.argv[1:]])
