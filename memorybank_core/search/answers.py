"""Answers: whether a response answers the question that it follows, by its words alone.

The rules use general vocabulary of English and Chinese, and no model. A response answers unless it
only says that it does not know, asks back, agrees, asks for time, or repeats the question.
"""

from __future__ import annotations

import re

from memorybank_core.text import CJK_CHARACTER, is_question, split_sentences
from memorybank_core.text_caches import cache_by_text

from .small_talk import remove_small_talk
from .tokenize import tokenize
from .word_forms import GENERIC_CHARACTERS, GENERIC_WORDS, WORD_FORMS

_HEDGE = re.compile(
    r"\bnot (?:entirely |quite |really |too |so )?(?:sure|certain)\b|\bno idea\b|\bno clue\b"
    r"|\b(?:do not|don[’']t|cannot|can[’']t|could not|couldn[’']t|wouldn[’']t|would not) (?:really "
    r"|actually |currently )?(?:know|remember|recall|say|tell|have (?:that|this|any|access|a record"
    r"|information)|find)\b"
    r"|\b(?:haven[’']t|have not|hasn[’']t|has not|have never|[’']ve never|never|didn[’']t"
    r"|did not)(?: yet| ever| really| actually)? (?:told|tell|mentioned|mention|said|say|shared"
    r"|share|given|give|come up)\b"
    r"|\b(?:unable to|i have no (?:record|memory|information)|i wish i knew)\b"
    r"|不(?:太|大|是很|怎么)?(?:确定|清楚|知道|晓得|记得|了解)|没(?:有)?(?:[跟和对向]我)?(?:说|提|讲|告诉|聊)"
    r"|(?:想不起|记不[清得起]|说不准|说不好|没印象|没有印象|不好说|答不上)"
    r"|无法(?:回答|确定|得知|知道|告诉)|没有(?:相关|这方面|任何)?的?(?:信息|记录|资料)",
    re.IGNORECASE,
)
"""Says that the companion does not know, in either language."""
_STILL_ANSWERS = re.compile(
    r"\bbut (?:i (?:think|believe|guess|remember)|it(?:[’']s| is| was| might| may| could)"
    r"|you (?:said|told|mentioned)|probably|perhaps|maybe)\b"
    r"|(?:但|不过)[^。！？]{0,6}(?:应该|可能|大概|好像|记得|你说)",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"\b(?:please )?(?:let me|let[’']s|(?:i[’']?ll|i will|i can|i need to|i have to|i[’']d like to)"
    r"(?: just| quickly| try to)?) (?:think|see|check|look|find out|have a (?:look|think)|get back)"
    r"(?: (?:about|at|into|for|on|to|it|that|this|you|up|over|again|first|now))*\b"
    r"|\b(?:that is |that[’']s )?(?:a |an )?(?:very |really )?(?:good|great|interesting|fair|nice"
    r"|big|tricky|hard|difficult) (?:question|one)\b"
    r"|\b(?:just )?(?:one|a|give me a|wait a|hold on a) (?:moment|second|sec|minute|little)\b"
    r"|\b(?:hold|hang) on\b|\bjust wait\b|\bwait\b|\bplease\b"
    r"|\b(?:h+m+|u+h+m*|e+r+m*|o+h+|a+h+|well)\b"
    r"|(?:请)?(?:让|容)?我(?:先|再|来|得|去)?(?:好好)?(?:想|查|看|找|问)(?:一?[想查看找问下]|一下)*(?:吧|啊|哈)?"
    r"|(?:真是|这是)?一?个?(?:很|非常)?好的?问题|问得好|(?:请)?(?:稍|等)(?:等|候)?(?:一下|一会儿?|片刻)?"
    r"|[嗯哦噢啊唉呃哈]",
    re.IGNORECASE,
)
"""Only asks for time."""
_FILLER = frozenset(
    tokenize(
        """
        sure course certainly absolutely definitely gladly happy glad pleasure help assist question
        ask answer good great fine nice interesting right okay ok alright yeah yep noted understood
        understand see look check find search think wait moment second minute try back thank thanks
        sorry welcome problem worry hope let talk chat
        """
    )
)
"""Stems of words with which a response agrees or announces something, and says nothing more."""
_FILLER_CHARACTERS = GENERIC_CHARACTERS | frozenset(
    "好行可以当然没问题想看查找帮您请等先来会一下知道明白了解收到告诉说能吗嗯"
)
"""Characters of such words in Chinese."""
_OPEN = re.compile(
    r"\b(?:what|which|who|whom|whose|where|when|why|how)\b"
    "|什么|啥|哪|谁|几|多[少久大长高重远深宽]|怎么|怎样|为何|何时",
    re.IGNORECASE,
)
"""Asks for more than yes or no."""
_ASKS_WHO = re.compile(r"\b(?:who|whom|whose)\b|谁", re.IGNORECASE)
_CHOICE_OR_OPINION = re.compile(
    r"\bor\b|\bhow(?:[’']s| is| are| was| were| did| does| do| has| have| about)\b"
    r"|\bwhat do you (?:think|say)\b|\bwhat about\b"
    "|还是|或者|怎么样|如何|觉得|怎么看|感觉",
    re.IGNORECASE,
)
"""Asks to choose between things that it names, or for an opinion: "Great!" is an answer."""
_AUXILIARY = "is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should"
ASKING_WORD = re.compile(
    r"\b(?:wh(?:at|ich|o|ose|ere|en|y)|how)\b|什么|哪|谁|几|多[少久大]|来着", re.IGNORECASE
)
"""A word of which a question without a question mark has at least one."""
_ASKS_WITHOUT_MARK = re.compile(
    r"\A\W*(?:(?:please|and|so|hey|ok|okay|again)\W+)*"
    r"(?:(?:(?:can|could|would) you )?(?:tell|remind) me (?:again )?"
    r"(?:what|which|who|where|when|how)\b"
    r"|(?:what|who|where|when|why|how)['’]?s\b"
    rf"|(?:what|who|where|when|why|how) (?:{_AUXILIARY})\b"
    r"|(?:what|which|whose|how (?:many|much|long|often|old|far))"
    rf"(?: (?!(?:i|we|you|he|she|it|they|a|the|my|our)\b)\w+){{1,2}} (?:{_AUXILIARY})\b)[^.!]*\Z"
    "|\\A(?!.*[不没都也])[^。！.!]*(?:什么|在哪|哪[里儿个家天年些]|是谁|几[点号个岁次]|多[少久大]|来着)"
    "[^。！.!]{0,4}\\Z",
    re.IGNORECASE,
)
"""Asks, although the question mark is missing."""


