"""Patterns of talk with the companion: greetings, questions, thanks and comments on its advice.

Every pattern matches English and Chinese, so mixed dialogues need no setting.
"""

from __future__ import annotations

import re

from .pattern_lines import compile_lines

OPENING = compile_lines(
    r"""
    (?:hi|hello|hey|howdy|greetings|good (?:morning|afternoon|evening|day|night)|morning|yo)
    (?:oh|wow|well|so|ok|okay|alright|sure|right|yes|yeah|yep|yup|no|nope|hmm+|haha\w*|ah+|great)
    (?:nice|awesome|amazing|fantastic|wonderful|cool|yay|woo+ ?hoo+|wh?oah?|aw+|totally|of course)
    (?:no problem|indeed|absolutely|definitely|exactly|fine|bye|thanks|thank you|thx|sorry|anyway)
    (?:by the way|btw|you're right|i see|you know)
    """,
    r"""
    (?:你好|您好|嗨|嘿|哈喽|哈啰|早安|(?:早上|上午|中午|下午|晚上|大家)好|晚安|好的?|嗯+|恩)
    (?:是的?|对|对了|当然(?:了|可以|会|是)?|可以|行|没问题|没关系|没有了?|不是|不|谢谢|多谢|感谢)
    (?:抱歉|不好意思|哦|噢|哇塞?|哎呀?|唉|哈哈+|嘻嘻|呵呵|很好|挺好的?|非常[好棒]|还?不错|还[好行])
    (?:太[好棒]了|真棒|没错|确实|是吗)
    """,
    r"\W*{}(?:[啊呀呢啦哦哇你您们了]|大家|我的|亲爱的|伴侣|助手|朋友|so much|very much|a lot|then|"
    r"there|again|all|everyone|(?:my )?(?:dear )?(?:friend|buddy|companion|assistant)|"
    r"(?-i:AI|ai|[A-Z][a-z]{2,})|\W)*",
)
"""A clause that only opens a sentence: a greeting, "yes" or "no", "thank you"."""

ADDRESS = compile_lines(
    r"(?:my )?(?:dear )?(?:friend|buddy|companion|AI|AI companion|(?-i:[A-Z]\w+))",
    r"(?:我的)?(?:亲爱的)?(?:AI)?(?:朋友|伴侣|助手|AI|机器人)",
    r"\W*{}\W*",
)
"""A clause that only addresses the companion."""

LINK = compile_lines(
    r"""
    (?:and|but|also|or),? (?=\S)|(?:plus|besides|anyway|by the way|btw|speaking of which), (?=\S)
    (?:so,?|however,) (?=(?:I|we|my|today)\b)
    (?:hi|hello|hey|wow|oh|okay|ok|yes|yeah|yep|haha|thanks|sure)[!,]? (?=(?:I|my|we|today)\b)
    """,
    r"""
    (?:不过|但是|但|所以|而且|然后|并且|另外|此外|对了|说起来|话说回来|其实|可(?=我))[，,]?\s*(?=\S)
    (?:你好|您好|嗨|哈哈|嗯|哦|哇|哎呀)[啊呀]?\s*(?=我|今天|最近)
    """,
    r"\W*{}",
)
"""Words that only link a sentence to what was said before."""

QUESTION = re.compile(r"""[?？]["”’')\]」』）]*$|[吗呢么][。.!！~～]*$""")
"""The end of a question."""

ASKING = compile_lines(
    r"""
    (?:do|does|did|don't|can|could|would|will|what|how|which|who|why|whose|what's|how's|who's)\b
    (?:is|are|am|was|were|has|had|sh(?:ould|all)|may|might|isn't|aren't|didn't|can't|won't|right)\b
    (?:have|haven't) (?:you|we|they|i)\b
    (?:when|where) (?:do|does|did|should|can|could|is|are|was|were|will|would)\b
    (?:any|maybe some) (?:good |other |more |new )?(?:advice|suggest|idea|recommend|tip|thought)
    (?:i'm|i was|i am)? ?(?:curious|wondering|not sure (?:what|how|which|if|where|who))\b
    """,
    r"""
    .*(?:吗|呢)[？?。！!，,\s]*$
    .*(?:什么(?!都|也|的|时候都)|怎么|怎样|如何|为什么|哪[些个里儿种本部首位几]|谁|多少|几[个种本])
    .*(?:能不能|能否|可不可以|可否|有没有|是不是|会不会|要不要|好不好|是否|难道|请问|想问)
    (?:那么?)?你(?:自己|平时|一般|最近|也|们)?\
    (?:觉得|认为|呢|有|能|可以|会|知道|喜欢|是|去|想|听|看|还)
    我?也?不知道.*(?:好|推荐|建议|合适)
    """,
    r"^\W*(?:(?:and|but|so|or|well|那|那么|但|但是|所以|另外) ?)?{}",
)
"""The clause of a question that asks."""

_PROMISE = r"\bI(?:'ll| will|'d)(?: \w+ly| also| go| go and)?"

