"""Find user ids that differ only in how they are written. Pure."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

from memorybank_core.check_reports import Finding


def report_users(user_ids: Iterable[str]) -> Iterator[Finding]:
    """Yield the findings about ids that are easily confused, or one that nothing was found."""
    count = 0
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for user_id in user_ids:
        count += 1
        groups[fold_user_id(user_id)].append(user_id)
    similar = [sorted(group) for group in groups.values() if len(group) > 1]
    for group in sorted(similar):
        yield Finding(
            "users",
            "warning",
            f"these user ids differ only in case, spaces or Unicode form: "
            f"{', '.join(map(repr, group))}",
            "They are different users, whose memories are separate. If they are one person, let "
            "the application write the id in one way, and move the memories with an export and an "
            "import.",
            code="users_similar",
            values={"names": ", ".join(map(repr, group))},
        )
    if not similar:
        message = f"no two of the {count:,} user ids are easily confused"
        yield Finding("users", "ok", message, code="users_ok", values={"count": count})


def fold_user_id(user_id: str) -> str:
    """Return a user id without differences of case, white space and Unicode form (NFKC)."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", user_id).casefold())
    return "".join(folded.split())
