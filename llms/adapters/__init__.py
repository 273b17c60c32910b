"""Adapters on a language model of this machine: load, switch and merge them.

Whatever saved them: today's peft, the versions of 2023 that the original SiliconFriend was trained
with, or its training script's checkpoints.
"""

from .peft_adapters import load_adapter, merge_adapter, use_adapter

__all__ = ["load_adapter", "merge_adapter", "use_adapter"]