TALK = compile_lines(
    rf"""
    \b(?:thank you|thanks|thx|you're welcome|no problem|feel free|let me know|see you|good ?bye)\b
    \b(?:bye|good luck|please|ask you|let's)\b|^\W*(?:help me|(?:just )?tell me|good night)\b
    \btake care\b(?! of)|\b(?:keep|stay) in touch\b|\btake a look at this\b|\btalking to you\b
    \b(?:nice|great|good|glad|pleased|happy|lovely) to (?:meet|see|hear|know|talk|chat)\b
    \b(?:talk|chat|chatted|chatting|speak|share|sharing)\b[^.!?]{{0,40}}\b(?:with|to) (?:you|u)\b
    \b(?:talk|chat|speak) (?:again|soon|later|tomorrow|next time)\b|\blong time no (?:see|talk)\b
    \b(?:our|this|yesterday's|today's|last|first|next) (?:conversation|chat|talk)\b
    \byour (?:\w+ )?(?:and \w+ )?(?:advice|help|support|\w*suggestions?|recommendations?|answer)\b
    \byour (?:\w+ )?(?:words|reply|sharing|willingness|guidance|encouragement|opinions?|company)\b
    \byour (?:\w+ )?(?:time|methods?)\b|\bwhat you said\b|\bquestions? (?:to|for|about)\b
    {_PROMISE} (?:try|check|consider|give|keep|follow|remember|think about|take|start with|get)\
    (?: out| into| down)? (?:it|that|them|this|those|these|your|note|a look)\b
    {_PROMISE} (?:(?:try|do) my best|make sure|look into|pay attention|try\W*$|be sure)
    {_PROMISE} think carefully\b|{_PROMISE} (?:study|work) hard\b|\bI(?:'ve| have) taken note\b
    \bI (?:will try|understand|agree|got it|get it|know|hope so|guess so|think so|see)\W*$
    \bI(?:'d| would) (?:like|love) (?:you|to (?:ask|hear|know|chat|talk|share|discuss|see your))\b
    \bI (?:want|wanted|need|hope|wish|expect|hoped)(?: that)?(?: to)? (?:you|ask|hear|discuss)\b
    \bI (?:want|wanted|need|hope) to (?:talk about|chat|get your|find some|learn from you)\b
    \bI hope we (?:can|will|'ll) (?:have new|talk|chat|meet|keep in|stay|continue)\b
    \bI(?:'m| am| was) (?:back (?:to chat|again)|wondering|curious|sorry|glad you|here)\b
    \bwe can (?:talk|chat|stay in|keep in|continue)\b|\bto hear (?:that|it|you)\b|\bfeel the same\b
    \byou(?:'ve)? (?:mentioned|said|recommended|suggested)\b
    \b(?:recommend|suggest) (?:me|some|any)\b
    \b(?:great|good|useful|helpful|practical|interesting) (?:advice|idea|suggestions?|tips?|point)\b
    \b(?:these|those|this) (?:\w+ ){{0,3}}(?:suggestions?|advice|recommendations?|methods|tips)\b
    \bsounds? (?:\w+ )?(?:good|great|interesting|nice|amazing|awesome|practical|fun)\b
    ^\W*(?:totally |completely )?(?:agreed?|same here|makes sense|me too|you too|congrat\w*)\b
    ^\W*you\b|^\W*here(?:'s| is| are)\b|^\W*hope\b|^\W*(?:glad|happy|good|great) (?:you|for you)\b
    \bI feel (?:\w+ ){{0,2}}better(?: now)?\W*$
    """,
    r"""
    谢谢|感谢|多谢|不客气|不用谢|^\W*没关系|再见(?![到他她])|拜拜|晚安|明天见|回头见|改天[再见聊]
    加油\W*$|辛苦了|麻烦你|拜托|高兴能?(?:认识|见到)|[和跟与同向陪给对找]着?你|告诉[我你]|^\W*说[的得]
    (?:问|请教|咨询|听听|请|祝|希望|期待)一?下?你|了解一下你|顺便[问说提告]|^.{0,4}好奇\W*$|^\W*你
    你(?:的|给的|提供的)?.{0,6}(?:建议|意见|帮助|推荐|支持|鼓励|提醒|回答|陪伴|方法|理解|点子|主意)
    你(?:刚才)?[说讲提]|(?:你|能|可以|请|^\W*)(?:帮|给)我|再聊|(?:想|来|再|可以|^\W*)(?:聊聊|谈谈)
    (?:今天|昨天|我们|这次|第一次|每次)的?(?:聊天|对话)|同感|随时都?(?:可以|来|找|联系)
    我(?:也|以后|一定|再|可以)?[会要将](?:去|好好|认真|尽力|多|一定|仔细|努力|继续|再|先){0,3}\
    (?:试试|试一试|尝试[一看的你这]|看看|看一看|考虑[一的你]|注意|记[住得下]|实践|努力的|参考|学习的)
    我(?:已经)?(?:知道|明白|懂|理解|了解|同意|记住|清楚)了?[。！!.~～]*$|已经记下|好多了
    有道理|言之有理|先到这|到此为止|保持联系|[和跟与给向]我(?:分享|说|讲|推荐|聊)|说得[对好很]|没错|好主意
    我想要?(?:[找看](?:一些|点|几)|[谈说聊讨])|希望我们(?:下次|以后|可以继续|能继续)|听(?:起来|上去|着)
    这(?:些|个|真是)?.{0,4}(?:建议|方法|主意)|^\W*我也(?:这么|这样|是\W*$)
    ^\W*(?:是啊|是的|好的?|嗯|太[好棒]了|真(?:棒|好|厉害))[。！!.~～啊呀]*$
    """,
)
"""Talk with the companion: thanks, requests, promises to try, comments on its advice."""

FILLER = compile_lines(
    r"not yet|not really|nothing(?: else)?|that's it|maybe|not bad|i'm fine|really|me too|lol",
    r"还没有?|没什么|暂时没有|还[好行]|不错|也许吧|真的|是吗|有意思|好吧|可以",
    r"\W*{}\W*",
)
"""Phrases with too little content to keep."""

VAGUE = compile_lines(
    r"\b(?:some|a few|an?) (?:\w+ )?(?:things?|troubles?|questions?|problems?|difficult\w+)\b",
    r"一[些个件][小大]?(?:烦恼|事情?|问题|麻烦|困难|困惑|开心的事)|有[点些]?事",
)
"""Announcements without content: "I have some troubles"."""
