"""Grammatical person: from "I" to "the user", and from there to "you", in English and Chinese.

`to_third_person` turns a statement in the first person into one about the user; `to_second_person`
turns that into the second person. `to_third_person` returns None where the way back would be wrong,
so that no sentence with a wrong verb is written.
"""

from __future__ import annotations

import re

from memorybank_core.text import CJK

from .verb_forms import (
    ADVERBS,
    inflect,
    is_ambiguous_verb,
    is_auxiliary,
    is_likely_verb,
    is_participle,
    is_past,
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
_FIRST_TO_SECOND = (
    (re.compile(rf"\bI({ADVERBS}) was(n['’]t)?\b"), r"you\1 were\2"),
    (re.compile(r"\bam(n['’]t)?\b"), r"are\1"),
    (re.compile(r"\bI\b"), "you"),
    (re.compile(r"\bmyself\b", re.IGNORECASE), "yourself"),
    (re.compile(r"\bmine\b", re.IGNORECASE), "yours"),
    (re.compile(r"\bmy\b", re.IGNORECASE), "your"),
    (re.compile(r"\bme\b", re.IGNORECASE), "you"),
)
_SECOND_TO_FIRST = (
    (re.compile(r"\byourself\b", re.IGNORECASE), "myself"),
    (re.compile(r"\byour\b", re.IGNORECASE), "my"),
    (re.compile(rf"\byou({ADVERBS}) are\b", re.IGNORECASE), r"I\1 am"),
    (re.compile(rf"\byou({ADVERBS}) were\b", re.IGNORECASE), r"I\1 was"),
    (re.compile(r"\byou\b", re.IGNORECASE), "I"),
)
_FIRST_TO_THIRD = (
    (re.compile(r"\bmyself\b", re.IGNORECASE), "themselves"),
    (re.compile(r"\b(?:mine|my)\b", re.IGNORECASE), "the user's"),
    (re.compile(r"\bme\b", re.IGNORECASE), "the user"),
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
_POSSESSED_PERSONS = (
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


def to_third_person(statement: str, name: str | None = None) -> str | None:
    """Return a statement in the first person as one about the user; None if that is not possible.

    Args:
        statement: One sentence; its person is that of the speaker.
        name: Name to use in place of "the user".
    """
    if _HAN.search(statement):
        return _chinese_first_to_third(statement, name)
    if _UNCLEAR_TENSE.search(statement) or _THE_USER.search(statement):
        return None
    statement = _normalize(statement)
    third = _first_to_third(statement)
    if third is None or to_second_person(third) != _first_to_second(statement):
        return None
    return third if name is None else _rename(third, name)


def to_second_person(text: str) -> str:
    """Return text about "the user" as text that says "you" to them.

    Each line is converted; quotes, and lines that are not about the user, stay as they are.
    """
    return "\n".join(map(_line_to_second, text.split("\n")))


def to_first_person(text: str) -> str:
    """Return a sentence about "the user" roughly as they would say it, for comparisons."""
    if "用户" in text:
        return text.replace("用户", "我")
    text = to_second_person(text)
    for pattern, replacement in _SECOND_TO_FIRST:
        text = pattern.sub(replacement, text)
    return text


def _chinese_first_to_third(statement: str, name: str | None) -> str | None:
    if _NOT_SELF.search(statement) or "用户" in statement or _ENGLISH_SELF.search(statement):
        return None
    statement = _SHORT_KIN.sub(r"我\1\1", statement)
    statement = re.sub(f"(我们?)(?={_POSSESSED_PERSONS})", r"\1的", statement)
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


def _first_to_second(statement: str) -> str:
    """Return a normalized statement in the second person."""
    text = statement
    for pattern, replacement in _FIRST_TO_SECOND:
        text = pattern.sub(replacement, text)
    if _COMPOUND.match(statement):
        text = re.sub(r"^(.*?) and you\b", r"you and \1", text)
    return _capitalize(text)


def _first_to_third(statement: str) -> str | None:
    """Return a normalized statement in the third person; None if its verbs are unclear."""
    if compound := _COMPOUND.match(statement):
        partner = compound.group().removesuffix(" and I")
        statement = f"I and {partner}{statement[compound.end() :]}"
    subject = _SUBJECT.match(statement)
    if subject and _is_present(subject[2]):
        rest = _inflect_conjuncts(statement[subject.end() :])
        if rest is None:
            return None
        statement = statement[: subject.end()] + rest
    elif _has_later_conjunct(statement) or _changes_tense(statement):
        return None
    if not re.search(rf"\bI{ADVERBS} am\b", statement):
        statement = re.sub(r"(?<!I) am\b", " is", statement)
    if not all(may_be_verb(match[2] or "") for match in _SUBJECT.finditer(statement)):
        return None
    text = re.sub(r"\bam\b", "is", _SUBJECT.sub(_subject_to_third, statement))
    if text.startswith("the user ") and not _THEY.search(statement):
        text = re.sub(r"\bmy\b", "their", text, flags=re.IGNORECASE)
    for pattern, replacement in _FIRST_TO_THIRD:
        text = pattern.sub(replacement, text)
    return _capitalize(text)


def _is_present(verb: str | None) -> bool:
    """Return whether a verb after "I" is in the present and has another form after "the user"."""
    return verb is not None and (
        verb in ("have", "am", "do", "don't") or not (is_past(verb) or is_auxiliary(verb))
    )


def _inflect_conjuncts(rest: str) -> str | None:
    """Return what follows a verb of the present with the verbs after "and" in the third person.

    None if it is unclear whether a word after "and" is a verb of the user.
    """
    for conjunct in reversed(list(_COORDINATE.finditer(rest))):
        is_likely = is_likely_verb(conjunct[2])
        if not is_likely and not is_ambiguous_verb(conjunct[2]):
            continue
        is_unclear = not is_likely and not _OBJECT_AFTER.match(rest, conjunct.end())
        if is_unclear or _INFINITIVE.search(rest[: conjunct.start()]):
            return None
        rest = rest[: conjunct.start(2)] + inflect(conjunct[2]) + rest[conjunct.end(2) :]
    return rest


def _subject_to_third(subject: re.Match[str]) -> str:
    return f"the user{subject[1]} {inflect(subject[2]) if subject[2] != 'and' else 'and'}"


def _changes_tense(statement: str) -> bool:
    """Return whether a verb of the present follows one of the past: "I went and don't mind"."""
    first = _SUBJECT.match(statement)
    if not first or not (is_past(first[2] or "") or first[2] in ("haven't", "was", "wasn't")):
        return False
    return any(
        is_likely_verb(verb[2])
        and (verb[2] == "don't" or not _INFINITIVE.search(statement[first.end() : verb.start()]))
        for verb in _COORDINATE.finditer(statement, first.end())
    )


def _has_later_conjunct(statement: str) -> bool:
    """Return whether a verb after "and" may belong to an "I" with a verb of the present."""
    return any(
        subject[2]
        and not is_past(subject[2])
        and not is_auxiliary(subject[2])
        and any(
            is_likely_verb(verb[2]) or is_ambiguous_verb(verb[2])
            for verb in _COORDINATE.finditer(statement, subject.end())
        )
        for subject in _SUBJECT.finditer(statement)
    )


def _line_to_second(line: str) -> str:
    pieces = _QUOTE.split(line)
    return "".join(piece if piece.startswith("“") else _text_to_second(piece) for piece in pieces)


def _text_to_second(text: str) -> str:
    text = text.replace("用户", "你")
    if not _THE_USER.search(text):
        return text
    return "".join(map(_sentence_to_second, _SENTENCE.split(text)))


def _sentence_to_second(sentence: str) -> str:
    is_subject = sentence.lower().startswith("the user ")
    text = _NAMED.sub("your", sentence)
    if is_subject and text == sentence:
        text = re.sub(r"\btheir\b", "your", text)
    text = _USER.sub(_subject_to_second, text)
    if is_subject:
        text = _COORDINATE.sub(lambda m: m[1] + _verb_to_second(m[2]), text)
    text = re.sub(r"\bthemselves\b", "yourself", text) if text != sentence else text
    return _capitalize(text) if text != sentence else sentence


def _verb_to_second(verb: str) -> str:
    base = uninflect(verb)
    is_verb = is_likely_verb(base) or (is_ambiguous_verb(base) and base != verb)
    return base if is_verb or verb in ("is", "has", "does", "doesn't") else verb


def _subject_to_second(match: re.Match[str]) -> str:
    before, adverbs, verb = match[1], match[3], match[4]
    if verb is None:
        return f"{before}you{adverbs}"
    if (
        _BOUNDARY.search(before)
        or before[-3:-1] in (", ", "; ")
        or is_auxiliary(uninflect(verb))
        or is_likely_verb(uninflect(verb))
    ):
        verb = uninflect(verb)
    return f"{before}you{adverbs} {verb}"


def _rename(text: str, name: str) -> str:
    return _THE_USER.sub(lambda _: name, text)


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
