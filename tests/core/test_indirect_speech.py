"""Sentences of the user in the third person: whole, grammatical, with the same meaning; or none."""

import pytest

from memorybank_core.digests.implied_subjects import add_subject
from memorybank_core.digests.indirect_speech import report

REPORTED = [
    ("I started a new job at the harbour.", "The user started a new job at the harbour."),
    ("Started a new job at the harbour.", "The user started a new job at the harbour."),
    ("I don't eat meat.", "The user doesn't eat meat."),
    ("I would move if my sister did.", "The user would move if their sister did."),
    ("I'd left my keys at home.", "The user had left their keys at home."),
    ("I nearly laughed.", "The user nearly laughed."),
    ("I get up at five and walk to work.", "The user gets up at five and walks to work."),
    ("We fill the hole and leave the key.", "The user fills the hole and leaves the key."),
    ("I rely on my bike.", "The user relies on their bike."),
    ("I'd like to see Rome.", "The user would like to see Rome."),
    ("My boss says I am late.", "The user's boss says the user is late."),
    ("The doctor put me on iron.", "The user's doctor put the user on iron."),
    ("Mum moved in with us.", "The user's mum moved in with the user."),
    ("New van: a white Kangoo.", "The user has a new van: a white Kangoo."),
    ("First day at Norte.", "The user had their first day at Norte."),
    ("and standup is at 10:15", "The user's standup is at 10:15."),
    ("我对花生过敏,所以没吃。", "用户对花生过敏，所以没吃。"),
    ("我没搬家。", "用户没搬家。"),
    ("搬到了成都。", "用户搬到了成都。"),
    ("姐姐离婚了,现在住我爸妈家", "用户的姐姐离婚了，现在住用户的爸妈家。"),
    ("家里养了两只猫", "用户家里养了两只猫。"),
    ("医生让我每天吃一片铁剂", "用户的医生让用户每天吃一片铁剂。"),
]
QUOTED = [
    "It rained all day.",
    "Oh great, I love Mondays.",
    "I moved there.",
    "He is my friend.",
    "I love her.",
    "I wrote that one.",
    "You know I hate fog.",
    "Should I move?",
    "We met in May.",
    "We all cried.",
    "I went to Rome and don't regret my trip.",
    "I haven't seen my sister, but really want to.",
    "I love tea and open windows.",
    "I am the user of my sister's account.",
    "I too love my job.",
    "I put it there.",
    "I put sugar in my tea every day.",
    "I'd all but forgotten my keys.",
    "I'm not, my sister is.",
    "I cried, don't judge.",
    "Writing to my sister and I love it.",
    "Knee like a balloon.",
    "The question is whether I buy a flat or rent one and keep looking.",
    "下雨了。",
    "哈哈哈我又迟到了",
    "拉我去吃蹄花。",
    "叫我一帆就行。",
    "这让我很开心。",
    "你知道我讨厌下雨。",
    "我该搬家吗?",
    "李娟的《我的阿勒泰》写得真好。",
    "checked in, 靠窗我真的不行, I hold it",
]


@pytest.mark.parametrize(("said", "third"), REPORTED)
def test_a_sentence_keeps_its_meaning_in_the_third_person(said, third):
    assert report(said) == third


@pytest.mark.parametrize("said", QUOTED)
def test_what_is_unclear_outside_of_its_dialogue_is_not_converted(said):
    assert report(said) is None


def test_a_pronoun_has_its_noun_in_the_same_utterance():
    assert report("I miss her.", "My sister moved.") == "The user misses her."
    assert report("I miss her.", "My brother moved.") is None
    assert report("我很想她。", "我妹妹搬走了。") == "用户很想她。"


def test_the_subject_is_not_implied_after_a_sentence_about_somebody_else():
    assert add_subject("Bought a house.", "I got the loan.") == "I bought a house."
    assert add_subject("Bought a house.", "My brother called.") == "Bought a house."
    assert add_subject("买了一套房。", "我妹妹来了。") == "买了一套房。"
    assert add_subject("买了一套房。") == "我买了一套房。"
