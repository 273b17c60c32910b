"""Patterns of statements about the user that stand alone, in English and Chinese."""

from __future__ import annotations

import re

from memorybank_core.text import CJK

from .pattern_lines import compile_lines
from .statement_patterns import CIRCLE_EN, CIRCLE_ZH
from .verb_forms import FINITE_FORMS, PAST_FORMS

_SELF = r"(?:I|I['’](?:m|ve|ll|d)|my|we|we['’](?:re|ve|ll|d)|our)\b"
_NOW_AND_THEN = (
    r"today|yesterday|tomorrow|tonight|recently|lately|now|actually|currently|usually|honestly|"
    r"nowadays|as of (?:today|now|\w+day|this \w+)|these days|"
    r"(?:this|last|next|since) (?!is\b|was\b)\w+|in \w+(?: \d+)?"
)
_LEAD = (
    rf"(?:(?:{_NOW_AND_THEN}|"
    r"(?:on|besides|apart from|by|at|for|with|as|after|before|from)(?: [\w'’]+){1,4}),? )?"
)
_CHINESE_LEAD = (
    "(?:今[天年]|昨[天晚]|明[天年]|最近|现在|目前|平时|一般|以前|从小|[去前]年|[上下这]个?[周月]|周末|"
    "[一二三四五六七八九十0-9]+月(?:[一二三四五六七八九十0-9]+[号日])?)*[，,]?"
)
_FREQUENCY = r"(?: \w+ly| never| always| only| just| now| still| also| usually| often| no longer)*"

CLAUSE = re.compile(
    r"(?<=[,;:(])(?=\s)|\s[—–-]+\s|\s+(?=(?:and|but|so|because|since|though|although|while)\s"
    rf"(?:(?:(?:as of|since|from) [\w ]{{1,12}} |now |today |then )?{_SELF}|"
    r"(?:you|it|he|she|they|that|this)\b))",
    re.IGNORECASE,
)
"""Boundaries at which an English sentence is divided into clauses."""

CHINESE_CLAUSE = re.compile(r"(?<=[，,；;：:。！!（）()])|——|…+")
"""Boundaries at which a Chinese sentence is divided into clauses."""

CONJUNCTION = re.compile(
    r"^\s*(?:(?:and|but|so|because|since|plus|also|though|although|while|then|well|yes|no|oh),? )+"
    r"|^\s*(?:但是?|不过|所以|而且|然后|因为|另外|其实|可是|可(?=我)|对了|反正)[，,]?",
    re.IGNORECASE,
)
"""Words that join a clause to the one before."""

START = re.compile(
    rf"(?P<lead>{_LEAD})(?:{_SELF}(?! (?:and|or)\b)|"
    rf"(?!(?:this|that|it|he|she|there|what|who)\b)(?-i:[A-Z]\w+)(?: (?-i:[A-Z]\w+))? "
    rf"(?:is|was) {_SELF})",
    re.IGNORECASE,
)
"""The beginning of an English statement about the speaker."""

CHINESE_START = re.compile(
    f"(?P<lead>{_CHINESE_LEAD})(?:我(?!说|问|觉得|想[问说]|看[，,。]|知道)|咱)|"
    f"(?:[{CJK}A-Za-z]{{1,6}})(?:是|叫)我(?:的|{CIRCLE_ZH})"
)
"""The beginning of a Chinese statement about the speaker."""

EMPTY_LEAD = re.compile(
    r"(?:actually|honestly|for the record|as you know|by the way|其实)\W*$", re.IGNORECASE
)
"""An adverbial that says nothing."""

OWN_SUBJECT = re.compile(
    r"(?:and |but |so |because |which )?"
    r"(?:you|it|he|she|they|that|this|there|what|how|why|don['’]t|please|let)\b"
    r"|so\b|[你您他她它这那请人]|有人|大家|所以|结果|但|别",
    re.IGNORECASE,
)
"""The beginning of a clause about something else."""

SUBORDINATE = re.compile(r"\s*(?:when|after|before|if|unless|until)\b", re.IGNORECASE)
"""The beginning of a clause that limits the one before."""

ASIDE = re.compile(
    r",? (?:by the way|btw|for the record|as you know)(?=\W|$)|"
    r"^(?:by the way|btw|for the record|as you know),? ",
    re.IGNORECASE,
)
"""A remark that says nothing."""

