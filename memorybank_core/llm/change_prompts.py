"""Prompts in English and Chinese that ask which statements replaced which."""

from __future__ import annotations

CHANGE_PROMPTS = {
    "en": (
        "The material is a numbered list of statements that one user made, earlier ones and new "
        "ones, each with its day and its speaker. Find each new statement that replaces an earlier "
        "one: both are about the same property of the same person or object, and the earlier one "
        "does not hold any more, or was a mistake that the new one corrects. A statement about "
        "another person or object replaces nothing, nor does one that adds to a list, adds a "
        "detail, or tells a single event. If in doubt, leave it out. Write one line for each "
        "earlier statement that was replaced: the number of the new statement, the word replaces, "
        "and the number of the earlier one. For example: 7 replaces 3. If nothing was replaced, "
        "write only: none."
    ),
    "zh": (
        "材料是同一位用户说过的话，逐条编号，分为较早的和新的，每条注明日期和说话人。请找出取代了较早说法的"
        "新说法：两者说的是同一个人或同一件事物的同一方面，而较早的说法已不再成立，或者原本有误、被新的说法"
        "更正。说的是另一个人或另一件事物的，不算取代；只是补充清单、补充细节或讲述一次经历的，也不算取代。"
        "拿不准的就不写。每条被取代的较早说法写一行：新说法的编号、“取代”、较早说法的编号，"
        "例如：7 取代 3。"
        "如果没有任何说法被取代，只写：无。"
    ),
}
"""The task by language; the answer is in the form that `digests.changes` reads."""

CHANGE_HEADINGS = {
    "en": ("Earlier statements:", "New statements:"),
    "zh": ("较早的说法：", "新的说法："),
}
"""Headings of the two lists, by language."""
