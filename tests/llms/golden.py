"""Logits of the official ChatGLM code for tiny models, and functions to compute those of `llms`.

tests/data/chatglm has config.json and weights in the official format, and golden.safetensors with
the logits.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from llms.loading import load_model

DATA = Path(__file__).parents[1] / "data" / "chatglm"
CASES = ["v1a", "v1prefix", "v2a", "v3a"]
CONVERTED = ["v2a", "v3a"]
IN_HALF = ["v1a", "v2a", "v3a"]
COLUMN_STEP = 8  # golden logits have every 8th column of the vocabulary
CLOSE = 1e-4
CLOSE_IN_HALF = 0.15
LAST_BITS = 5e-6  # 0 on the processor that computed them; others add in a different order


def load_official(name, **options):
    """Load the model with the official weights, by default in float32 on the CPU."""
    return load_model(DATA / name, **{"device": "cpu", "progress": False, **options})


def load_golden(name):
    return load_file(DATA / name / "golden.safetensors")


def logit_difference(logits, golden):
    """Return the largest difference between the logits and the golden ones."""
    return (logits.float()[..., ::COLUMN_STEP] - golden).abs().max().item()


def padding_mask(model, ids):
    return (ids != model.config.pad_token_id).long()


def position_arguments(model, mask):
    """Return the position ids that glm needs for a padded batch; ChatGLM-6B computes its own."""
    return {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)} if is_glm(model) else {}


def is_glm(model):
    return model.config.model_type == "glm"


@torch.no_grad()
def compute_logits(model, ids):
    mask = padding_mask(model, ids)
    return model(input_ids=ids, attention_mask=mask, **position_arguments(model, mask)).logits


@torch.no_grad()
def decode_step_by_step(model, ids, forced):
    """Return the last logits [B, T, V] after the prompt and each forced token, with a cache."""
    mask, cache, steps, new = padding_mask(model, ids), None, [], ids
    for token in [*forced.T, None]:
        positions = {
            name: values[:, -new.shape[1] :]
            for name, values in position_arguments(model, mask).items()
        }
        outputs = model(
            input_ids=new, attention_mask=mask, past_key_values=cache, use_cache=True, **positions
        )
        steps.append(outputs.logits[:, -1])
        cache = outputs.past_key_values
        if token is not None:
            new = token[:, None]
            mask = torch.cat((mask, torch.ones_like(new)), -1)
    return torch.stack(steps, 1)


def generate_greedy(model, ids, **options):
    """Return the prompts with their greedy continuation, by default of 24 tokens."""
    options = {"max_new_tokens": 24, "do_sample": False, **options}
    return model.generate(input_ids=ids, attention_mask=padding_mask(model, ids), **options)


def read_config(name):
    return json.loads((DATA / name / "config.json").read_text())
