"""A tiny language model that repeats its prompt, which makes its answers easy to predict.

It answers with every message of the prompt, one per line, then the end token. A token is a byte, so
a character may take several. It runs in `generate` of transformers, with its cache.
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

SPECIAL_TOKENS = ["[pad]", "[end]", "[system]", "[user]", "[assistant]"]
PAD, END, ASSISTANT = 0, 1, 4
TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}]{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


class EchoConfig(PreTrainedConfig):
    """Configuration with the fields that a cache needs."""

    model_type = "echo"
    num_hidden_layers = hidden_size = num_attention_heads = 1
    max_position_embeddings = 2048
    vocab_size = 256 + len(SPECIAL_TOKENS)


class EchoModel(PreTrainedModel, GenerationMixin):
    """Model that repeats its prompt. Its cache stores the tokens themselves.

    Attributes:
        steps: Number of forward passes so far.
        pause: Seconds that a forward pass takes.
    """

    config_class = EchoConfig

    def __init__(self, config):
        super().__init__(config)
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.steps, self.pause = 0, 0.0
        self.post_init()

    def forward(self, input_ids, past_key_values=None, **kwargs):
        self.steps += 1
        time.sleep(self.pause)
        tokens = input_ids[:, None, :, None].float()
        if past_key_values is not None:
            tokens, _ = past_key_values.update(tokens, tokens, 0)
        logits = torch.full((len(tokens), 1, self.config.vocab_size), -20.0)
        for row, ids in enumerate(tokens[:, 0, :, 0].long().tolist()):
            logits[row, 0, next_token(ids)] = 20.0
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)


def next_token(ids):
    """Return the next token of the text before the last [assistant]."""
    start = len(ids) - ids[::-1].index(ASSISTANT)
    text = [token for token in ids[: start - 1] if token >= len(SPECIAL_TOKENS)]
    generated = len(ids) - start
    return text[generated] if generated < len(text) else END


def byte_tokenizer():
    """Return a tokenizer whose tokens are bytes and special tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {text: id for id, text in enumerate([*SPECIAL_TOKENS, *letters])}
    bytewise = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytewise.decoder = decoders.ByteLevel()
    bytewise.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=bytewise, pad_token="[pad]", eos_token="[end]", chat_template=TEMPLATE
    )


def echo_host(**options):
    """Return a LocalModel of an `EchoModel`, which is also its attribute `model`."""
    model = EchoModel(EchoConfig())
    host = LocalModel(model, byte_tokenizer(), **{"name": "echo", **options})
    host.model = model
    return host


def random_host(**options):
    """Return a LocalModel of a tiny Llama with random weights, whose answers rarely end early."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=EchoConfig.vocab_size, hidden_size=32, intermediate_size=32,
        num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
        max_position_embeddings=512, eos_token_id=END, pad_token_id=PAD, initializer_range=0.5,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    host = LocalModel(model, byte_tokenizer(), **{"name": "random", **options})
    host.model = model
    return host
