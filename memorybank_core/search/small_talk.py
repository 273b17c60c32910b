"""Small talk: messages that ask nothing of a memory, in English and Chinese.

A greeting resembles every earlier greeting, so its likeness to a memory says nothing about it.
"""

from __future__ import annotations

import re
import unicodedata

_MAX_LENGTH = 120
"""Maximum length of a message that may be small talk, in characters."""
_CONTRACTIONS = (
    (re.compile(r"\b(i)['’]?m\b"), r"\1 am"),
    (re.compile(r"\b(what|how|that|it)['’]?s\b"), r"\1 is"),
    (re.compile(r"\b(you)['’]re\b"), r"\1 are"),
    (re.compile(r"\bdon['’]?t\b"), "do not"),
    (re.compile(r"\blet['’]s\b"), "let us"),
)
_ENGLISH = """
    (?:hello|hi|hey)(?: there| again)?|hiya|howdy|greetings|welcome back|long time no see
    good (?:morning|afternoon|evening|night|day)|(?:nice|good) to (?:meet|see) you
    how are you(?: doing)?(?: today)?|how do you do|how is it going|what is up|sup
    are you (?:still )?(?:there|ok|okay)|i am (?:back|fine|good|great|ok|okay|well|here)
    (?:and |how about )?you|same here|you too|same to you
    (?:(?:many|much) )?(?:thanks|thank you|thx|cheers)(?: a lot| so much| very much| again)?
    you are welcome|my pleasure|no (?:problem|worries)|never mind|do not (?:worry|mention it)
    bye(?: bye)?|goodbye|farewell|(?:see|talk to) you(?: later| soon| tomorrow| then| around)?
    take care|sleep well|sweet dreams|good luck
    have a (?:nice|good|great|lovely) (?:day|evening|night|one|time|weekend)
    merry christmas|happy (?:new year|easter|holidays|birthday|weekend|(?:mon|tues|wednes|fri)day)
    who are you|what can you do|what are you (?:up to|doing)|just saying (?:hi|hello)
    (?:can|could) you help(?: me)?|talk to me|let us (?:talk|chat)
    yes|yeah|yep|yup|no|nope|nah|ok|okay|alright|all right|sure|of course|right|exactly|indeed
    true|correct|fine|got it|understood|i (?:see|know)|makes sense|sounds good|will do|maybe
    perhaps|really|please|sorry|excuse me|pardon|oops|well done|congratulations|wow|yay|hooray
    (?:that is |it is |how )?(?:so |very )?(?:great|good|nice|cool|awesome|lovely|amazing)
    (?:that is |it is |how )?(?:so |very )?(?:wonderful|perfect|excellent|interesting|funny)
    lo+l|(?:ha)+h?|(?:he)+|h+m+|u+h+m*|o+h+|a+h+|well|so|then|again|too|dear|my friend
    everyone|everybody
"""
_CHINESE = """
    [你您](?:们)?好吗?|(?:大家|各位)好|哈[喽啰罗]|[早晚]上好|[上中下]午好|[早午晚]安|好久不见
    很高兴(?:认识|见到)[你您]|[你您]?还?在吗|[你您]?最近(?:还好吗|好吗|怎么样|如何)
    [你您]?今天(?:好吗|怎么样)|吃了吗|我(?:回来|来)了|我(?:很好|没事|还好)|[你您]呢
    (?:非常|十分|太)?(?:感谢|谢谢)(?:[你您]|大家)?|多谢|谢了|不(?:用|必)?客气|不用谢|别客气
    没(?:事|关系|问题|错|有)|不要紧|再见|拜拜|回见|(?:明天|回头|待会儿?|一会儿?|下次)见|保重|好梦
    祝?[你您]?(?:周末|节日|旅途)愉快|祝你好运|辛苦了|加油
    (?:新年|新春|圣诞|生日|中秋|节日|周[一二三四五六日末])快乐|[你您]是谁|[你您](?:能做|会)什么
    [你您]在(?:干什么|干嘛|做什么)|(?:陪我)?(?:聊聊天?|聊天|说说话)
    好[的吧嘞]?|行|可以|[是对]的?|当然|不[是用]?|真的|我?知道了?|明白|了解|懂了?|收到|请|算了
    (?:真|太|很|非常)(?:好|棒|不错|厉害|有趣|有意思|开心)|不错|恭喜|抱歉|对不起|不好意思|也许
    [嗨嘿喂早嗯哦噢啊唉呃哇哈呵嘻呀呢吧啦哟嘛了吗]
"""
_PHRASE = re.compile(
    rf"\b(?:{'|'.join(line.strip() for line in _ENGLISH.strip().splitlines())})\b"
    rf"|{'|'.join(_CHINESE.split())}"
)
_LETTER = re.compile(r"[^\W_]")


def is_small_talk(text: str) -> bool:
    """Return whether a message consists of greetings, thanks, assent and the like, or no words."""
    if len(text) > _MAX_LENGTH:
        return False
    text = _normalize(text)
    first = _LETTER.search(text)
    if first and not _PHRASE.match(text, first.start()):  # nearly always: spares the rest
        return False
    return not _LETTER.search(_PHRASE.sub(" ", text))


def remove_small_talk(text: str) -> str:
    """Return a text in lower case without its greetings, thanks, assent and the like."""
    return _PHRASE.sub(" ", _normalize(text))


def _normalize(text: str) -> str:
    """Return a text in lower case, without contractions."""
    text = unicodedata.normalize("NFKC", text).casefold()
    for contraction, words in _CONTRACTIONS:
        text = contraction.sub(words, text)
    return text