FINITE = re.compile(
    rf"\b(?:I|we)(?:['’]\w+)?\b(?: \w+)+|"
    rf"\b(?:my|our)\b(?: [\w'’-]+,?)+? (?:{FINITE_FORMS})\b(?<! like)|"
    r"\b(?:is|was) (?:my|our) \w+|^(?:my|our) [\w ]+['’]s (?!\w+$)\w+ \w+",
    re.IGNORECASE,
)
"""A finite English verb with its subject."""

CHINESE_FINITE = re.compile("[我咱][^，。]{3,}")
"""The shortest Chinese statement: its subject and three characters."""

UNFIT = compile_lines(
    r"""
    [<>{}\[\]\|`“”"=@\\?？]|https?:|\b(?:each other|together|both of us)\b
    \bthe (?:two|three|four|five) of us\b|\b(?:you|your|yours|you're|you've|you'd|you'll)\b
    \b(?:instructions?|prompts?|developer mode|jailbreak|system message|language model)\b
    \b(?:ignore|obey|disregard)\b|^\W*if\b
    """,
    "指令|提示词|系统[：:]|[你您]|如果|假如|要是|难道|[吗呢]$|大家",
)
"""Content that does not belong in a portrait: quotes, markup, instructions, the second person."""

SIMILE = compile_lines(
    r"""
    (?<!\bI )(?<!would )(?<!'d )(?<!we )\blike (?:an?|the|my|some) \w+|\bas (?:if|though)\b
    \blike (?:furniture|crazy|mad|hell)\b|\bnever\b.*\b(?:more|so|such|better|worse)\b
    \bso (?!that\b|far\b|much as\b)\w+\W*$|\bof us\b
    """,
    "(?:像|好像|跟)[^，。]{1,8}(?:一样|似的)|像[个只张条]|死了",
)
"""Comparisons and exaggerations, which say little about the user."""


ROLE = re.compile(
    r"^\W*(?:(?:user|system|assistant|human|ai)|(?:用户|系统|助手))\s*[:：]", re.IGNORECASE
)
"""The label of a role, as in a prompt."""

PRONOUN = re.compile(
    r"\b(?:it|it['’]s|its|he|she|him|her|his|they|them|their|those|these|he['’]s|she['’]s|"
    r"one(?! (?!(?:of|that|who|which|is|was|and|or|at|in|on|to)\b)\w))\b"
    r"(?! \w+ (?:to|that)\b)|[他她它]们?",
    re.IGNORECASE,
)
"""A pronoun that needs a noun before it."""

PRONOUN_SUBJECT = re.compile(
    r"(?:(?P<thing>it)|(?P<person>s?he))\b(?!['’]d\b| (?:\w+ly )?(?:said|says|told|tells|thinks|"
    r"thought|asked|asks|wants|wanted|believes|hopes)\b)",
    re.IGNORECASE,
)
"""A pronoun that begins a clause and does not report what somebody said."""

ANTECEDENT = re.compile(
    rf"\b(?i:my|our|an?|the) [\w'’-]+|(?<=\s)[A-Z][a-z]+|\b{CIRCLE_EN}\b|(?:{CIRCLE_ZH})|"
    "[一二两三]?[只条个位本台辆]"
)
"""A noun that a pronoun can refer to."""

_TRAIT = (
    r"(?:(?-i:[A-Z])\w+|vegetarian|vegan|coeliac|celiac|diabetic|asthmatic|pregnant|married|divorced|"
    r"single|engaged|widowed|retired|unemployed|freelance|self-employed|adopted|gay|deaf|dyslexic|"
    r"left-handed|sober|teetotal|\d+|\w+ty(?:-\w+)?|\w+teen)"
)
DEIXIS = compile_lines(
    rf"""
    \b(?:that|this)(?:'s)?\W*$|\b(?:am|is|are|was|be) (?:that|this)\b
    \b(?:like|about|for|of|with|to|at|did|do|does|love|hate|want) (?:that|this)\b(?! \w+)
    \b(?:so|too|either|though|since|first)\W*$|\b(?:there|here)\b(?! (?:is|are|was|were)\b)
    \bthis\b(?! (?:morning|afternoon|evening|week|weekend|month|year|summer|winter|spring|autumn|\
    \w+day|is|time)\b)|\bthat (?:person|man|woman|guy|one|thing)\b
    ^\W*I (?:am|was|do|did|have|can|can't|will|would)(?: not| anymore| any more)?\W*$
    ^\W*(?:I|we) (?:don't|didn't|could|won't|wouldn't|haven't)\W*$
    ^\W*I(?:'m| am| was)(?: not)? (?!{_TRAIT}\b)\w{{1,12}}\W*$|\bI \w+ \w+\W*$(?<=[a-z]ed)
    """,
    r"""
    ^.{0,3}我也|想不起|^[^，。是]{1,8}的(?:$|[，。])|^我[^，。]*的[^，。是叫在有会住]{1,4}$|^我[^，。]{0,2}$
    [这那](?!几|[年天]|个?[周月]|段时间|阵子|学期)
    """,
)
"""A statement that refers to something outside of the statement, or says too little."""

