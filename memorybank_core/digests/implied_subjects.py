"""Sentences whose subject is implied, as in a diary, completed: "Started a new job." Pure.

"I" is added before a verb of the past with an object, and "my" before a noun that a speaker has one
of. Neither is done after a sentence about somebody else, who may be the subject.
"""

from __future__ import annotations

import re

from memorybank_core.text import CJK

from .pattern_lines import compile_lines
from .statement_patterns import CIRCLE_EN, CIRCLE_ZH
from .verb_forms import FINITE_FORMS, IRREGULAR_PAST, is_participle

WOMAN = re.compile(
    r"\b(?:wife|girl ?friend|daughter|mother|mom|mum|mam|sister|grand(?:mother|ma)|granny|aunt|"
    r"niece)\b(?: [A-Z]\w+)?|妈妈?|母亲|妻子|老婆|女儿|姐姐?|妹妹?|女友|女朋友|奶奶|外婆",
    re.IGNORECASE,
)
"""A woman by her relation to the speaker."""
MAN = re.compile(
    r"\b(?:husband|boy ?friend|son|father|dad|brother|grandfather|grandpa|uncle|nephew)\b"
    r"(?: [A-Z]\w+)?|爸爸?|父亲|丈夫|老公|儿子|哥哥?|弟弟?|男友|男朋友|爷爷|外公",
    re.IGNORECASE,
)
"""A man by his relation to the speaker."""
_HAN = re.compile(f"[{CJK}]")
WEEKDAYS = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?)"
"""Pattern of the days of the week."""
_OBJECT = (
    r"(?:an?|the|my|our|his|her|some|no|all|every|another|two|three|four|five|six|\d[\d,.]*|"
    r"(?-i:[A-Z])\w+)\b"
)
_DIARY = compile_lines(
    rf"""
    (?:moved) (?=(?:to|into|in|out|house|back|from)\b)|(?:quit|gave up) (?=\w)
    (?:started|stopped|finished|tried) (?=(?!{WEEKDAYS}){_OBJECT}|\w+ing\b|to\b)
    (?:went|came|flew|drove) (?=(?:to|home|back|by|with|for|down|up|out|over|into)\b)
    (?:signed|enrolled|applied|graduated) (?=(?:in|for|at|up|with|from|on|a|the)\b)
    (?:switched) (?=(?:to|from|the|my)\b)
    (?:got) (?=(?:{_OBJECT}|rid of|engaged|married|promoted|divorced))
    (?:joined|adopted|passed|booked|changed|cancelled|planted|painted|visited|ordered|baked|cooked|\
    walked|climbed|played|watched|missed|dropped|repaired|fixed|learned|packed|celebrated|donated|\
    rented|leased|traded|returned|broke my) (?={_OBJECT})
    (?:{IRREGULAR_PAST}) (?={_OBJECT})
    """,
    "(?!)",
    r"^(?:just |finally )?{}",
)
"""A verb of the past without its subject, which is "I"."""

