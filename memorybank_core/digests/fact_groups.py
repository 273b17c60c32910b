"""The groups of a portrait, and the attributes of which a user has one, by patterns."""

from __future__ import annotations

from .statement_patterns import KIN, PEOPLE
from .talk_patterns import compile_lines

_GROUPS = (
    (
        "life",
        compile_lines(
            r"\b(?:I|we)(?: have|'ve)?(?: \w+)? (?:live|lived|moved|bought|sold|grew up)\b",
            "我[^，。]{0,4}(?:住|搬|买了|卖了)",
        ),
    ),
    (
        "people",
        compile_lines(
            rf"""
            \b(?:my|our) (?:\w+ )?(?:{PEOPLE}|friends?|neighbou?rs?|in-laws?|\w+-in-law)\b
            \b(?:my|our) (?:\w+ )?(?:nieces?|nephews?|aunts?|uncles?|twins?|fianc\w+)\b
            \b(?:have|got|adopted) (?:an?|two|three|four) (?:\w+ )?{PEOPLE}s?\b|\bmarried\b
            """,
            f"(?:我|的|和|跟|有|养)[^，。]{{0,4}}(?:{KIN}|朋友|邻居|外甥|侄)|结婚",
        ),
    ),
    (
        "work",
        compile_lines(
            r"""
            \b(?:work\w*|jobs?|career|boss|manager|colleagues?|office|company|employ\w+)\b
            \b(?:freelanc\w+|clients?|team|project|student|study\w*|degree|university|college)\b
            \b(?:teach\w*|nurse|engineer|designer|developer|retired|salary|resign\w*|promot\w+)\b
            \b(?:report to|for a living|thesis|exam)\b
            \bI(?: \w+)? (?:design|write|build|develop|manage|lead|make|program)\b.* (?:at|for) \
            (?-i:[A-Z])
            """,
            r"""
            工作|上班|护士|程序员|公司|同事|老板|上司|职业|专业|学生|大学|老师|工程师|设计师|辞职|入职
            创业|客户|论文|考试|实习|加班|退休|研究生
            """,
        ),
    ),
    (
        "health",
        compile_lines(
            r"""
            \b(?:allerg\w+|intoleran\w+|doctor|dentist|hospital|surgery|medic\w+|pills?|tablets?)\b
            \b(?:diagnos\w+|asthma|diabet\w+|migraines?|headaches?|pain|injur\w+|ill|sick|blood)\b
            \b(?:vegetarian|vegan|sleep\w*|insomnia|therap\w+|counsell?or|physio\w*|glasses)\b
            \b(?:weigh|kilos|smok\w+|pregnan\w+|vitamins?|vaccin\w+|fever|depress\w+|astigmat\w+)\b
            """,
            r"""
            过敏|医|病|药|手术|体检|失眠|睡|疼|痛|贫血|缺铁|血压|减肥|吃素|戒烟|焦虑|抑郁|怀孕|近视
            感冒|发烧|受伤|心理咨询
            """,
        ),
    ),
    (
        "likes",
        compile_lines(
            r"""
            \b(?:I|we)\b(?: (?!would\b)\w+| don't)? (?:love|like|enjoy|prefer|adore|hate)\b
            \b(?:I|we)\b(?: \w+)? (?:dislike|collect)\b
            \b(?:I|we) can't stand\b|\b(?:favou?rite|fond of|keen on|hobb(?:y|ies))\b
            \b(?:afraid|scared) of\b|\bI(?:'m| am) into\b
            \b(?:I|we)(?: \w+)?(?: don't| never)? (?:drink|eat|play|sing|read|listen|watch)\b
            """,
            "喜欢|爱(?!尔)|讨厌|最怕|害怕|兴趣|偏爱|吃|喝|受不了|擅长|在学",
        ),
    ),
    (
        "plans",
        compile_lines(
            r"""
            \b(?:I|we)(?:'d| would)? (?:\w+ )?(?:want|plan|hope|intend|wish|dream)\b
            \b(?:I|we)(?:'d| would) (?:love|like) to\b|\bmy (?:goal|dream|plan)\b
            \b(?:going to|planning|saving for|looking forward)\b
            """,
            "我[^，。]{0,4}(?:想|希望|打算|计划|准备|梦想|目标)|我的(?:梦想|目标|计划|愿望)",
        ),
    ),
    (
        "feelings",
        compile_lines(
            r"""
            \b(?:feel|felt|feeling|happy|sad|lonely|stressed|worried|nervous|proud|excited|mood)\b
            \b(?:tired|exhausted|grateful|overwhelmed|angry|upset|bored|terrified|anxious)\b
            """,
            "感到|开心|难过|孤独|压力|紧张|担心|累|心情|情绪|高兴|生气|伤心|烦",
        ),
    ),
    (
        "life",
        compile_lines(
            r"""
            \b(?:I|we)(?:'m| am|'ve| have)? (?:\w+ )?(?:born|own|have|drive|ride)\b
            \bmy (?:\w+ )?(?:name|birthday|address|hometown|home|flat|house|car|bike|number)\b
            \bI(?:'m| am) (?:from|called|\d+)\b
            """,
            r"""
            我(?:叫|姓|来自|家|今年|出生)|我的(?:名字|生日|家乡|老家|地址|车|房)
            """,
        ),
    ),
)
"""Groups with their patterns, in the order in which they are tried."""

_SLOTS = {
    "home": compile_lines(
        r"\b(?:I|we)(?:'ve| have)?(?: \w+)? (?:live|lived|moved (?:to|into))\b",
        "我[^，。]{0,4}(?:住在|搬到|搬进|家在)",
    ),
    "diet": compile_lines(
        r"""
        \bI\b.{0,20}\b(?:vegetarian|vegan)\b
        \bI(?: \w+| don't)? eat (?:everything|anything|(?:\w+ )?(?:meat|fish))\b
        """,
        "我[^，。]{0,4}(?:吃素|不吃肉|吃荤|素食)",
    ),
    "job": compile_lines(
        r"""
        \bI(?: \w+)? (?:work (?:as|at|for|in)|joined)\b
        \bI(?: \w+)? (?:work|design|write|make|build|develop|manage|lead|teach|run|sell|program)\b\
        .* (?:at|for) (?-i:[A-Z])
        \bI(?:'m| am)(?: now)? an? (?:\w+ ){0,2}\w+(?:er|or|ist|ian|nurse|teacher)\b(?! of)
        """,
        r"""
        我[^，。]{0,3}在[^，。]{1,12}(?:工作|上班)
        我(?:现在)?是(?:一?名|一?个)?[^，。]{0,8}(?:师|员|学生|人员|护士|医生)
        """,
    ),
    "age": compile_lines(
        r"\bI(?:'m| am) (?:now )?(?:\d+|\w+ty(?:-\w+)?)(?: years old)?\W*$",
        r"我[^，。]{0,3}\d+岁|我今年",
    ),
    "manager": compile_lines(
        r"""
        \bI(?: now)? report to\b|\b(?:is|are) my (?:new )?(?:boss|manager)\b
        \bmy (?:new )?(?:boss|manager) is\b
        """,
        "是我的?(?:老板|上司|经理)|我的(?:老板|上司|经理)是",
    ),
}


def classify(statement: str) -> str:
    """Return the group of a statement in the first person; "other" if it is in none."""
    return next((name for name, pattern in _GROUPS if pattern.search(statement)), "other")


def find_slot(statement: str) -> str:
    """Return the attribute that a statement gives the one value of, such as "home"; or ""."""
    return next((name for name, pattern in _SLOTS.items() if pattern.search(statement)), "")
