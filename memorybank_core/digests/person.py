"""Grammatical person: from "I" to "the user", and from there to "you", in English and Chinese.

`describe_user` turns a statement in the first person into one about the user; `address_user` turns
that into the second person. `describe_user` returns None where the way back would be wrong, so
that no sentence with a wrong verb is written.
"""

from __future__ import annotations

import re

from memorybank_core.text import CJK

from .verb_forms import (
    ADVERBS,
    inflect,
    is_auxiliary,
    is_common,
    is_participle,
    is_past,
    may_be_noun,
    may_be_verb,
    uninflect,
)

_HAN = re.compile(f"[{CJK}]")
_CLITICS = {"m": "am", "re": "are", "ve": "have", "ll": "will"}
_CLITIC = re.compile(r"\b(I|we)['’](m|re|ve|ll)\b", re.IGNORECASE)
_WOULD = re.compile(
    rf"\b(I|we)['’]d\b(?={ADVERBS}(?: all| never)? (?:(?:better|(?P<participle>[a-z]+))\b))?",
    re.IGNORECASE,
)
_PLURAL = (
    (re.compile(rf"\bwe({ADVERBS}) are(n['’]t)?\b", re.IGNORECASE), r"I\1 am\2"),
    (re.compile(rf"\bwe({ADVERBS}) were(n['’]t)?\b", re.IGNORECASE), r"I\1 was\2"),
    (re.compile(r"\bwe\b", re.IGNORECASE), "I"),
    (re.compile(r"\bourselves\b", re.IGNORECASE), "myself"),
    (re.compile(r"\bours\b", re.IGNORECASE), "mine"),
    (re.compile(r"\bour\b", re.IGNORECASE), "my"),
    (re.compile(r"\b(?-i:us)\b"), "me"),
)
_REPEATED = re.compile(
    r"^(I (?:(?!\b(?:that|because|when|if|my|who|which)\b)[^,]){1,60},? (?:and|but)) I (?!was\b)"
)
_TO_SECOND = (
    (re.compile(rf"\bI({ADVERBS}) was(n['’]t)?\b"), r"you\1 were\2"),
    (re.compile(r"\bam(n['’]t)?\b"), r"are\1"),
    (re.compile(r"\bI\b"), "you"),
    (re.compile(r"\bmyself\b", re.IGNORECASE), "yourself"),
    (re.compile(r"\bmine\b", re.IGNORECASE), "yours"),
    (re.compile(r"\bmy\b", re.IGNORECASE), "your"),
    (re.compile(r"\bme\b", re.IGNORECASE), "you"),
)
_TO_FIRST = (
    (re.compile(r"\byourself\b", re.IGNORECASE), "myself"),
    (re.compile(r"\byour\b", re.IGNORECASE), "my"),
    (re.compile(rf"\byou({ADVERBS}) are\b", re.IGNORECASE), r"I\1 am"),
    (re.compile(rf"\byou({ADVERBS}) were\b", re.IGNORECASE), r"I\1 was"),
    (re.compile(r"\byou\b", re.IGNORECASE), "I"),
)
_SUBJECT = re.compile(rf"\bI\b({ADVERBS})(?: ([A-Za-z]+(?:['’]t)?)\b)?")
_COMPOUND = re.compile(r"^(?:[Mm]y(?: \w+)?(?: [A-Z]\w+)?|[A-Z]\w+) and I\b")
_COORDINATE = re.compile(rf"( (?:and|but|or){ADVERBS} )([a-z]+(?:['’]t)?)\b")
_OBJECT_AFTER = re.compile(
    r" (?:an?|the|my|it|them|him|her|us|up|down|out|off|away|to|for|on|at|in|with|myself)\b"
)
_INFINITIVE = re.compile(r"\b(?:to|can|will|would|could|should|must|may|might) ")
_THEY = re.compile(r"\b(?:they|their|them|theirs|themselves)\b", re.IGNORECASE)
_THE_USER = re.compile(r"\bthe user\b", re.IGNORECASE)
_NAMED = re.compile(r"\bthe user's\b", re.IGNORECASE)
_USER = re.compile(
    rf"(^|\S+ )(the user)(?!['’])({ADVERBS})(?: ([a-z]+(?:['’]t)?)\b)?", re.IGNORECASE
)
_SENTENCE = re.compile(
    r"((?<=[.!?])\s+(?=[A-Z])|(?<=[。！？])(?=[A-Z])|^\s*(?:- )?(?:[\w-]+(?:: |：))?)"
)
_QUOTE = re.compile("(“(?:[^“”]|“[^“”]*”)*”?)")
_BOUNDARY = re.compile(
    r"^$|[,;:.(] $|^(?:and|but|or|so|because|since|that|when|if|while|where|who|what|how|than|as|"
    r"until|whether|although|though) $",
    re.IGNORECASE,
)
_KIN = (
    "爸妈|妈妈|爸爸|父母|父亲|母亲|妻子|丈夫|老婆|老公|女儿|儿子|孩子|姐姐|妹妹|哥哥|弟弟|男友|女友|"
    "男朋友|女朋友|爷爷|奶奶|外公|外婆|家人|朋友|同事|老板|邻居"
)
_SHORT_KIN = re.compile(r"我(?!爸妈)([妈爸姐妹哥弟])(?!\1)")
_CHINESE_SELF = re.compile("我们|咱们|咱|俺|我")
_NOT_SELF = re.compile("自我|我国|本人|忘我|无我|《[^》]*[我咱俺]")
_ENGLISH_SELF = re.compile(r"\b(?:I|my|me|we|our)\b", re.IGNORECASE)
_BOTH_TENSES = "(?:put|let|set|cut|hit|shut|read|come|become|run)"
_UNCLEAR_TENSE = re.compile(
    rf"\bI {_BOTH_TENSES}\b(?=.*\b(?:every|always|usually|often|each|\w+days)\b)|"
    rf"\bI['’]d(?: \w+ly)? {_BOTH_TENSES}\b",
    re.IGNORECASE,
)


