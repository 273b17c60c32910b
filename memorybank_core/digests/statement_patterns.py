"""Patterns of back references and of statements about oneself, in English and Chinese."""

from __future__ import annotations

from .pattern_lines import compile_lines

# words after "this", "last" or "next" that make a time of it
_SPAN = (
    r"(?:morning|afternoon|evening|week|weekend|month|year|summer|winter|spring|autumn|\w+day)\b"
)
# words after 这 that make a time of it
_PERIOD = "天|周|次旅|个?月|几[天年周]|两天|学期|阵子|段时间|一?个?周末|个星期|辈子"
_WORDS = r"(?:(?: |-|')(?!(?:and|but|because|so|as|when|if|which)\b)\w+)"
_START = r"^\W*(?:\w+, )?"

BACK_REFERENCE = compile_lines(
    rf"""
    ^\W*(?:it|it's)\b(?! (?:is |was |has )?(?:my|our|been)\b)(?! (?:is |was )?(?:\w+ )?\w+ to\b)
    ^\W*(?:its|that|that's|those|these|they|they're|they've|he|she|he's|she's|his|her|their)\b
    ^\W*this\b(?! {_SPAN})|^\W*there\b(?!'s| is| are| was| were)|^\W*(?:not|because|which|such)\b
    ^\W*(?:both|then|especially|for example|one of them|the (?:same|first|second|latter)(?: one)?)\b
    {_START}\w+{_WORDS}{{0,5}}? (?:it|them)\b(?! \w+ to\b)|^\W*(?:I|we) \w+ to\W*$
    {_START}(?:I|we|my)\b{_WORDS}{{0,5}}? (?:they|those)\b
    {_START}(?:I|we|my)\b{_WORDS}{{0,6}}? (?:this|these)\b(?! {_SPAN})
    {_START}(?:I|we)\b{_WORDS}{{0,2}}? (?:he|she|him)\b
    {_START}(?:I|we)\b{_WORDS}{{0,8}} (?:that|there|one|him|her|did|so)\W*$
    {_START}(?:I|we) (?:do|don't|did|didn't|have|haven't|am|can|can't|will|would)\W*$
    ^\W*I (?:felt|was)(?: \w+){{1,5}}\W*$
    """,
    rf"""
    ^\W*(?:这(?!{_PERIOD})|那(?!年|天|时候?|会儿))|^.{{0,6}}没有[。！，]
    ^(?!.*我)[^，。,]{{1,8}}吧[，,。]
    ^\W*(?:[它他她]|其中|之后|后来|同样|因为|因此|于是|尤其|特别是|比如|例如|就是|还是|还有|都|也(?!许))
    ^\W*(?:而|其他)|^\W*我们?[^，。,]{{0,8}}(?:它|他们|她们|这[些个样种件部本首道]?(?!{_PERIOD}))
    ^\W*我们?[^，。,]{{0,8}}那[些个样种件部本首里道]?(?!年|天|时)|^\W*我(?:想[跟和]|跟)[他她]
    ^\W*我(?:知道|觉得|认为|相信|希望)[他她]
    ^\W*我(?:还|暂时|目前)?没有?(?:计划|打算|想好|决定)?[，。,]
    (?:它们?|那里|那儿|这个|那个|这样|那样|这里)[。！!.]*$
    """,
)
"""A sentence that depends on the one before it, such as "It was great." or "这让我很开心。"."""

SUBORDINATE = compile_lines(
    r"(?:if|when|since|because|as|while|after|before|although|though|unless|until|in that case)\b"
    r"(?!.*,)",
    r"(?:如果|要是|假如|当|虽然|因为|既然|除了|只要|作为)[^，,]*[，,]?$",
    r"^\W*{}",
)
"""A subordinate clause without its main clause."""

FIRST_PERSON = compile_lines(
    r"\b(?:i|i'm|i've|i'd|i'll|my|me|mine|we|we're|we've|our|us|myself)\b", "我|咱|俺|本人"
)
SECOND_PERSON = compile_lines(r"\b(?:you|your|yours|you're|you've)\b", "你|您")

TIME = compile_lines(
    rf"""
    \b(?:today|tonight|yesterday|tomorrow|recently|lately|just|finally|ago|started|decided)\b
    \b(?:this|last|next) {_SPAN}
    """,
    "今[天早晚年]|昨[天晚]|明[天年]|前天|最近|刚[刚才]?|[上下]个?[周月]|周末|去年|终于|开始|决定",
)
"""Words for a time or a change: today, started, decided, finally."""

PROMISE = compile_lines(
    r"\bI(?:'ll| will)(?: \w+ly)? (?:try|consider|search|think|look)\b",
    "我[会将](?:去)?(?:试|尝试|尽力|努力|好好|认真|考虑)",
)
"""A promise to follow advice: polite rather than informative."""

OPINION = compile_lines(
    r"^\W*I (?:think|believe|guess|suppose|feel like (?!I)|feel that (?!I))(?! I\b)(?! my\b)",
    r"^\W*我(?:也|想|还是)?(?:觉得|认为|感觉)"
    r"(?!.{0,3}(?:我|自己|有些|有点|很|非常|压力|焦虑|累|孤独|难过))",
)
"""An opinion about something, rather than a trait of the speaker."""

