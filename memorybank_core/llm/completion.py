"""Why an answer ended: the reasons that providers give for one that is not whole."""

from __future__ import annotations

CUT_OFF = frozenset(
    "length max_tokens max_output_tokens model_length model_context_window_exceeded".split()
)
"""Reasons for the end of an answer, in lower case, which mean that it was cut off."""

REFUSED = frozenset(
    """
    content_filter content_filtered guardrail_intervened prohibited_content recitation refusal
    safety sensitive
    """.split()
)
"""Reasons which mean that the model or its provider would not answer."""