def describe_user(statement: str, name: str | None = None) -> str | None:
    """Return a statement in the first person as one about the user; None if that is not possible.

    Args:
        statement: One sentence; its person is that of the speaker.
        name: Name to use in place of "the user".
    """
    if _HAN.search(statement):
        return _describe_chinese(statement, name)
    if _UNCLEAR_TENSE.search(statement) or _THE_USER.search(statement):
        return None
    own = _normalize(statement)
    third = _to_third(own)
    if third is None or address_user(third) != _to_second(own):
        return None
    return third if name is None else _rename(third, name)


def address_user(text: str) -> str:
    """Return text about "the user" as text that says "you" to them.

    Each line is converted; quotes, and lines that are not about the user, stay as they are.
    """
    return "\n".join(map(_address_line, text.split("\n")))


def quote_user(text: str) -> str:
    """Return a sentence about "the user" roughly as they would say it, for comparisons."""
    if "用户" in text:
        return text.replace("用户", "我")
    text = address_user(text)
    for pattern, replacement in _TO_FIRST:
        text = pattern.sub(replacement, text)
    return text


def _describe_chinese(statement: str, name: str | None) -> str | None:
    if _NOT_SELF.search(statement) or "用户" in statement or _ENGLISH_SELF.search(statement):
        return None
    statement = _SHORT_KIN.sub(r"我\1\1", statement)
    statement = re.sub(f"(我们?)(?={_KIN})", r"\1的", statement)
    return _CHINESE_SELF.sub(name or "用户", statement)


def _normalize(statement: str) -> str:
    """Return an English statement without contractions of "I", and with "I" for "we"."""
    if statement.isupper():
        statement = statement.lower()
    text = _CLITIC.sub(lambda m: f"{m[1]} {_CLITICS[m[2].lower()]}", statement)
    text = _WOULD.sub(
        lambda m: f"{m[1]} {'had' if is_participle(m['participle'] or 'been') else 'would'}", text
    )
    for pattern, replacement in _PLURAL:
        text = pattern.sub(replacement, text)
    text = re.sub(r"\bi\b", "I", text)
    text = re.sub(r"\bme and (my [\w ]+?|[A-Z]\w+) (?=are|were|have|had|went)", r"\1 and I ", text)
    return _REPEATED.sub(r"\1 ", text)


def _to_second(own: str) -> str:
    compound = _COMPOUND.match(own) is not None
    for pattern, replacement in _TO_SECOND:
        own = pattern.sub(replacement, own)
    if compound:
        own = re.sub(r"^(.*?) and you\b", r"you and \1", own)
    return _capitalize(own)


