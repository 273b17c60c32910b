"""A language model that says back what it was told: what it answers can be read in the test.

Its answer is every message that it read, one a line, then the token that ends. A token is a byte,
so that a character may take several. It runs in transformers' own `generate`, with its cache.
"""

import time

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationMixin,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from llms.local_model import LocalModel

MARKS = ["[pad]", "[end]", "[system]", "[user]", "[assistant]"]
PAD, END, ASSISTANT = 0, 1, 4
TEMPLATE = (
    "{% for one in messages %}[{{ one.role }}]{{ one.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


class ParrotConfig(PreTrainedConfig):
    """As much of a configuration as a cache needs."""

    model_type = "parrot"
    num_hidden_layers = hidden_size = num_attention_heads = 1
    max_position_embeddings = 2048
    vocab_size = 256 + len(MARKS)


class Parrot(PreTrainedModel, GenerationMixin):
    """Its cache keeps the tokens themselves.

    Attributes:
        steps: How often it was run.
        pause: How many seconds a run takes.
    """

    config_class = ParrotConfig

    def __init__(self, config):
        super().__init__(config)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.steps, self.pause = 0, 0.0
        self.post_init()

    def forward(self, input_ids, past_key_values=None, **kwargs):
        self.steps += 1
        time.sleep(self.pause)
        read = input_ids[:, None, :, None].float()
        if past_key_values is not None:
            read, _ = past_key_values.update(read, read, 0)
        logits = torch.full((len(read), 1, self.config.vocab_size), -20.0)
        for row, tokens in enumerate(read[:, 0, :, 0].long().tolist()):
            logits[row, 0, following(tokens)] = 20.0
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)


def following(tokens):
    """The token that comes next: of what was said before the last [assistant], the next."""
    asked = len(tokens) - tokens[::-1].index(ASSISTANT)
    told = [token for token in tokens[: asked - 1] if token >= len(MARKS)]
    said = len(tokens) - asked
    return told[said] if said < len(told) else END


def tokenizer():
    """A token is a byte, or a mark."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {text: id for id, text in enumerate([*MARKS, *letters])}
    bytewise = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytewise.decoder = decoders.ByteLevel()
    bytewise.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    return PreTrainedTokenizerFast(
        tokenizer_object=bytewise, pad_token="[pad]", eos_token="[end]", chat_template=TEMPLATE
    )


def parrot(**options):
    """A host of it; `host.bird` is the model."""
    bird = Parrot(ParrotConfig())
    host = LocalModel(bird, tokenizer(), **{"name": "parrot", **options})
    host.bird = bird
    return host


def babbler(**options):
    """A host of a tiny Llama with random weights: it babbles, and seldom ends."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=ParrotConfig.vocab_size, hidden_size=32, intermediate_size=32,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=512, eos_token_id=END, pad_token_id=PAD, initializer_range=0.5,
    )  # fmt: skip
    return LocalModel(LlamaForCausalLM(config), tokenizer(), **{"name": "babbler", **options})
