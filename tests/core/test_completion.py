"""The check that a model's answer is complete."""

from enum import Enum

import pytest

from memorybank_core import AnswerError, Completion
from memorybank_core.llm.completion import CUT_OFF, FINISHED, REFUSED, require_complete


class Reason(Enum):
    LENGTH = "MAX_TOKENS"


def test_a_complete_answer_keeps_its_tokens():
    answer = require_complete("Hello.", source="parrot", tokens=9)
    assert isinstance(answer, Completion)
    assert (answer, answer.tokens) == ("Hello.", 9)


@pytest.mark.parametrize("reason", sorted(FINISHED))
def test_a_finished_answer_is_complete(reason):
    options = {"finish_reason": reason.upper(), "requires_reason": True}
    assert require_complete("Hello.", source="parrot", **options) == "Hello."


@pytest.mark.parametrize("reason", [*sorted(CUT_OFF), Reason.LENGTH])
def test_an_answer_that_was_cut_off_is_an_error(reason):
    with pytest.raises(AnswerError, match=r"of parrot was cut off after 3 characters \("):
        require_complete("Hel", source="parrot", finish_reason=reason)


def test_an_answer_cut_at_a_stop_string_is_complete():
    options = {"finish_reason": "length", "stop": ["\n", "#"]}
    assert require_complete("One# two\nthree", source="parrot", **options) == "One"


@pytest.mark.parametrize("reason", sorted(REFUSED))
def test_a_refused_answer_is_an_error(reason):
    with pytest.raises(AnswerError, match=f"parrot refused to answer: '{reason}'"):
        require_complete("", source="parrot", finish_reason=reason)


@pytest.mark.parametrize("answer", ["", " \n"])
def test_an_empty_answer_is_an_error(answer):
    with pytest.raises(AnswerError, match="the answer of parrot is empty"):
        require_complete(answer, source="parrot", finish_reason="stop")


@pytest.mark.parametrize("answer", [None, 7, b"bytes", ["a"]])
def test_an_answer_must_be_a_string(answer):
    with pytest.raises(AnswerError, match="the answer of parrot must be a string, not"):
        require_complete(answer, source="parrot")


@pytest.mark.parametrize(
    ("reason", "message"), [(None, "it has no finish_reason"), ("tool_calls", "'tool_calls'")]
)
def test_a_missing_or_unknown_reason_is_an_error_on_request(reason, message):
    assert require_complete("Hello.", source="parrot", finish_reason=reason) == "Hello."
    with pytest.raises(AnswerError, match=message):
        require_complete("Hello.", source="parrot", finish_reason=reason, requires_reason=True)


def test_the_providers_words_are_redacted():
    with pytest.raises(AnswerError, match=r"refused to answer: 'No, \[key\]\.'"):
        require_complete(
            "",
            source="parrot",
            refusal="No, sk-canary.",
            redact=lambda text: text.replace("sk-canary", "[key]"),
        )
