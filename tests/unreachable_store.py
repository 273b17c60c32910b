"""A store whose server is down."""

from memorybank_core import StoreUnavailableError


class UnreachableStore:
    """A store of which every call fails, and is counted."""

    def __init__(self):
        self.calls = 0

    def __getattr__(self, name):
        def call(*args, **options):
            self.calls += 1
            raise StoreUnavailableError("the server is down")

        return call