@cache_by_text(4_096)
def hedges(response: str) -> bool:
    """Return whether a response only says that it does not know, or asks back."""
    if _HEDGE.search(response):
        return not _STILL_ANSWERS.search(response)
    sentences = split_sentences(response)
    return bool(sentences) and all(map(is_question, sentences))


def asks(sentence: str) -> bool:
    """Return whether a sentence asks, even if the question mark is missing."""
    return is_question(sentence) or _ASKS_WITHOUT_MARK.search(sentence) is not None


def is_answer(response: str, question: str) -> bool:
    """Return whether a response says something about the question that it follows.

    "Yes." answers a question for yes or no, and "The blue one." one that names it, but neither says
    where something is.
    """
    if not response.strip() or hedges(response):
        return False
    rest = _DELAY.sub(" ", response)
    if not any(map(str.isalnum, rest)):
        return False
    if not _OPEN.search(question) or _CHOICE_OR_OPINION.search(question):
        return True
    return _adds_to(question, rest)


def _adds_to(question: str, response: str) -> bool:
    """Return whether a response has a word that carries a topic and is not in the question."""
    rest = remove_small_talk(response)
    terms, known = set(tokenize(rest)), set(tokenize(question))
    known.update(form for term in tuple(known) for form in WORD_FORMS.get(term, ()))
    characters = known | _FILLER_CHARACTERS
    new = {
        term
        for term in terms - known - _FILLER - GENERIC_WORDS
        if not (CJK_CHARACTER.match(term) and characters.issuperset(term))
    }
    names_person = not terms and any(map(str.isalnum, rest))  # "You did."
    return bool(new) or (names_person and _ASKS_WHO.search(question) is not None)
