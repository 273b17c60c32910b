"""End a call between two of its transactions, as a killed process does."""

from itertools import count

from memorybank_core.stores.postgres.connections import Connections


class Killed(Exception):  # noqa: N818 - not an error of the call
    """Raised in place of the next transaction."""


def is_killed(monkeypatch, limit, call):
    """Let a call run this many transactions; return whether that was not enough."""
    numbers, run = count(), Connections.run

    def run_or_stop(self, call, scope, *, writes):
        if next(numbers) == limit:
            raise Killed
        return run(self, call, scope, writes=writes)

    with monkeypatch.context() as patch:
        patch.setattr(Connections, "run", run_or_stop)
        try:
            call()
        except Killed:
            return True
    return False


def run_in_small_steps(monkeypatch, call, between):
    """Repeat a call, with one transaction more each time, until it ends; return how often.

    Args:
        monkeypatch: The fixture.
        call: The call.
        between: Called after each interruption with the number of transactions.
    """
    for limit in count(1):
        if not is_killed(monkeypatch, limit, call):
            break
        between(limit)
    return limit
