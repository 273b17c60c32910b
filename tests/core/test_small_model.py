"""Digests of a week by a real, small language model on the CPU."""

from datetime import datetime, timedelta, timezone

import pytest
from small_model import smollm2

from memorybank_core import HashingEmbedder, MemoryBank, Prompts, Turn
from memorybank_core.search.tokenize import tokenize

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MONDAY = datetime(2024, 3, 4, 18, tzinfo=timezone.utc)
WEEK = [
    ("I went hiking with my brother Tom and it rained all day.", "Did you enjoy it?"),
    ("I start a new job as a nurse next week. I am a bit nervous.", "You will do well."),
    ("My friend Ann moved to Oslo. We used to play chess on Fridays.", "You can play online."),
    ("I cooked fish soup for my parents.", "What did they say?"),
    ("I cannot sleep well these days.", "Try to read before you go to bed."),
    ("I bought a bicycle, a red one.", "Where will you ride it?"),
    ("We celebrated my mother's birthday in the garden.", "How lovely!"),
]
SIMPLE = Prompts(
    system="You are a helpful assistant that summarizes conversations.",
    day_summary="Summarize the conversation in one or two sentences.",
    day_portrait="In one or two sentences, describe the personality and mood of the user.",
    overall_summary="Summarize in two sentences what happened on these days.",
    overall_portrait="In two sentences, describe the personality of the user.",
    merge="Write one summary of these. {task}",
    user="User",
    companion="AI",
)
"""Prompts in simple words, for a very small model."""


def test_a_week_is_digested_end_to_end(tmp_path):
    with MemoryBank.open(
        tmp_path / "bank.db", embedder=HashingEmbedder(), llm=smollm2(), prompts=SIMPLE
    ) as bank:
        turns = [Turn(*texts, at=MONDAY + timedelta(days=day)) for day, texts in enumerate(WEEK)]
        bank.add(turns, user_id="ada")
        report = bank.summarize(user_id="ada")
        assert (report.digested, report.failed, report.calls) == (7, (), 16)
        assert report.tokens > 16 * 50
        assert bank.verify() == []
        for digest in bank.digests(user_id="ada"):
            print(digest.day, type(digest).__name__, digest.text)
            assert digest.made_by == "SmolLM2-135M-Instruct"
            assert len(digest.text.split()) >= 5
        days = bank.timeline(user_id="ada")
        terms = {memory.day: set(tokenize(memory.text)) for memory in days if memory.turn}
        events = [memory for memory in days if not memory.turn]
        accurate = [
            event for event in events if len(terms[event.day] & set(tokenize(event.text))) > 1
        ]
        assert len(accurate) >= 4  # so small a model invents some things
        context = bank.context("What is my new job?", user_id="ada", max_tokens=600)
        assert context.tokens <= 600
        assert "nurse" in context.text
        assert bank.summarize(user_id="ada").calls == 0
