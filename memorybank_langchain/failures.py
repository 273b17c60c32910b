"""Reports of a memory that failed while the chat continued."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables import RunnableConfig

from memorybank_core import Context
from memorybank_core.logs import describe_error, get_logger

ERROR_EVENT = "memorybank_error"
"""Custom event sent to callbacks when the memory fails and the chat continues."""

Report = Callable[[str, Exception], None]
"""Called with what the memory could not do and the error: `on_failure` of `begin_turn`."""

OnRecall = Callable[[Context], object]
"""Called with the recalled context, for example to display it."""

_logger = get_logger("memorybank_langchain")


def failure_reporter(
    config: RunnableConfig | None, logger: logging.Logger = _logger, **details: Any
) -> Report:
    """Return a function that reports failures: it logs them and sends `ERROR_EVENT` to callbacks.

    A handler that fails does not stop the chat.

    Args:
        config: Config of the run.
        logger: Logger of the failures.
        details: Further values of the event, such as the user and the turn.
    """

    def report(action: str, error: Exception) -> None:
        logger.warning(
            "The memory could not %s; the chat continues: %s", action, describe_error(error)
        )
        failure = {"doing": action, "kind": type(error).__name__, "error": str(error)}
        try:
            dispatch_custom_event(ERROR_EVENT, {**failure, **details}, config=config)
        except Exception as raised:  # a handler of the application may raise any exception
            raised.__context__ = None  # the error that it was called with may quote a text
            logger.exception("A callback raised an error; the chat continues")

    return report


def call_on_recall(on_recall: OnRecall | None, context: Context, report: Report) -> None:
    """Call the application's `on_recall`; its errors are reported and do not stop the chat."""
    if on_recall is None:
        return
    try:
        on_recall(context)
    except Exception as error:  # the application's function may raise any exception
        _logger.debug("on_recall failed", exc_info=True)
        report("call on_recall", error)
