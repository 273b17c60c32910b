"""Vocabulary of changes in English and Chinese, to compare statements about the same thing."""

import re

CORRECTION = re.compile(
    r"\b(?:correction|corrected|(?:i |we )?(?:was|were|am) wrong|mis(?:read|heard|spoke"
    r"|remembered|counted|typed|took)|my mistake|i meant|wait,? (?:no|i)|not [^.!?]{1,40}after all"
    r"|nope|turns out"
    r"|actually,? (?:it|its|the|my|our|he|she|they|not|no)"
    r"|in fact|in the end)\b"
    r"|更正|纠正|[说看听记搞写算弄][错反]|其实|不对|原来是",
    re.IGNORECASE,
)
"""Says that an earlier statement was wrong."""
CHANGE = re.compile(
    r"\b(?:no longer|any ?more|any longer|moved|moving to|switch(?:ed|ing)"
    r"|changed(?! (?:(?:my|your|his|her|the|our) )?(?:life|lives|mind|view|game|world|me|how)\b)"
    r"|instead"
    r"|replaced|swapped|postponed|pushed|brought forward|rescheduled|raised|lowered|increased"
    r"|reduced|halved|doubled|cut down|went (?:up|down)|renamed|upgraded"
    r"|(?<!thanks )(?<!talk )(?<!you )again(?! for| soon| sometime)|back (?:on|to|home)"
    r"|can[’']t come|new (?:timetable|era|number|address|job|boss|code|place|one))\b"
    r"|不再|不[^,，。]{1,8}了|改(?![善进革造编天装写正])|换[成了到手]|搬[到去家了进]|推迟|提前|延期"
    r"|涨|降[价到]|[减加升]到|调[到整]|转[学到行]|变成|又开始|恢复",
    re.IGNORECASE,
)
"""Says that something is different from before."""
END = re.compile(
    r"(?<!n[’']t )(?<!not )(?<!never )(?<!ever )"
    r"\b(?:quit|gave up|given up|stopp?ed|stopping|cancell?ed|closed|sold|finished|broke up"
    r"|dropped"
    r"|left|retired|resigned|got rid of|over for now|is over|are over|is dead|died|done with"
    r"|last (?:day|session|lesson|class)|goodbye|out of hospital|got married|divorced)\b"
    r"|已经不|退[了掉休]|卖[了掉]|戒[了掉]|停[了掉]|放弃|辞职|离职|离婚|结婚|分手|取消|出院|走了|看完|完了"
    r"|最后一[次天节]|把[^,，。]{1,10}(?:退|停|卖|戒)",
    re.IGNORECASE,
)
"""Says that something has ended."""
NOW = re.compile(
    r"\b(?:now|these days|nowadays|currently|at present|at the moment|as of|from now on|by now"
    r"|from (?:this|next) (?:week|month|year)|as from)\b|现在|如今|目前|这阵子|从[今这]|已经",
    re.IGNORECASE,
)
"""Says how something is now."""
ADDITION = re.compile(
    r"\b(?:also|too|as well|another|besides|in addition|apart from that)\b"
    r"|也|另外|此外|还[有喜会在想要能]",
    re.IGNORECASE,
)
"""Adds something to what is known."""
RESIDENCE = re.compile(
    r"\b(?:live[sd]? (?:in|at|on)|moved|moving|our (?:flat|house|home))\b|住|搬[到去家了进]",
    re.IGNORECASE,
)
"""Is about where someone lives."""
_ROLES = """
mother mum mom mam 妈妈 母亲 我妈 老妈
father dad 爸爸 父亲 我爸 老爸
sister 姐姐 妹妹 我姐 我妹
brother 哥哥 弟弟 我哥 我弟|son 儿子|daughter 女儿|grandmother grandma granny 外婆 奶奶 姥姥
grandfather grandpa 外公 爷爷 姥爷|aunt auntie 姑姑 阿姨 姨妈 舅妈|uncle 叔叔 舅舅 伯伯
cousin 表哥 表弟 表姐 表妹
wife 老婆 妻子
husband 老公 丈夫|girlfriend 女朋友|boyfriend 男朋友|neighbour neighbor 邻居|colleague 同事
landlord landlady 房东|niece 侄女|nephew 侄子
"""
ROLE_NAMES = {
    name: group.split()[0]
    for line in _ROLES.split("\n")
    for group in line.split("|")
    for name in group.split()
}
"""Words for persons by their relation to the speaker, each with one word for its group."""
_LATIN_ROLES = "|".join(name for name in ROLE_NAMES if name.isascii())
_CHINESE_ROLES = "|".join(name for name in ROLE_NAMES if not name.isascii())
PERSON_ROLES = re.compile(rf"\b(?:{_LATIN_ROLES})\b|{_CHINESE_ROLES}", re.IGNORECASE)
"""A person by relation to the speaker, such as a sister, a neighbour or a colleague."""
_DAYS = "mon|tues|wednes|thurs|fri|satur|sun"
_MONTHS = "january|february|march|april|june|july|august|september|october|november|december"
_NUMBERS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen"
    "|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred"
)
VALUE = re.compile(
    rf"\d+(?:点半|[号日月点块元])|\b\d[\d:.,/-]*(?:st|nd|rd|th)?\b|\d+|\b(?:{_DAYS})days?\b|\b(?:{_MONTHS})\b|\b(?:{_NUMBERS})\b"
    r"|(?:周|星期|礼拜)[一二三四五六日天末]|[零一二三四五六七八九十百千万两]+(?:点半|[号日月点块元岁楼杯根次斤年])",
    re.IGNORECASE,
)
"""A number, a day or a time."""
VERB = re.compile(
    r"(?:['’](?:s|m|re|ve|ll)\b(?! (?:name|birthday|room|house|place|car|number)))|\b(?:is|are|was"
    r"|were|am|has|have|had|does|do|did|can|will|would|should|must|isn[’']t|aren[’']t|doesn[’']t"
    r"|don[’']t|didn[’']t|can[’']t|won[’']t|lives?|works?|goes|go|costs?|comes?|came|leaves?|left"
    r"|moved|moves|takes?|took|wants?|plays?|likes?|loves?|drinks?|eats?|ate|uses?|starts?|weighs?"
    r"|needs?|changed|switched|sits?|stopped|quit|pays?|raised|halved|put|gave|give|wakes?|smokes?"
    r"|says?|said|finished|sold|bought|closed|cancelled|dropped|broke|got|get|makes?|read|banks?"
    r"|water|speaks?|saw|went|ran|misread|hurts?|cut|turned|became|lost|visited|hope|baked?)\b",
    re.IGNORECASE,
)
"""A frequent verb, before which the subject of a clause ends."""
SELF = frozenset(("i", "we"))
"""Words for the speaker."""
CHINESE_VERB = re.compile(
    "[和跟是叫在住有定改换涨降搬要靠来出把每不养买去吃喝坐用抽学看打练弹会给说做丢跑遇包煮想拿刷起单结退减]|喜欢|过敏|体重"
    "|转学|上班|上学|已经|推迟|开始|疼"
)
"""A frequent verb, before which the subject of a clause ends."""
CHINESE_IGNORED = re.compile(
    r"[的们家一\s《》]|现在|其实|最近|最|新|更正一下|从今天起|从今天开始|今天|了|上?周末|又|已经"
)
"""Characters that do not belong to the subject."""
STATE = re.compile(
    r"\b(?:is|are|am|weighs?|costs?|pays?|takes?|wakes?|drinks?|smokes?|earns?|live|lives|starts?"
    r"|leaves?|goes|comes?)\b|[是在叫住]|体重|身高|每[天月周年]|一天|起床|定",
    re.IGNORECASE,
)
"""Says how something is or usually happens."""
SINGLE_VALUED = re.compile(
    r"\b(?:code|password|pin|number|address|birthday|size|price|rent|salary|age|deadline)\b"
    r"|密码|号码|地址|生日|尺码|鞋码|价格|房租|工资|年龄|截止",
    re.IGNORECASE,
)
"""A thing of which there is one value at a time."""
NAMED = re.compile(
    r"\b(?:my|our)\s+(?P<of>[\w ]{2,30}?)(?:['’]s name)? is (?:called |named )?"
    r"(?P<name>(?-i:[A-Z])\w+)",
    re.IGNORECASE,
)
"""Says the name of something of which there is one."""
PAST_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|last (?:night|week|month|year)|this (?:morning|week|month)|was"
    r"|were|did|had|ran|went|saw|ate|bought|in (?:19|20)\d\d)\b"
    r"|昨[天晚]|今[天早晚]|上个?[月周]|刚才|\d{4}年",
    re.IGNORECASE,
)
"""Tells of one occasion."""
IGNORED = frozenset(
    """
    now day today week month year time new old still anymor longer actual correct instead sinc
    these thi move chang switch start stop gave give go goe get got take use veri much also too
    again after all moment wrong misread one thing our am
    现在 已经 不再 其实 每天 今天 错了 不是 看错 听错 说错 记错 更正 不对 等等
    """.split()
) | frozenset(
    "现在的了我是不一个这那你他她们也都就和上下来去天年月日点号有从到说要会很每家里么什没还可能给把对起今明昨早晚得"
    "着吗吧呢好多人看错"
)
"""Terms that say nothing about the topic."""