MENTAL = compile_lines(
    r"""
    ^\W*(?:I|we)(?:'d|'ve|'m)? (?:\w+ly |just |also |still |do |did |don't |didn't )?\
    (?:think|thought|guess|mean|meant|suppose|bet|swear|know|knew|see|saw|agree|wonder|wondered|\
    said|told|say|hear|heard|asked|ask|promise|admit|apologi[sz]e|suspect|hope so|noticed|\
    reali[sz]ed|understand|remember|forgot|believe|tell)\b
    ^\W*(?:I|we) (?:\w+ly )?(?:can't|cannot|couldn't) (?:tell|believe|remember|wait|help|say)\b
    ^\W*(?:I|we) (?:\w+ly )?(?:can't|cannot|couldn't) (?:decide|find|think)\b
    ^(?:my|our) [\w -]+ (?:says|said|thinks|thought|asks|asked|told|tells)\b
    ^\W*(?:I|we)(?:'ll| will| shall| would| could| should| might| may| must)\b\
    (?! (?:love|like) to\b)
    ^\W*(?:I|we)(?:'d) (?!love|like|been)
    """,
    r"""
    ^[我咱][^，。]{0,4}[说问](?!话|[^，。]{0,2}语)|^我(?:也|就|还|真)?(?:觉得|认为|感觉|想问|知道)
    ^我[^，。]{0,3}(?:心想|以为|想着|纳闷|琢磨)|^我(?:也|就|还|真)?(?:看到|听说|怀疑|猜|记得|发誓|承认|明白|会(?!.{1,4}语))
    """,
)
"""Opinions, reports and intentions of the moment."""

LIFE_EVENT = compile_lines(
    rf"""
    \b(?:I|we)(?:'ve| have| just| finally| now)* (?:moved(?! (?:the|my|an?|(?-i:[A-Z])))|married|\
    got married|divorced|graduated|\
    bought|sold|adopted|quit|started|joined|signed|passed|retired|switched|gave up|given up|\
    stopped|became|lost|enrolled|resigned|got (?:a|an|my|our|engaged|promoted)|broke my|left my|\
    been diagnosed)\b
    \b(?:I|we) was (?:diagnosed|promoted|hired|fired|born)\b|\b(?:I|we) had my (?:first|last) \w+
    \bmy (?:\w+ )?{CIRCLE_EN}(?: (?-i:[A-Z])\w+)?(?:'s| has| have| just)* (?:moved|got|married|\
    died|divorced|retired|graduated|quit|started|stopped|lost|bought|adopted|was born|had a baby)\b
    \bmy (?:doctor|gp|dentist|physio|dermatologist|vet)(?:'s| has)? (?:put|halved|raised|lowered|\
    doubled|stopped|prescribed|changed|diagnosed|cleared)\b
    \bmy (?:\w+ )?(?:number|address|name)(?:'s| has| have)? changed\b
    \b(?:no longer|used to|(?<!can't )any ?more|from now on|ever since)\b
    """,
    rf"""
    我[^，。]{{0,6}}(?:搬到|搬进|搬家|结婚|离婚|毕业|买了|卖了|领养|养了|辞职|入职|换了|换到|开始)
    我[^，。]{{0,6}}(?:考[过上到]|退休|戒|怀孕|确诊|报名|加入|签了|升职|不再|求婚|办了|当上|住院|手术)
    ^我.{{0,14}}(?<!受)不[^，。了]{{1,6}}了|终于[^，。]{{1,6}}了|定[在于]|预产期
    我的?(?:{CIRCLE_ZH})[^，。]{{0,6}}(?:搬|[结离]婚|去世|走了|退休|怀孕|生了|升职|毕业|换|跳槽|入职|辞职|住院|手术)
    医生[^，。]{{0,2}}(?:让|叫|建议|给|不让)我?[^，。]{{0,3}}(?:吃|停|做|少|多|戒|换|开|每)
    """,
)
"""An event that changes how someone lives."""

