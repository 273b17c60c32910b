"""What the official ChatGLM code gives for tiny models, and ours asked for the same.

See tests/data/chatglm: config.json and weights as published, golden.safetensors with the numbers.
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
EVERY = 8  # of the vocabulary's columns
CLOSE = 1e-4
CLOSE_IN_HALF = 0.15
LAST_BITS = 5e-6  # 0 on the processor of the golden numbers; others sum in another order


def official(name, **how):
    """The model with the official weights, in float32 on the CPU unless told otherwise."""
    return load_model(DATA / name, **{"device": "cpu", "progress": False, **how})


def numbers(name):
    return load_file(DATA / name / "golden.safetensors")


def logits_differ(logits, golden):
    """By how much the logits differ from golden ones at most."""
    return (logits.float()[..., ::EVERY] - golden).abs().max().item()


def mask_of(model, ids):
    return (ids != model.config.pad_token_id).long()


def positions_of(model, mask):
    """What glm wants to know of a padded batch; ChatGLM-6B finds it out by itself."""
    return {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)} if is_glm(model) else {}


def is_glm(model):
    return model.config.model_type == "glm"


@torch.no_grad()
def logits_of(model, ids):
    mask = mask_of(model, ids)
    return model(input_ids=ids, attention_mask=mask, **positions_of(model, mask)).logits


@torch.no_grad()
def one_by_one(model, ids, forced):
    """The last position's logits after the prompt and after each token, by the cache: [B, T, V]."""
    mask, cache, steps, new = mask_of(model, ids), None, [], ids
    for token in [*forced.T, None]:
        positions = {
            name: places[:, -new.shape[1] :] for name, places in positions_of(model, mask).items()
        }
        answer = model(
            input_ids=new, attention_mask=mask, past_key_values=cache, use_cache=True, **positions
        )
        steps.append(answer.logits[:, -1])
        cache = answer.past_key_values
        if token is not None:
            new = token[:, None]
            mask = torch.cat((mask, torch.ones_like(new)), -1)
    return torch.stack(steps, 1)


def generated(model, ids, **how):
    """The prompts with what follows them, at most 24 tokens of the greatest probability."""
    how = {"max_new_tokens": 24, "do_sample": False, **how}
    return model.generate(input_ids=ids, attention_mask=mask_of(model, ids), **how)


def config_of(name):
    return json.loads((DATA / name / "config.json").read_text())
