"""`python -m memorybank_langchain.siliconfriend` is `siliconfriend`."""

from .cli import main

main()
