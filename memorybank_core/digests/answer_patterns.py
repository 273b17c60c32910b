"""Patterns of questions of the companion, and of short answers that they complete."""

from __future__ import annotations

import re

from .pattern_lines import compile_lines

NO_ANSWER = compile_lines(
    r"""
    ^\W*(?:yes|no|yeah|nope|yep|ok|okay|maybe|sure|not|never|nothing|none|thanks?|hi|hello)\b
    ^\W*(?:hm+|lol|haha|both|neither|i|he|she|it|they|that|this|because|and|but|so)\b|[?？:/\n,;]
    """,
    "^(?:是|不|没|好|嗯|对|可以|有|谢|你|我|他|她|它|这|那|都|也)|[吗呢？，]",
)
"""Text that is more than a short answer, or less."""

PLACE = re.compile(r"(?:in|at|on|near|with|by|from|for|to)\b", re.IGNORECASE)
"""The beginning of an answer to "where" and "when"."""

_NOUN = r"(?P<noun>(?:\w+ ){0,2}\w+)"
_VERB = "(?P<verb>like|love|eat|drink|play|study|teach|collect|hate|enjoy|drive|read|write)"
QUESTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), statement)
    for pattern, statement in (
        (rf"what(?:['’]s| is) your {_NOUN}\?$", "My {noun} is {answer}"),
        (rf"what are your {_NOUN}\?$", "My {noun} are {answer}"),
        (rf"who(?:['’]s| is) your {_NOUN}\?$", "My {noun} is {answer}"),
        (
            r"(?P<place>where|when|how long) do you (?P<verb>[\w ]+)\?$",
            "I {verb} {answer}",
        ),
        (
            rf"what (?:kind of )?(?:\w+ )?do you {_VERB}(?: (?:most|best|to))?\?$",
            "I {verb} {answer}",
        ),
        (
            "你(?P<noun>的?[^，。？?你]{1,8}?)(?:是什么|是谁|是哪[天里个位])(?:呢|呀)?[？?]$",
            "我{noun}是{answer}",
        ),
        (
            "你(?P<noun>的?[^，。？?你]{1,8}?)叫什么(?:名字)?(?:呢|呀)?[？?]$",
            "我{noun}叫{answer}",
        ),
        (
            "你(?P<verb>[^，。？?你]{0,6}?)(?:什么|哪里|哪儿|谁)"
            "(?P<rest>工作|上班|上学|读书|)(?:呢|呀)?[？?]$",
            "我{verb}{answer}{rest}",
        ),
    )
)
"""Questions, and how a short answer to each becomes a statement."""
