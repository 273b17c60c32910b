"""Terminal app of SiliconFriend."""

from memorybank_langchain.siliconfriend.dependencies import explain_missing_package

with explain_missing_package():
    from .sign_in import talk

__all__ = ["talk"]
