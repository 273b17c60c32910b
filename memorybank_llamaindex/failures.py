"""Failures of the bank, which are reported while the chat continues."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from memorybank_core import InvalidInputError, MemoryBank, MemoryBankError
from memorybank_core.context import Tokenizer, token_counter
from memorybank_core.logs import describe_error, get_logger
from memorybank_core.turns.backlog import OnFailure

from . import events

R = TypeVar("R")
_logger = get_logger("memorybank_llamaindex")


def failure_reporter(user_id: str) -> OnFailure:
    """Return a function that reports failures: it logs them and emits `MemoryFailed` events."""

    def report(action: str, error: MemoryBankError) -> None:
        _logger.warning(
            "The memory could not %s; the chat continues: %s", action, describe_error(error)
        )
        events.emit_failed(user_id, action, error)

    return report


def attempt(bank: MemoryBank, user_id: str, action: str, call: Callable[[], R], default: R) -> R:
    """Return the result of `call`, or report its failure and return `default`.

    In an outage, the store is asked only every few seconds, as by `begin_turn` with `on_failure`.

    Args:
        bank: Bank that `call` uses.
        user_id: The user.
        action: What the call does, for the report.
        call: The call.
        default: Result of a call that failed.
    """
    return bank.backlog.attempt(action, call, default, failure_reporter(user_id))


def tolerant_counter(tokenizer: Tokenizer | None, user_id: str) -> Callable[[str], int]:
    """Return `token_counter(tokenizer)`, which estimates if the tokenizer fails, and reports it.

    Args:
        tokenizer: Counts tokens, as in `MemoryBank.context`.
        user_id: The user.
    """
    count = token_counter(tokenizer)

    def count_or_estimate(text: str) -> int:
        nonlocal count
        try:
            return count(text)
        except InvalidInputError as error:
            failure_reporter(user_id)("count tokens", error)
            count = token_counter()
            return count(text)

    return count_or_estimate
