"""Compile patterns written in lines, in English and Chinese.

Each line is one alternative; a backslash continues it on the next line.
"""

from __future__ import annotations

import re

_ADVERBS = (
    r"(?:(?:really|also|still|just|even|quite|pretty|very|so|do|have|always|often|never|sometimes|"
    r"now|not|kind of|don't|do not|\w+ly) )*"
)


def compile_lines(english: str, chinese: str, frame: str = "{}") -> re.Pattern[str]:
    """Compile all lines into one pattern of alternatives, which replaces {} in `frame`.

    ADV matches any number of adverbs, and ' also matches ’.

    Args:
        english: English alternatives, one per line.
        chinese: Chinese alternatives, one per line.
        frame: Pattern around the alternatives.
    """
    lines = re.sub(r"\\\n\s*", "", f"{english}\n{chinese}").splitlines()
    alternatives = "|".join(line.strip() for line in lines if line.strip()).replace(
        "ADV ", _ADVERBS
    )
    return re.compile(
        frame.replace("{}", f"(?:{alternatives})").replace("'", "['’]"), re.IGNORECASE
    )
