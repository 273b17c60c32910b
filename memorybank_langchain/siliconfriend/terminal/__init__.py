"""SiliconFriend in the terminal."""

from .signing_in import talk

__all__ = ["talk"]
