"""Reasons why there is no answer, in the language of the app."""

from __future__ import annotations

from memorybank_core import AnswerError, LLMError

_STRINGS = {
    "en": {
        "stalled": "the model sent nothing for {seconds:g} seconds",
        "failed": "the model failed: {error}",
    },
    "zh": {
        "stalled": "模型 {seconds:g} 秒没有输出",
        "failed": "模型出错：{error}",
        "empty": "模型的回答是空的",
        "refused": "模型拒绝回答，请换个说法，或换一个模型",
        "cut_off": "模型的回答被截断，请调大 max_tokens，或缩短提示词",
    },
}


class ModelStalledError(LLMError):
    """The model sent nothing for some seconds.

    Args:
        seconds: How long it sent nothing.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(_STRINGS["en"]["stalled"].format(seconds=seconds))


class ModelFailedError(LLMError):
    """The model, or the server that runs it, raised another error.

    Args:
        error: The error.
    """

    def __init__(self, error: Exception) -> None:
        self.error = f"{type(error).__name__}: {error}"
        super().__init__(_STRINGS["en"]["failed"].format(error=self.error))


def describe_failure(error: Exception, language: str) -> str:
    """Return on one line why there is no answer.

    Args:
        error: The error; what other packages say in it is quoted.
        language: "en" or "zh".
    """
    strings, text = _STRINGS[language], str(error)
    if isinstance(error, ModelStalledError):
        text = strings["stalled"].format(seconds=error.seconds)
    elif isinstance(error, ModelFailedError):
        text = strings["failed"].format(error=error.error)
    elif isinstance(error, AnswerError):
        text = strings.get(error.reason, text)
    return " ".join(text.split())
