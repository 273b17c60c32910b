"""Indirect speech: sentences of the user in the third person, where that is safe.

A sentence is converted as a whole, so its negations, conditions and reports stay what they are.
What refers to something outside of it, addresses the companion or is more of an exclamation than
of a statement is not converted: the caller quotes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from memorybank_core.text import CJK, estimate_tokens, split_sentences

from . import dialogue_patterns, fact_patterns, statement_patterns
from .grammatical_person import to_third_person
from .implied_subjects import MAN, WOMAN, add_subject
from .pattern_lines import compile_lines
from .verb_forms import FINITE_FORMS

_HAN = re.compile(f"[{CJK}]")
_MIN_TOKENS = 2.5  # minimum length of a sentence: shorter ones say too little
_PERSON = re.compile(
    rf"\b(?:[Mm]y|[Oo]ur) (?:\w+ )?{statement_patterns.CIRCLE_EN}\b|(?<=\s)[A-Z][a-z]+|"
    rf"(?:{statement_patterns.CIRCLE_ZH})",
)
_HE = re.compile(r"h(?:e|im|is)\b|他", re.IGNORECASE)
_SHE = re.compile(r"(?:she|hers?)\b|她", re.IGNORECASE)
_CLAUSE_START = re.compile(
    rf"(?:(?:the|an?|his|her|their|it|he|she|they|everybody|everyone|somebody|someone|some|all|most)"
    r"|(?-i:[A-Z][a-z]+(?<!ing))) (?:(?!(?:I|we|and|what)\b)[\w'’-]+ )*?"
    rf"(?:{FINITE_FORMS})\b|it['’]s\b",
    re.IGNORECASE,
)
_HANGING = re.compile(
    rf"^(?:my|our)(?: (?!(?:{FINITE_FORMS})\b)[\w'’-]+)+, (?:and )?(?:I|we)\b", re.IGNORECASE
)
_UNFIT = compile_lines(
    r"""
    ^\W*(?:oh|wow|ugh|haha\w*|lol|omg|yes|yeah|no|nope|well|hey|hmm+|sure|ok|okay|right|great|nice)\b
    ^\W*(?:thanks|sorry|please|don't|do not|let|imagine|guess|never|tell|show|remember|note)\b
    \b(?:lol|haha\w*|yeah right|obviously|not!)(?!\w)|\.\.|…|~|!\W*!|/s\W*$
    \b(?:we|us) (?:both|all|two|three|four)\b|\b(?:both|all|two|three|some|most|one) of us\b
    \b(?:we|we're|we were|we've been) (?:\w+ly )?(?:\d+|two|three|four|five|six|seven|eight)\b
    \bwe (?:first |finally |only )?(?:met|kissed|hugged|argued|fought|agreed|disagreed|split up)\b
    \b(?:I|we)'d all\b|[,;:] (?:so |and )?(?:don't|do not|please|let's?|yes|no)\b
    \bI(?:'m| am| do| did)(?: not)?(?=,|\W*$)
    \bthat (?:person|man|woman|guy|one|thing|kind|sort|way|part|bit)\b
    \bmyself and\b|\bme too\b|\bi\.e\b
    """,
    r"""
    ^(?:[拉叫让给带送请劝骂问陪帮逼催教喊夸嫌说]+)我|[叫喊]我[^，。]{0,6}就[行好]
    ^[哦噢哇唉哎哈嗯啊]|[哈呵嘿]{2}|~|～|！！|咱|我[俩仨]|我们[两三四几]|…|[，。](?:别|请)|^(?:别|请)
    """,
)
"""Interjections, imperatives, laughter, and "we" where one person alone would be wrong."""
_DEIXIS = compile_lines(
    r"""
    \b(?:here|these|those)\b|\bthere\b(?!'s| is| are| was| were)
    ^\W*that\b|\bthat\W*$|\b(?:like|about|for|of|with|to|at|did|do|does|love|hate|is|was) that\b
    \bthis\b(?! (?:morning|afternoon|evening|week|weekend|month|year|summer|winter|spring|autumn|\
    \w+day)\b)
    \b(?:so|too|either)\W*$|^\W*(?:I|we) (?:do|don't|did|didn't|can|can't|will|won't)\W*$
    """,
    "[这那](?!几|[年天]|个?[周月]|段时间|阵子|学期|时)|^.{0,3}我也",
)
"""Words that point at something outside of the sentence."""


def report(sentence: str, before: str = "", name: str | None = None) -> str | None:
    """Return a sentence of the user in the third person; None if it must be quoted.

    Args:
        sentence: One whole sentence, as the user wrote it.
        before: The text of the same utterance before it, for the nouns of its pronouns.
        name: Name of the user, to use in place of "the user".
    """
    is_chinese = _HAN.search(sentence) is not None
    sentence = add_subject(sentence.strip())
    bare = sentence.rstrip(" .。!！")
    if not statement_patterns.FIRST_PERSON.search(bare) or _is_unfit(bare):
        return None
    if estimate_tokens(bare) < _MIN_TOKENS:
        return None
    if not _is_complete(bare, is_chinese) or _has_open_pronoun(bare, before):
        return None
    text = to_third_person(bare, name)
    if text is None:
        return None
    return f"{text}{'。' if is_chinese else '.'}"


def report_all(text: str, name: str | None = None) -> Iterator[tuple[str, str | None]]:
    """Yield each sentence of an utterance, verbatim and in the third person, or with None."""
    before = ""
    for sentence in split_sentences(text):
        yield sentence, report(sentence, before, name)
        before += f" {sentence}"


def _is_unfit(sentence: str) -> bool:
    patterns = (
        _UNFIT,
        _DEIXIS,
        fact_patterns.UNFIT,
        fact_patterns.ROLE,
        dialogue_patterns.TALK,
        dialogue_patterns.QUESTION,
        dialogue_patterns.ASKING,
    )
    return any(pattern.search(sentence) for pattern in patterns)


def _is_complete(sentence: str, is_chinese: bool) -> bool:
    """Return whether a sentence has a finite verb, and a subject in its first clause."""
    if is_chinese:
        return fact_patterns.CHINESE_FINITE.search(sentence) is not None
    if not fact_patterns.FINITE.search(sentence) or _HANGING.match(sentence):
        return False
    return bool(fact_patterns.START.match(sentence) or _CLAUSE_START.match(sentence))


def _has_open_pronoun(sentence: str, before: str) -> bool:
    """Return whether a pronoun has no noun before it in the utterance."""
    for pronoun in fact_patterns.PRONOUN.finditer(sentence):
        preceding = f"{before} {sentence[: pronoun.start()]}"
        noun = fact_patterns.ANTECEDENT
        for gender, other in ((_HE, WOMAN), (_SHE, MAN)):
            if gender.match(pronoun.group()):
                noun, preceding = _PERSON, other.sub("", preceding)
        if not noun.search(preceding):
            return True
    return False
