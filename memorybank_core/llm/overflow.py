"""How language models and their servers say that a prompt is too long."""

from __future__ import annotations

import re

_OVERFLOW = re.compile(
    r"""
    context_length_exceeded | exceed_context_size | context_window_exceeded | prompt_too_long
    # "maximum context length is", "exceeds the available context size", "longer than the model's"
    | \b(?:max(?:imum)?|available|configured|loaded[ ]with|exceed\w*|than)\b
        [^.]{0,30}\bcontext[ ](?:length|size|window)
    | context[ ](?:length|size|window)\b[^.]{0,20}\bexceed
    | context[ ](?:the[ ])?overflow
    | max(?:imum)?[ ](?:model|prompt|allowed|input)[ ]length | max_seq_len
    | \b(?:prompt|input|messages?)[ ](?:is[ ])?too[ ](?:long|large)
    | messages\[\d+\]\S*[ ]string[ ]too[ ]long
    | \btokens?\b[^.]{0,40}\bexceed | exceed\w*[^.]{0,20}\btoken[ ]limit
    | reduce[ ](?:the[ ]length[ ]of[ ]the|your)[ ](?:messages?|prompt|input)
    | too[ ]many[ ](?:input[ ])?tokens
    | inputs`?[^.]{0,40}[ ]must[ ](?:be[ ]<=|have[ ]less[ ]than)
    | max_tokens[ ]must[ ]be[ ]at[ ]least[ ]1,[ ]got[ ]-
    | range[ ]of[ ]input[ ]length
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""How OpenAI, Azure, Anthropic, Gemini, Mistral, xAI, Moonshot, DashScope, SiliconFlow, vLLM,
SGLang, TGI, llama.cpp, LM Studio and Ollama say that a prompt is too long."""


def says_too_long(words: str) -> bool:
    """Whether these words of an error mean that the prompt is longer than the model reads."""
    return _OVERFLOW.search(words) is not None