CIRCLE_EN = (
    r"(?:wife|husband|partner|girl ?friend|boy ?friend|sons?|daughters?|kids?|child|children|"
    r"mother|father|mom|mum|dad|parents?|sisters?|brothers?|grand\w+|cousin|family|best friend|"
    r"boss|cat|dog|pet)"
)
"""Family, pets and other close people of a speaker."""
CIRCLE_ZH = (
    "妈妈?|爸爸?|父母|父亲|母亲|妻子|丈夫|老婆|老公|女儿|儿子|孩子|姐姐?|妹妹?|哥哥?|弟弟?|"
    "男友|女友|男朋友|女朋友|爷爷|奶奶|外公|外婆|家人|猫|狗"
)
"""Family, pets and other close people of a speaker."""
PERSON_OR_PET = compile_lines(
    rf"\b(?:{CIRCLE_EN}|mam|granny|friend|neighbou?r|colleague)\b", f"(?:{CIRCLE_ZH})"
)
"""A person or pet by relation to the speaker."""
_AM = r"\bI(?:'m| am|'ve been| have been)(?: a bit| a little| under)?"

_LASTING = compile_lines(
    rf"""
    \bI ADV (?:love|like|enjoy|prefer|adore|hate|dislike|fear|admire)\b(?! to (?:ask|know))
    \bI ADV (?:appreciate|value|work|live|study|teach|speak|play|collect|own|major|grew up)\b
    \bI ADV (?:was born|used to|tend to|can't stand)\b|\bI was ADV an?\b
    {_AM} ADV (?:an?|from|allergic|afraid|scared|interested|passionate|into|fond|good at)\b
    {_AM} ADV (?:bad at|shy|introverted|outgoing|married|single|vegetarian|vegan|obsessed|keen)\b
    {_AM} ADV (?:\d+ years|responsible|curious about|proud of|used to|called)\b|\bcall me \w+
    \bmy (?:\w+ )?(?:name is|name's|favou?rite(?! was)|hobb(?:y|ies)|dream|goal|passion)\b
    \bmy (?:\w+ )?(?:job|career|major|personality|interests?|strengths?)\b
    \bmy (?:\w+ )?(?:weakness(?:es)?|birthday|hometown)\b
    \bmy (?:\w+ )?(?:work|profession|{CIRCLE_EN})\b
    """,
    rf"""
    我[^，。,！？]{{0,8}}(?:喜欢|热爱|爱(?!尔)|讨厌|害怕|怕|擅长|感兴趣|着迷|偏爱|崇拜|习惯|从小|过敏)
    我[^，。,！？]{{0,8}}(?:不吃|不喝|热衷|痴迷)|[最更][喜爱]|最感兴趣|比较喜欢
    我(?:叫|姓|来自|住在|家|今年\d|是(?!不是|否|说|想)|出生|毕业)
    我在[^，。,]{{1,12}}(?:工作|上班|上学|读书|生活)|我(?:自己)?的?(?:{CIRCLE_ZH})
    我的(?:名字|爱好|兴趣|梦想|工作|职业|专业|性格|偶像|目标|理想|缺点|优点|弱点|生日|家乡|老家)
    """,
)
_STATE = compile_lines(
    rf"""
    \bI(?:'ve| have)? ADV (?:feel|felt|been feeling|hope|want|plan|wish|intend)\b
    \bI(?:'ve| have)? ADV (?:dream|need|miss|worry)\b
    \bI(?:'d| would) ADV (?:like|love) to\b|{_AM} ADV (?:\w+ing|gonna)\b|^\W*gonna\b
    {_AM} ADV (?:anxious|stress\w*|pressure|sad|lonely|happy|excited|tired|worried)\b
    {_AM} ADV (?:depressed|upset|confused|nervous|proud|grateful|overwhelmed|thankful)\b
    {_AM} ADV (?:bored|exhausted|sick|ill)\b
    \bI (?:usually|often|always|never|sometimes|rarely|regularly|started|learned|quit|joined|lack)\b
    \bI (?:can't|cannot)\b|\bmy (?:\w+ )?skills?\b
    \bmy (?:mood|mind|body|health|life|stress|sleep|heart|mental|physical)\b
    """,
    r"""
    我[^，。,！？]{0,8}(?:想(?![起到问])|希望|打算|计划|准备|决定|感到|感觉|担心|担忧|焦虑|难过|开心)
    我[^，。,！？]{0,8}(?:高兴|紧张|压力|孤独|伤心|总是|经常|常常|通常|一般|平时|有时|正在|学习|开始)
    我[^，。,！？]{0,8}(?:学会|需要|缺乏|一直|不敢|失眠|在[学练考研看读写玩追做准找养忙努思听])
    (?:最近|今天|近来|这[几两]天|这段时间|有时候?|总|常常|经常)[^。！？]{0,12}\
    (?:压力|感到|感觉|焦虑|心情|身体|状态|烦恼|情绪|疲惫|睡不)
    我觉得(?:自己|我|有些|有点|很|非常|压力)|我的(?:心情|身体|生活|压力|情绪|状态|技能|技巧)
    """,
)
SELF_LEVELS = ((3, _LASTING), (2, _STATE), (1, FIRST_PERSON))
"""Patterns by self level, highest first: traits and tastes; feelings and plans; first person."""