PRESENT = compile_lines(
    rf"""
    \b(?:I|we){_FREQUENCY} (?:am|are|have|own|drive|ride|run|drink|eat|wear|use|take|sleep|play|\
    swim|read|write|bake|cook|live|work|study|teach|speak|report|keep(?! \w+ing)|grow|collect|\
    prefer|earn|pay|train|volunteer|lead|manage|build|make|design|sit|sing|paint|do|go|can't|\
    don't|get(?! (?:to|it|the)\b))\b
    \b(?:I|we)'(?:m|re|ve)\b|\bI(?:'m| am) (?:\d+|\w+ty|\w+ty-\w+|\w+teen)\W*$
    """,
    r"""
    我(?:也|还|都|只|现在|一直|已经)?(?:是|有|住|养|教|叫|姓|不[吃喝能敢会])
    我[^，。]{0,6}(?:每[天周年月]|常|总|一直|从来)|我在[^，。]{1,12}(?:工作|上班|读|学|住)
    """,
)
"""A state or habit in the present tense."""

MOMENT = compile_lines(
    rf"""
    \b(?:I|we)(?:'m| am|'re| are){_FREQUENCY} (?!(?:learn|study|work|train|teach|liv|sav|plan|\
    writ|rais|retir|go)ing\b)\w+ing\b
    ^\W*(?:I|we)(?:'ve| have)\b(?! (?:\w+ )?(?:an?|the|to|one|two|three|four|five|six|no|my|our|\
    \d+)\b)\
    (?!.*\b(?:since|for \w+ (?:years|months)|never|always)\b)
    \b(?:I|we){_FREQUENCY} (?:want|need) (?!to\b)
    \b(?:I|we)(?:'ve)? (?:have|got) to\b|\bI need to\b
    \b(?:I|we)(?:'m| am) (?:in|on|at|about|going|out|up|so|off (?:to|for|today|sick|work|home))\b\
    (?!.*\b(?:diet|every|only|now|again|most|each|\w+days)\b)
    """,
    "正在|[^，。住有]着|我[^，。]{0,4}一[^直个名只位家]|^[^，。]*刚",
)
"""An activity at the moment, rather than a state."""

STABLE = compile_lines(
    r"""
    \b(?:no longer|any ?more|from now on|now|again|since|always|never(?! been so)|every|each)\b
    \bused to\b|\bfor a living\b|\bmost (?:days|mornings|evenings|nights|weeks)\b
    \bfor (?:\w+ )?(?:years|months)\b
    \b(?:allerg\w+|diagnosed|married|born)\b|\b(?:am|is|are) (?:an?|the|from|called)\b
    """,
    "不再|现在|从此|以后|一直|每|从来|总是|过敏|自从|[是叫]|住在|多年",
)
"""Signs of what lasts."""

PAST_TENSE = compile_lines(
    rf"""
    ^(?:\w+,? ){{0,4}}?(?:I|we)(?: (?!am|are|have|do|don't)\w+){{0,2}}? (?:{PAST_FORMS})\b
    ^(?:my|our)(?: (?!is\b|are\b|has\b|have\b)[\w-]+(?:'s)?){{1,4}}? (?:{PAST_FORMS})\b
    """,
    "^[^，。]*[^，。]了|^[^，。]*过(?!敏|年|节|生日|得|于)|以前|曾经|当时|那时",
)
"""A deed or an event of the past."""

RELATIVE_TIME = compile_lines(
    r"""
    \b(?:today|tonight|yesterday|tomorrow|this (?:morning|afternoon|evening|week|weekend))\b
    \b(?:last (?:night|week|\w+day)|next (?:week|month|\w+day)|at the moment|right now)\b
    \ban hour ago\b|\bon (?:mon|tues|wednes|thurs|fri|satur|sun)day\b
    \b(?:until|by|till) (?:the )?(?:mon|tues|wednes|thurs|fri|satur|sun)day\b
    """,
    "今[天早晚]|昨[天晚]|明[天早晚]|(?<![年月])刚|[上下这]周|周末|此刻|待会|后天|前天",
)
"""A time that only makes sense on the day it was said, such as "tomorrow"."""
