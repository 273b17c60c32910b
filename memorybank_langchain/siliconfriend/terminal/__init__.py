"""Terminal app of SiliconFriend."""

from memorybank_core.extras import explain_missing_package

with explain_missing_package("siliconfriend"):
    from .sign_in import talk

__all__ = ["talk"]
