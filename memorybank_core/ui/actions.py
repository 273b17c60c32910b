"""Actions of the buttons on the page. Each returns a message about its result, as HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from memorybank_core.errors import InvalidInputError
from memorybank_core.records import Memory
from memorybank_core.reports import DeletionReceipt
from memorybank_core.web.markup import render_notice

from .report_markup import render_receipt
from .view import PAGE_SIZE, BankView

Action = Callable[[BankView, str], str]
"""Takes the view and the target of the button."""
_NEW_PAGE = ("older", "newer", "newest")
_KINDS = {"delete": "memory", "delete_day": "day", "delete_user": "user"}


def act(view: BankView, action: object, target: object) -> str:
    """Run the action of a clicked button.

    Args:
        view: The visitor's view.
        action: Name of the action, as the browser sent it.
        target: Id of its target, as the browser sent it.

    Raises:
        InvalidInputError: If the page is read-only and the action changes something.
        LookupError: If the target does not exist.
    """
    name, id = str(action), target if isinstance(target, str) else ""
    if name in _WRITING:
        if not view.write:
            raise InvalidInputError(view.strings["refused"])
        return _WRITING[name](view, id)
    return _READING[name](view, id) if name in _READING else ""


def _turn_page(direction: str) -> Action:
    def run(view: BankView, _: str) -> str:
        view.turn_page(direction)
        return ""

    return run


def _jump(view: BankView, day: str) -> str:
    view.jump(day)
    return ""


def _clear(view: BankView, _: str) -> str:
    view.query = ""
    return ""


def _show_more(view: BankView, _: str) -> str:
    view.most_fading += PAGE_SIZE
    return ""


def _turn_digests(step: int) -> Action:
    def run(view: BankView, _: str) -> str:
        view.digest_page = max(view.digest_page + step, 0)
        return ""

    return run


def _check(view: BankView, _: str) -> str:
    view.report = view.bank.check()
    return ""


def _change(verb: Callable[[BankView, Memory], object], message: str) -> Action:
    """Return an action that changes the state of one memory."""

    def run(view: BankView, id: str) -> str:
        memory = view.bank.get([id], user_id=view.user_id).get(id)
        if memory is None:
            raise LookupError(view.strings["gone"])
        verb(view, memory)
        view.refresh()
        view.open_id = id
        return render_notice(view.strings[message])

    return run


def _ask(kind: str) -> Action:
    def run(view: BankView, id: str) -> str:
        view.confirming = (kind, id)
        return ""

    return run


def _cancel(view: BankView, _: str) -> str:
    view.confirming = ("", "")
    return ""


def _confirm(view: BankView, id: str) -> str:
    """Delete what was asked about, and return the receipt."""
    kind, target = view.confirming
    if not kind or target != id:
        return ""
    receipt = _delete(view, kind, id)
    view.refresh()
    if not (receipt.memories or kind == "user"):
        return render_notice(view.strings["nothing_deleted"])
    return render_receipt(receipt, view.strings)


def _delete(view: BankView, kind: str, id: str) -> DeletionReceipt:
    if kind == "memory":
        return view.bank.delete(user_id=view.user_id, ids=[id])
    if kind == "day":
        return view.bank.delete(user_id=view.user_id, day=date.fromisoformat(id))
    return view.bank.delete(user_id=view.user_id)


def _forget_faded(view: BankView, _: str) -> str:
    report = view.bank.forget(user_id=view.user_id)
    view.refresh()
    counts = {"gone": f"{len(report.forgotten):,}", "kept": f"{report.kept:,}"}
    return render_notice(view.strings["did_forget"].format(**counts))


def _summarize(view: BankView, _: str) -> str:
    report = view.bank.summarize(user_id=view.user_id)
    view.refresh()
    message = view.strings["did_summarize"].format(digested=report.digested, skipped=report.skipped)
    if report.failed:
        error = report.failed[0].error
        message += view.strings["failed"].format(count=len(report.failed), error=error)
    return render_notice(message)


def _repair(view: BankView, _: str) -> str:
    view.report = view.bank.check(repair=True)
    view.refresh()
    return ""


_READING: Mapping[str, Action] = {
    **{direction: _turn_page(direction) for direction in _NEW_PAGE},
    "jump": _jump,
    "clear": _clear,
    "more_fading": _show_more,
    "newer_days": _turn_digests(-1),
    "older_days": _turn_digests(1),
    "check": _check,
    "cancel": _cancel,
}
"""Actions that change nothing in the bank."""
_WRITING: Mapping[str, Action] = {
    "strengthen": _change(
        lambda view, memory: view.bank.reinforce([memory], user_id=view.user_id), "did_strengthen"
    ),
    "pin": _change(lambda view, memory: view.bank.pin([memory], user_id=view.user_id), "did_pin"),
    "unpin": _change(
        lambda view, memory: view.bank.unpin([memory], user_id=view.user_id), "did_unpin"
    ),
    "archive": _change(
        lambda view, memory: view.bank.archive([memory], user_id=view.user_id), "did_archive"
    ),
    "restore": _change(
        lambda view, memory: view.bank.restore([memory], user_id=view.user_id), "did_restore"
    ),
    **{action: _ask(kind) for action, kind in _KINDS.items()},
    "confirm": _confirm,
    "forget_faded": _forget_faded,
    "summarize": _summarize,
    "repair": _repair,
}
"""Actions that change the bank, and the questions before them."""