_ROLE = (
    r"(?:doctor|gp|dentist|physio|dermatologist|cardiologist|neurologist|optician|therapist|"
    r"counsell?or|midwife|vet|boss|manager|landlord|landlady|husband|wife|kids|twins|mum|mam|mom|"
    r"dad|grandma|grandpa|granny|baby)"
)
_HAVING = (
    r"(?:back|head|knee|shoulder|neck|throat|stomach|ankle|wrist|eyes|passport|licence|license|"
    r"phone|laptop|computer|car|bike|van|scooter|flat|house|kitchen|garden|balcony|cat|dog|rent|"
    r"commute|thesis|dissertation|dose|salary|weight)"
)
_MINE = compile_lines(
    rf"""
    (?:the |our )?(?=(?:new )?{_ROLE}(?:'s| (?:{FINITE_FORMS}))\b)
    (?={_HAVING}(?:'s| (?:{FINITE_FORMS})|s? (?:hurts?|aches?))\b)
    (?=(?!(?:the|an?|my|our|his|her|its|their|today|tomorrow|next|this)\b)(?-i:[a-z]+(?: [a-z]+)??)\
    (?<!\bthat)(?<!\bit)(?<!\bthere)(?<!\bhe)(?<!\bshe)(?<!\bwhat)(?:'s| is) (?:now )?\
    (?:(?:at|on) )?(?:{WEEKDAYS}|\d\d?[:.]\d\d|\d\d? ?[ap]m)\b)
    """,
    f"(?=(?:{CIRCLE_ZH})(?:[\u4e00-\u9fff]{{0,3}}?)(?:是|叫|在|有|会|今年|现在|也|喜欢|爱|刚|[离结]婚|升|退休|住|"
    "怀孕|最|对|不|养|搬|生(?!日)|考|上|去年))"
    "|(?=(?:车|手机|电脑|护照|驾照|工资|房租|论文|婚礼|婚期|膝盖|腰|脖子|嗓子|胃)(?:是|在|终于|又|也|涨|定|有|很|"
    "疼|提|到|坏|丢|换|不|搬|交|放))"
    "|(?=(?:新?(?:老板|上司|房东|领导|导师|教练)|医生)(?:是|叫|姓|有|让|说我|建议|给我|要))",
    r"^(?:and |so |now )?{}",
)
"""Before a noun for a person or thing that a speaker has one of: "the boss is", "head hurts"."""
_NEW = re.compile(r"^(?:my |got a )?new (?P<what>(?:[\w-]+ ){0,2}[\w-]+): (?=\S)", re.IGNORECASE)
_OCCASION = re.compile(
    r"^(?P<which>first|last) (?P<what>day|week|shift|lesson|class|session)"
    r"(?= (?:at|in|with|on|as)\b)",
    re.IGNORECASE,
)
_CHINESE_TIME = (
    "(?:今[天年晚早]|昨[天晚]|前天|最近|刚刚?|上个?[周月]|周末|[去前]年|终于|已经|又|也)*[，,]?"
)
_CHINESE_DIARY = re.compile(
    f"^(?:{_CHINESE_TIME})(?=(?:从[^，。]{{1,8}}[搬换调转]到|搬[到进]|搬家了|辞职了?|入职|报了?名|报了|买了|卖了|换了|办了|订了|约了|租了|"
    "签了|养了|领养|戒了|开始[学练跑吃喝做在]|学会|考[上过到]了|毕业了|退休了|结婚了|离婚了|怀孕了|升职了|"
    "体检|复查|去了|回了|做了|种了|参加了|加入了|把[^，,。]{1,8}[卸卖扔退戒停换]了))"
)
_CHINESE_COMMA = re.compile(rf"(?<=[{CJK}]), ?|, ?(?=[{CJK}])")
_OUR_HOME = re.compile("^(?=家里?(?:有|养|住|的))")
_OTHER_PERSON = re.compile(
    rf"^\W*(?:(?:s?he|they|{_ROLE})\b|(?:my|our|his|her) (?:[\w'’-]+ )??(?:{CIRCLE_EN}|friend|"
    r"colleague|neighbou?r)s?\b|(?-i:[A-Z][a-z]+)(?:['’]s)? (?:is|has|was|had|said|says|\w+ed)\b)"
    f"|^[他她]|^我?的?(?:{CIRCLE_ZH})(?!和我)",
    re.IGNORECASE,
)


_SUBJECT_PERSON = re.compile(
    rf"^\W*(?:today |yesterday |now )?(?:my|our) (?P<person>(?:\w+ )??(?:{CIRCLE_EN}|mam)\b"
    rf"(?: (?-i:[A-Z])\w+)?)|^我?的?(?P<kin>{CIRCLE_ZH})",
    re.IGNORECASE,
)
_HE_OR_SHE = re.compile(
    r"^(?P<pronoun>s?he)(?:['’]s (?P<after>[\w'’]+)| (?=\w))|^(?P<chinese>[他她])(?!们)",
    re.IGNORECASE,
)
_STATES = frozenset("retired married divorced engaged called named allergic pregnant".split())