def _to_third(own: str) -> str | None:
    """Return a normalised statement in the third person; None if its verbs are unclear."""
    unclear = False
    compound = _COMPOUND.match(own)
    if compound:
        partner = compound.group()[:-6]
        own = f"I and {partner}{own[compound.end() :]}"
    present_from: int | None = None

    def describe(match: re.Match[str]) -> str:
        nonlocal unclear
        adverbs, verb = match[1], match[2]
        if verb is None or not may_be_verb(verb):
            unclear = True
            return "the user"
        return f"the user{adverbs} {verb if verb == 'and' else inflect(verb)}"

    first = _SUBJECT.match(own)
    if (first and first[2] and first[2] in ("have", "am", "do", "don't")) or (
        first and first[2] and not is_past(first[2]) and not is_auxiliary(first[2])
    ):
        present_from = first.end()
    if present_from is not None:
        head, tail = own[:present_from], own[present_from:]
        for conjunct in reversed(list(_COORDINATE.finditer(tail))):
            if not is_common(conjunct[2]):
                if not may_be_noun(conjunct[2]):
                    continue
                if not _OBJECT_AFTER.match(tail, conjunct.end()):
                    return None
            if _INFINITIVE.search(tail[: conjunct.start()]):
                return None
            tail = tail[: conjunct.start(2)] + inflect(conjunct[2]) + tail[conjunct.end(2) :]
        own = head + tail
    if present_from is None and (_has_later_conjunct(own) or _changes_tense(own)):
        return None
    own = re.sub(r"(?<!I) am\b", " is", own) if not re.search(rf"\bI{ADVERBS} am\b", own) else own
    text = _SUBJECT.sub(describe, own)
    text = re.sub(r"\bam\b", "is", text)
    if text.startswith("the user ") and not _THEY.search(own):
        text = re.sub(r"\bmy\b", "their", text, flags=re.IGNORECASE)
    for pattern, replacement in (
        (r"\bmyself\b", "themselves"),
        (r"\b(?:mine|my)\b", "the user's"),
        (r"\bme\b", "the user"),
    ):
        text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    return None if unclear else _capitalize(text)


def _changes_tense(own: str) -> bool:
    """Return whether a verb of the present follows one of the past: "I went and don't mind"."""
    first = _SUBJECT.match(own)
    if not first or not (is_past(first[2] or "") or first[2] in ("haven't", "was", "wasn't")):
        return False
    return any(
        is_common(verb[2])
        and (verb[2] == "don't" or not _INFINITIVE.search(own[first.end() : verb.start()]))
        for verb in _COORDINATE.finditer(own, first.end())
    )


def _has_later_conjunct(own: str) -> bool:
    """Return whether a verb after "and" may belong to an "I" with a verb of the present."""
    return any(
        subject[2]
        and not is_past(subject[2])
        and not is_auxiliary(subject[2])
        and any(
            is_common(verb[2]) or may_be_noun(verb[2])
            for verb in _COORDINATE.finditer(own, subject.end())
        )
        for subject in _SUBJECT.finditer(own)
    )


def _address_line(line: str) -> str:
    return "".join(
        piece if piece.startswith("“") else _address_text(piece) for piece in _QUOTE.split(line)
    )


def _address_text(text: str) -> str:
    text = text.replace("用户", "你")
    if not _THE_USER.search(text):
        return text
    return "".join(map(_address_sentence, _SENTENCE.split(text)))


def _address_sentence(sentence: str) -> str:
    is_subject = sentence.lower().startswith("the user ")
    text = _NAMED.sub("your", sentence)
    if is_subject and text == sentence:
        text = re.sub(r"\btheir\b", "your", text)
    text = _USER.sub(_address_match, text)
    if is_subject:
        text = _COORDINATE.sub(lambda m: m[1] + _second_verb(m[2]), text)
    text = re.sub(r"\bthemselves\b", "yourself", text) if text != sentence else text
    return _capitalize(text) if text != sentence else sentence


def _second_verb(verb: str) -> str:
    base = uninflect(verb)
    is_verb = is_common(base) or (may_be_noun(base) and base != verb)
    return base if is_verb or verb in ("is", "has", "does", "doesn't") else verb


def _address_match(match: re.Match[str]) -> str:
    before, adverbs, verb = match[1], match[3], match[4]
    if verb is None:
        return f"{before}you{adverbs}"
    if (
        _BOUNDARY.search(before)
        or before[-3:-1] in (", ", "; ")
        or is_auxiliary(uninflect(verb))
        or is_common(uninflect(verb))
    ):
        verb = uninflect(verb)
    return f"{before}you{adverbs} {verb}"


def _rename(text: str, name: str) -> str:
    return _THE_USER.sub(lambda _: name, text)


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
