"""The groups of a portrait, and the attributes of which a user has one, by patterns."""

from __future__ import annotations

from .pattern_lines import compile_lines
from .statement_patterns import CIRCLE_EN, CIRCLE_ZH

_PET = (
    r"(?:cats?|dogs?|pupp(?:y|ies)|kittens?|hens?|rabbits?|hamsters?|parrots?|budgies?|horses?|"
    r"pony|pets?)"
)
_GROUPS = (
    (
        "life",
        compile_lines(
            r"""
            \bmy (?:full |last |first |middle )?name(?:'s| is)\b
            \bI(?:'m| am) (?:called|from|(?:now )?\d+)\b
            \bI(?:'m| am) \w+ty(?:-\w+)?\b|\bI(?:'m| am) \w+, \d+|\bmy (?:birthday|hometown|age)\b
            \bI(?: was|'ve been)? born\b|\b(?:I|we) grew up\b|\bI(?:'m| am) (?-i:[A-Z])\w+\W*$
            """,
            "我(?:叫|姓|来自|出生|今年)|我是[^，。]{1,5}人(?:$|[，。])|我的(?:名字|生日|家乡|老家)|我[^，。]{0,3}岁",
        ),
    ),
    (
        "home",
        compile_lines(
            r"""
            \b(?:I|we)(?: have|'ve)?(?: \w+)? (?:live|lived|moved(?! (?:the|my|an?|(?-i:[A-Z]))))\b
            \b(?:my|own|bought|rent|have|got|a) (?:new )?(?:flat|apartment|house)\b
            \bmy (?:new )?(?:address|rent|home|landlord|landlady|mortgage)\b
            """,
            "我(?!妹|姐|哥|弟|妈|爸)[^，。]{0,4}(?:住|搬)|我[^，。]{0,6}(?:买房|租房|房租|新家|小区)|我的(?:房|地址)",
        ),
    ),
    (
        "pets",
        compile_lines(
            rf"\b(?:my|our|(?:have|got|adopted|own) (?:an?|two|three|four)) (?:[\w-]+ )?{_PET}\b",
            "(?:我|养|[一两三]只)[^，。]{0,6}(?:猫|狗|兔|鹦鹉|仓鼠|宠物(?!医院)|乌龟)",
        ),
    ),
    (
        "people",
        compile_lines(
            rf"""
            \b(?:my|our) (?:\w+ )?(?:{CIRCLE_EN}|friends?|neighbou?rs?|in-laws?|\w+-in-law|mam)\b
            \b(?:my|our) (?:\w+ )?(?:nieces?|nephews?|aunts?|uncles?|twins?|fianc\w+|god\w+)\b
            \b(?:have|got|adopted) (?:an?|two|three|four) (?:\w+ )?{CIRCLE_EN}s?\b|\bmarried\b
            \bI(?:'m| am) (?:now )?(?:an? )(?:aunt|uncle|mother|father|god\w+|grand\w+|widow)\b
            """,
            f"(?:我|的|和|跟|有|养)[^，。]{{0,4}}(?<![师学])(?:{CIRCLE_ZH}|朋友|邻居|外甥|侄)|"
            "我[^，。]{0,4}[结离求订]婚",
        ),
    ),
    (
        "plans",
        compile_lines(
            r"""
            \b(?:I|we)(?:'d| would)? (?:\w+ )?(?:want|plan|hope|intend|wish|dream)\b
            \b(?:I|we)(?:'d| would) (?:love|like) to\b|\bmy (?:goal|dream|plan)\b
            \b(?:going to|planning|saving for|looking forward|booked|thinking of)\b
            """,
            "我[^，。]{0,4}(?:想|希望|打算|计划|准备|梦想|目标|订了)|我的(?:梦想|目标|计划|愿望|婚礼)|定[在于]",
        ),
    ),
    (
        "work",
        compile_lines(
            r"""
            \b(?:work\w*|jobs?|career|boss|manager|colleagues?|office|company|employ\w+|apprentice)\b
            \b(?:freelanc\w+|clients?|team|project|student|study\w*|degree|university|college)\b
            \b(?:teach\w*|nurse|engineer|designer|developer|retired|salary|resign\w*|promot\w+)\b
            \b(?:report to|for a living|thesis|exam|standup|shifts?)\b
            \bI had my (?:first|last) (?:day|week)\b
            \bI(?:'m| am)(?: now)? an? (?:[\w-]+ ){0,3}\w+ (?:at|for) (?!heart\b|(?:the )?\
            (?:moment|time)\b)\w+
            \bI(?:'m| am)(?: now)? an? (?:\w+ ){0,2}\w+(?:er|or|ist|ian)\b(?! of)
            \bI(?: \w+)? (?:design|write|build|develop|manage|lead|make|program|run)\b.* (?:at|for|\
            in) (?-i:[A-Z])
            """,
            r"""
            工作|上班|护士|程序员|公司|同事|老板|上司|职业|专业|学生|大学|老师|工程师|设计师|辞职|入职|兽医
            创业|客户|论文|考试|实习|加班|退休|研究生|升职|院长|经理
            """,
        ),
    ),
    (
        "health",
        compile_lines(
            r"""
            \b(?:allerg\w+|intoleran\w+|doctor|dentist|hospital|surgery|medic\w+|pills?|tablets?|gp)\b
            \b(?:diagnos\w+|asthma|diabet\w+|migraines?|headaches?|pain|injur\w+|ill|sick|blood)\b
            \b(?:sleep\w*|insomnia|therap\w+|counsell?or|physio\w*|glasses|coeliac|celiac|dermatologist)\b
            \b(?:weigh|kilos|smok\w+|pregnan\w+|vitamins?|vaccin\w+|fever|depress\w+|astigmat\w+)\b
            \b(?:\d+ (?:mg|micrograms?)|epipen|inhaler|sober|knee|shoulder|wrists?)\b
            """,
            r"""
            过敏|医|病|药|手术|体检|失眠|睡|疼|痛|贫血|缺铁|血压|减肥|戒烟|焦虑|抑郁|怀孕|近视|铁剂|血糖
            感冒|发烧|受伤|心理咨询
            """,
        ),
    ),
    (
        "food",
        compile_lines(
            r"""
            \b(?:vegetarian|vegan|teetotal|decaf|coffees?|teas?|espressos?|lattes?|alcohol|dairy|meat)\b
            \b(?:cappuccinos?|flat whites?|wine|beers?|milk|cheese|bread|fish|sugar)\b
            \b(?:breakfast|lunch|dinner)\b
            \b(?:I|we)(?: \w+)?(?: don't| never| can't)? (?:drink|eat|cook|bake)\b
            \b(?:dish|recipe|food)\b
            """,
            "吃|喝|咖啡|奶茶|茶|素食|荤|辣|菜",
        ),
    ),
    (
        "likes",
        compile_lines(
            r"""
            \b(?:I|we)\b(?: (?!would\b)\w+| don't)? (?:love|like|enjoy|prefer|adore|hate)\b
            \b(?:I|we)\b(?: \w+)? (?:dislike|collect)\b
            \b(?:I|we) can't stand\b|\b(?:favou?rite|fond of|keen on|hobb(?:y|ies))\b
            \b(?:afraid|scared) of\b|\bI(?:'m| am) into\b|\bget bored\b
            """,
            "喜欢|爱(?!尔)|讨厌|最怕|害怕|兴趣|偏爱|受不了|擅长|恐高",
        ),
    ),
    (
        "routine",
        compile_lines(
            r"""
            \b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:every|most) (?:days?|week|\
            mornings?|evenings?|nights?|other)|daily|weekly|get up)\b
            \b(?:swim\w*|running|jog\w*|yoga|pilates|gym|climb\w*|cycl(?:e|ing)|hik\w+|danc\w+)\b
            \b(?:choir|lessons?|class(?:es)?|course|club|training|piano|guitar|cello|violin|sing)\b
            """,
            "每[天周晚早年]|[一二三四五六日]上课|健身|跑步|游泳|瑜伽|攀岩|爬山|骑车|吉他|钢琴|跳舞|唱歌|合唱|课",
        ),
    ),
    (
        "things",
        compile_lines(
            r"""
            \b(?:I|we)(?:'ve| have)? (?:\w+ )?(?:own|drive|ride|bought|sold|switched|use)\b
            \b(?:I|we)(?: now| also)? (?:have|got|'ve got) (?:an?|two|three|four|\d+) \w+
            \b(?:car|bike|van|phone|my(?: \w+)? number|laptop|computer|passport|licen[cs]e)\b
            \b(?:library card|locker|password)\b
            """,
            "我[^，。]{0,4}(?:买了|卖了|换了|办了|提了)|我的?(?:新?车|手机|电脑|护照|号)|号码?是|车牌|卡号|手机号",
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
        \bI(?: \w+)? (?:work (?:as|at|for|in)|joined)\b|\bfor a living\b
        \bI had my first day (?:at|with|as)\b
        \bI(?: \w+)? (?:work|design|write|make|build|develop|manage|lead|teach|run|sell|program)\b\
        .* (?:at|for) (?-i:[A-Z])
        \bI(?:'m| am)(?: now)? an? (?:\w+ ){0,2}\w+(?:er|or|ist|ian|nurse|teacher)\b(?! of)
        """,
        r"""
        我[^，。]{0,3}在[^，。]{1,12}(?:工作|上班)|我[^，。]{0,3}入职
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
