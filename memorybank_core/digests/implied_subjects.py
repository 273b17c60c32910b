"""Sentences whose subject is implied, as in a diary, completed: "Started a new job." Pure.

"I" is added before a verb of the past with an object, and "my" before a noun that a speaker has one
of. Neither is done after a sentence about somebody else, who may be the subject.
"""

from __future__ import annotations

import re

from memorybank_core.text import CJK

from .statement_patterns import KIN, PEOPLE
from .talk_patterns import compile_lines
from .verb_forms import FINITE_FORMS, IRREGULAR_PAST

_HAN = re.compile(f"[{CJK}]")
_OBJECT = (
    r"(?:an?|the|my|our|his|her|some|no|all|every|another|two|three|four|five|six|\d[\d,.]*|"
    r"(?-i:[A-Z])\w+)\b"
)
_DIARY = compile_lines(
    rf"""
    (?:moved|started|quit|stopped|switched|signed|went|flew|drove|enrolled|applied|graduated|\
    gave up|came) (?=(?-i:[a-z0-9A-Z]))
    (?:got) (?=(?:{_OBJECT}|rid of|engaged|married|promoted|divorced))
    (?:joined|adopted|passed|booked|changed|finished|cancelled|planted|painted|visited|ordered|\
    baked|cooked|tried|walked|climbed|played|watched|missed|dropped|repaired|fixed|learned|packed|\
    celebrated|donated|rented|traded|returned|broke my) (?={_OBJECT})
    (?:{IRREGULAR_PAST}) (?={_OBJECT})
    """,
    "(?!)",
    r"^(?:just |finally )?{}",
)
"""A verb of the past without its subject, which is "I"."""
_ADVERB = re.compile(r"(?:just|finally) ", re.IGNORECASE)

WEEKDAYS = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?)"
"""Pattern of the days of the week."""
_ROLE = (
    r"(?:doctor|gp|dentist|physio|dermatologist|cardiologist|neurologist|optician|therapist|"
    r"counsell?or|midwife|vet|boss|manager|landlord|landlady|husband|wife|kids|twins|mum|mam|mom|"
    r"dad|grandma|grandpa|granny|baby)"
)
_HAVING = (
    r"(?:back|head|knee|shoulder|neck|throat|stomach|ankle|wrist|eyes|passport|licence|license|"
    r"phone|laptop|computer|car|bike|van|scooter|flat|house|kitchen|garden|balcony|cat|dog|rent|"
    r"commute|thesis|dissertation)"
)
_MINE = compile_lines(
    rf"""
    (?:the |our )?(?=(?:new )?{_ROLE}(?:'s| (?:{FINITE_FORMS}))\b)
    (?={_HAVING}(?:'s| (?:{FINITE_FORMS})|s? (?:hurts?|aches?))\b)
    (?=(?!(?:the|an?|my|our|his|her|its|their|today|tomorrow|next|this)\b)(?-i:[a-z]+(?: [a-z]+)??)\
    (?<!\bthat)(?<!\bit)(?<!\bthere)(?<!\bhe)(?<!\bshe)(?<!\bwhat)(?:'s| is) (?:now )?\
    (?:(?:at|on) )?(?:{WEEKDAYS}|\d\d?[:.]\d\d|\d\d? ?[ap]m)\b)
    """,
    f"(?=(?:{KIN})(?:[\u4e00-\u9fff]{{0,3}}?)(?:是|叫|在|有|会|今年|现在|也|喜欢|爱|刚|[离结]婚|升|退休|住|"
    "怀孕|最|对|不|养|搬|生|考|上|去年))"
    "|(?=(?:新?(?:老板|上司|房东|领导|导师|教练)|医生)(?:是|叫|姓|有|让|说我|建议|给我|要))",
    r"^(?:and |so |now )?{}",
)
"""Before a noun for a person or thing that a speaker has one of: "the boss is", "head hurts"."""
_NEW = re.compile(r"^(?:my |got a )?new (?P<what>(?:[\w-]+ ){0,2}[\w-]+): (?=\S)", re.IGNORECASE)
_OCCASION = re.compile(
    r"^(?P<which>first|last) (?P<what>day|week|shift|lesson|class)(?= (?:at|in|with|on|as)\b)",
    re.IGNORECASE,
)
_CHINESE_TIME = (
    "(?:今[天年晚早]|昨[天晚]|前天|最近|刚刚?|上个?[周月]|周末|[去前]年|终于|已经|又|也)*[，,]?"
)
_CHINESE_DIARY = re.compile(
    f"^(?:{_CHINESE_TIME})(?=(?:搬[到进]|搬家了|辞职了?|入职|报了?名|报了|买了|卖了|换了|办了|订了|约了|租了|"
    "签了|养了|领养|戒了|开始[学练跑吃喝做在]|学会|考[上过到]了|毕业了|退休了|结婚了|离婚了|怀孕了|升职了|"
    "体检|复查|去了|回了|做了|种了|参加了|加入了|把[^，,。]{1,8}[卸卖扔退戒停换]了))"
)
_CHINESE_COMMA = re.compile(rf"(?<=[{CJK}]), ?|, ?(?=[{CJK}])")
_OUR_HOME = re.compile("^(?=家里?(?:有|养|住|的))")
_OTHER_PERSON = re.compile(
    rf"^\W*(?:(?:s?he|they|{_ROLE})\b|(?:my|our|his|her) (?:[\w'’-]+ )??(?:{PEOPLE}|friend|"
    r"colleague|neighbou?r)s?\b|(?-i:[A-Z][a-z]+)(?:['’]s)? (?:is|has|was|had|said|says|\w+ed)\b)"
    f"|^[他她]|^我?的?(?:{KIN})(?!和我)",
    re.IGNORECASE,
)


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
