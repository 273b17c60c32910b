"""Load, select and merge the adapters of a local language model.

Adapters saved by any version of peft can be read, including those of 2023 that the original
SiliconFriend was trained with, and the checkpoints of its training script.
"""

from .peft_adapters import load_adapter, merge_adapter, use_adapter

__all__ = ["load_adapter", "merge_adapter", "use_adapter"]
