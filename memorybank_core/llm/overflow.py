"""Recognize the error messages of models and servers about a prompt that is too long."""

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
"""Messages of OpenAI, Azure, Anthropic, Gemini, Mistral, xAI, Moonshot, DashScope, SiliconFlow,
vLLM, SGLang, TGI, llama.cpp, LM Studio and Ollama about a prompt that is too long."""


def is_context_overflow(message: str) -> bool:
    """Return whether an error's message means that the prompt exceeds the context window."""
    return _OVERFLOW.search(message) is not None
