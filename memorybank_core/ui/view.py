"""One visitor's view of a bank: the chosen user, search, page and tab, and the HTML of each.

The server keeps one view for each browser session. Whatever the browser sends, a view reads the
memories of one user at a time, and changes them only if the page was started for writing.
"""

from __future__ import annotations

from datetime import date, datetime, timezone

from memorybank_core.bank import MemoryBank
from memorybank_core.check_reports import CheckReport
from memorybank_core.digests.runner import load_digest_state
from memorybank_core.errors import EmbedderError, InvalidInputError, MemoryBankError
from memorybank_core.records import SearchResult
from memorybank_core.web.html_text import Strings
from memorybank_core.web.markup import render_empty

from . import digest_markup, forgetting_markup, report_markup, timeline_markup
from .overview import Overview
from .timeline_pages import STATES, Cursor, matches_state, read_page

PAGE_SIZE = 25
"""Number of memories on a page."""
_MOST_SEARCHED = 100
"""Number of results that are searched where most may be left out."""


class BankView:
    """A visitor's view of a bank.

    Args:
        bank: The bank.
        strings: Texts of the page.
        language: Language of the page, "en" or "zh".
        write: Whether memories may be changed.
        user_id: The user shown first; None shows the first user.

    Attributes:
        tab: The tab that is open: "memories", "forgetting", "digests" or "health".
        state: State of the memories that are listed, one of `STATES`.
        query: The query of the search; "" shows the timeline.
        cursors: Places where the pages of the timeline up to the current one start.
        open_id: Id of the memory that is shown expanded.
        confirming: Kind ("memory", "day" or "user") and id of what is deleted once confirmed.
        days_ahead: How far ahead fading is shown, in days.
        most_fading: Maximum number of fading memories listed.
        digest_page: Number of the page of digests, from 0.
        report: The last check of the bank.
    """

    def __init__(
        self,
        bank: MemoryBank,
        strings: Strings,
        language: str,
        *,
        write: bool,
        user_id: str | None = None,
    ) -> None:
        self.bank, self.strings, self.language, self.write = bank, strings, language, write
        self.tab, self.days_ahead, self.state = "memories", 30.0, STATES[0]
        self.report: CheckReport | None = None
        self.users = bank.users()
        self.choose_user(user_id or next(iter(self.users), ""))

    def choose_user(self, user_id: object) -> None:
        """Show a user from the beginning.

        Raises:
            LookupError: If the bank has no such user.
        """
        if user_id and user_id not in self.users:
            raise LookupError(self.strings["no_user"].format(user=user_id))
        self.user_id = str(user_id or "")
        self.query, self.open_id, self.confirming = "", "", ("", "")
        self.cursors, self.most_fading, self.digest_page = [Cursor()], PAGE_SIZE, 0
        self.next_cursor: Cursor | None = None
        self.overview: Overview | None = None

    def choose_state(self, state: object) -> None:
        """List memories in another state, from the newest."""
        if state not in STATES:
            raise InvalidInputError(f"the state must be one of {', '.join(STATES)}")
        self.state, self.cursors = str(state), [Cursor()]

    def jump(self, day: object) -> None:
        """List memories from the end of a day.

        Raises:
            InvalidInputError: If it is not a day.
        """
        try:
            until = date.fromisoformat(str(day))
        except ValueError as error:
            raise InvalidInputError(f"{day!r} is not a day") from error
        self.tab, self.query, self.cursors = "memories", "", [Cursor(), Cursor(until)]

    def refresh(self) -> None:
        """Read everything again after a change."""
        self.confirming, self.overview, self.users = ("", ""), None, self.bank.users()
        if self.user_id not in self.users:
            self.choose_user(next(iter(self.users), ""))

    def require_overview(self) -> Overview:
        """Return the counts over the user's memories, which are read once."""
        if self.overview is None:
            self.overview = Overview.read(self.bank, self.user_id, _now())
        return self.overview

    def search(self) -> list[SearchResult]:
        """Return the results of the query, best first.

        Raises:
            InvalidInputError: If the bank's embedder is not available.
        """
        k = PAGE_SIZE if self.state in ("active", "all") else _MOST_SEARCHED
        try:
            results = self.bank.search(
                self.query, user_id=self.user_id, k=k, archived=self.state != "active"
            )
        except EmbedderError as error:
            name = self.bank.embedder.name
            message = f"{self.strings['no_embedder'].format(name=name)} ({error})"
            raise InvalidInputError(message) from error
        return [item for item in results if matches_state(item.memory, self.state)][:PAGE_SIZE]

    def render_stats(self) -> str:
        """Return the counts of the user, and the settings of the bank."""
        if not self.user_id:
            return ""
        stats = self.bank.stats(user_id=self.user_id)
        pinned = self.overview.pinned if self.overview else None
        settings = report_markup.render_settings(self.bank, stats.file_bytes, self.strings)
        deletion = ""
        if self.write:
            is_confirming = self.confirming == ("user", self.user_id)
            deletion = report_markup.render_user_deletion(
                self.user_id, self.strings, is_confirming=is_confirming
            )
        return report_markup.render_stats(stats, pinned, self.strings) + settings + deletion

    def render_strip(self) -> str:
        """Return the number of memories over time; "" until the overview was read."""
        if self.overview is None or self.query:
            return ""
        return timeline_markup.render_strip(self.overview.days, self.strings)

    def render_memories(self) -> str:
        """Return the results of the search or, without one, a page of the timeline."""
        if not self.user_id:
            return self._render_no_user()
        options = self._options()
        if self.query:
            return self._render_found(options)
        page = read_page(
            self.bank, self.user_id, self.cursors[-1], state=self.state, size=PAGE_SIZE
        )
        self.next_cursor = page.next
        pager = timeline_markup.render_pager(
            len(self.cursors), has_older=page.next is not None, strings=self.strings
        )
        return timeline_markup.render_timeline(page.memories, options) + pager

    def _render_found(self, options: timeline_markup.TimelineOptions) -> str:
        """Return the results of the search, or why it failed."""
        try:
            results = self.search()
        except MemoryBankError as error:
            return timeline_markup.render_failed_search(str(error), self.strings)
        return timeline_markup.render_results(self.query, results, options, self.language)

    def _render_no_user(self) -> str:
        return render_empty(self.strings["choose_user" if self.users else "no_users"])

    def turn_page(self, direction: str) -> None:
        """Go to the "older", "newer" or "newest" page of the timeline."""
        if direction == "older" and self.next_cursor is not None:
            self.cursors.append(self.next_cursor)
        elif direction == "newer" and len(self.cursors) > 1:
            self.cursors.pop()
        elif direction == "newest":
            self.cursors = [Cursor()]

    def render_forgetting(self) -> str:
        """Return what fades within the days ahead, the earliest first."""
        if not self.user_id:
            return self._render_no_user()
        overview = self.require_overview()
        by = forgetting_markup.moment_after(overview.now, self.days_ahead)
        count = overview.count_faded(by)
        forecast = forgetting_markup.render_forecast(
            overview, by, self.bank, self.strings, write=self.write
        )
        if not count:
            return forecast + render_empty(self.strings["fading_none"])
        shown = min(count, self.most_fading)
        memories = self.bank.get(overview.fading_ids[:shown], user_id=self.user_id)
        pairs = [
            (memories[id], time)
            for id, time in zip(overview.fading_ids[:shown], overview.fading_times, strict=False)
            if id in memories
        ]
        listed, times = [memory for memory, _ in pairs], [time for _, time in pairs]
        cards = timeline_markup.render_fading(listed, times, self._options())
        return forecast + cards + forgetting_markup.render_more(shown, count, self.strings)

    def render_digests(self) -> str:
        """Return a page of the user's digests."""
        if not self.user_id:
            return self._render_no_user()
        state = load_digest_state(self.bank.store, self.user_id)
        return digest_markup.render_digests(
            state, self.digest_page, self.bank, self.strings, write=self.write
        )

    def render_health(self) -> str:
        """Return the findings of the last check."""
        return report_markup.render_check(
            self.report, self.strings, self.language, write=self.write
        )

    def _options(self) -> timeline_markup.TimelineOptions:
        return timeline_markup.TimelineOptions(
            self.bank,
            _now(),
            self.strings,
            self.write,
            open_id=self.open_id,
            confirming=self.confirming,
        )


def _now() -> datetime:
    return datetime.now(timezone.utc)