def name_person(sentence: str, before: str) -> str:
    """Return a sentence about "he" or "she" with the person of the sentence before as subject.

    Args:
        sentence: A sentence.
        before: The sentence before it in the same utterance, with its subject.
    """
    pronoun, person = _HE_OR_SHE.match(sentence), _SUBJECT_PERSON.match(before)
    if not pronoun or not person:
        return sentence
    is_he = pronoun.group().lower().startswith(("he", "他"))
    if (WOMAN if is_he else MAN).search(person.group()):
        return sentence
    if pronoun["chinese"]:
        return f"我{person['kin']}{sentence[1:]}" if person["kin"] else sentence
    if not person["person"]:
        return sentence
    verb, after = "", pronoun["after"]
    if after:
        has = is_participle(after) and after.lower() not in _STATES
        verb = f"{'has' if has else 'is'} {after}"
    return f"my {person['person']} {verb}{sentence[pronoun.end() :]}"


_ACQUIRED = re.compile(
    r"^(?:I|we)(?:['’]ve| have)?(?: just| finally| now)*"
    r" (?:moved|(?:have|got|bought|adopted|rented|leased) [^,;:]{3,40})[.!]*$",
    re.IGNORECASE,
)
_NO_DESCRIPTION = compile_lines(
    rf"""
    \b(?:{FINITE_FORMS}|I|you|he|she|it|we|they|this|that|who|what|which|if|because|\w+ing)\b|[?“"]
    ^\W*(?:and|but|so|then|now|yes|no|not|never|still|also|oh|wow|thanks?|hi|finally|please|ok)\b
    ^\W*(?:so|very|really|too|happy|tired|sad|excited|proud|glad|sorry|done)\b
    """,
    "[\u4e00-\u9fff]",
)
_MOVED = re.compile(r"^(?:I |we )?(?:just |finally )?moved[.!]*$", re.IGNORECASE)


def add_description(sentence: str, after: str) -> str:
    """Return a sentence about something new with the description that follows it without a verb.

    "Bought a bike. Dark green, second-hand, 165 euros." is one statement.

    Args:
        sentence: A sentence with its subject.
        after: The text after it in the same utterance.
    """
    if _MOVED.match(sentence):
        sentence = "I moved"
    if not _ACQUIRED.match(sentence):
        return sentence
    following = after.lstrip().splitlines()[:1] or [""]
    parts = re.split(r"(?<=[,.;!])\s+", following[0])
    kept: list[str] = []
    for part in parts:
        words = len(part.split())
        is_adjective = words == 1 and re.match(r"[a-z]{3,}ed\b", part) is not None
        if words > 7 or (_NO_DESCRIPTION.search(part) and not is_adjective):
            break
        kept.append(part.rstrip(",.;! "))
        if part[-1:] in ".!":
            break
    if len(kept) < 2:
        return sentence
    head = sentence.rstrip(".! ")
    return f"{head.lower() if head.isupper() else head}: {', '.join(kept)}"


def add_subject(sentence: str, before: str = "") -> str:
    """Return a sentence with the "I" or "my" that its speaker left out.

    Args:
        sentence: The sentence.
        before: The sentence before it in the same utterance, if any.
    """
    if _HAN.search(sentence):
        return _add_chinese_subject(_CHINESE_COMMA.sub("，", sentence), before)
    if new := _NEW.match(sentence):
        what = new["what"]
        article = "" if what.endswith("s") and not what.endswith("ss") else "a "
        return f"I have {article}new {what}: {sentence[new.end() :]}"
    if occasion := _OCCASION.match(sentence):
        rest = sentence[occasion.end("what") :]
        return f"I had my {occasion['which'].lower()} {occasion['what'].lower()}{rest}"
    if _DIARY.match(sentence):
        return sentence if _OTHER_PERSON.search(before) else f"I {_lower_first(sentence)}"
    if mine := _MINE.match(sentence):
        return f"my {_lower_first(sentence[mine.end() :])}"
    return sentence


def _add_chinese_subject(sentence: str, before: str) -> str:
    if _OUR_HOME.match(sentence):
        return f"我{sentence}"
    if _MINE.match(sentence):
        return f"我的{sentence}"
    if _CHINESE_DIARY.match(sentence) and not _OTHER_PERSON.search(before):
        return f"我{sentence}"
    return sentence


def _lower_first(sentence: str) -> str:
    """Return a sentence with a small letter at its beginning, unless its first word is a name."""
    first, _, rest = sentence.partition(" ")
    return f"{first if first[1:2].isupper() else first.lower()} {rest}".rstrip()
