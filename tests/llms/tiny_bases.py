"""Tiny random models of every family, and training dialogues from the demo.

Their tokens are the letters of English and single bytes. With a vocabulary this small, training on
a hundred short dialogues also lowers the loss on held-out dialogues.
"""

import io
import json
from pathlib import Path

import memorybank_core.demo

DEMO_DATA = Path(memorybank_core.demo.__file__).parent / "data"
ROWS = 400  # of the embedding: 335 pieces, followed by the special tokens of ChatGLM2
SYMBOLS = ["<n>", "[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>"]
SYMBOLS += ["<dBLOCK>", "<|tab|>", "<|blank_2|>", "<|blank_3|>", "<|blank_4|>"]
SPECIAL_IDS = {"bos_token_id": 9, "eos_token_id": 10, "mask_token_id": 5, "gmask_token_id": 6}
WIDTHS = {"hidden_size": 64, "num_attention_heads": 4, "num_layers": 2}
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def load_turns(language):
    """Return all turns of the demo's dialogues in that language."""
    users = json.loads((DEMO_DATA / f"dialogues_{language}.json").read_text("utf-8"))
    days = [day for user in users.values() for day in user["history"].values()]
    return [turn for day in days for turn in day]


def make_hundred_dialogues():
    """Return the shortest turns of the demo as dialogues, half in English, half in Chinese."""
    byte_count = lambda turn: len((turn["query"] + turn["response"]).encode())  # noqa: E731
    shortest = [
        turn for lang in ("en", "zh") for turn in sorted(load_turns(lang), key=byte_count)[:50]
    ]
    return [{"turns": [turn]} for turn in shortest]


def write_lines(path, dialogues):
    path.write_text("".join(json.dumps(dialogue) + "\n" for dialogue in dialogues), "utf-8")
    return path


def train_piece_file():
    """Return a sentencepiece model of special tokens, bytes and the letters of the English demo."""
    from sentencepiece import SentencePieceTrainer

    out = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(turn["response"] for turn in load_turns("en")),
        model_writer=out,
        model_type="char",
        vocab_size=ROWS - 16,
        hard_vocab_limit=False,
        character_coverage=1.0,
        byte_fallback=True,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=3,
        user_defined_symbols=SYMBOLS,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    return out.getvalue()


def save_chatglm(folder, std=0.2):
    """Save a ChatGLM-6B with a tied output layer."""
    import torch

    from llms.chatglm import ChatGLMConfig, ChatGLMForCausalLM

    torch.manual_seed(0)
    sizes = {**WIDTHS, **SPECIAL_IDS, "vocab_size": ROWS, "max_sequence_length": 512}
    config = ChatGLMConfig(**sizes, inner_hidden_size=256, initializer_range=std)
    ChatGLMForCausalLM(config).save_pretrained(folder)
    (folder / "ice_text.model").write_bytes(train_piece_file())
    return folder


def save_chatglm2(folder, std=0.1):
    """Save a ChatGLM2-6B or ChatGLM3-6B, depending on the folder's name, in the official format."""
    import torch
    from safetensors.torch import save_file

    sizes = {**WIDTHS, "model_type": "chatglm", "ffn_hidden_size": 96, "kv_channels": 16}
    sizes |= {"seq_length": 512, "multi_query_attention": True, "multi_query_group_num": 2}
    sizes |= {"padded_vocab_size": ROWS, "add_qkv_bias": True, "eos_token_id": 2, "pad_token_id": 0}
    official = Path(__file__).parents[1] / "data" / "chatglm" / "v2a"
    config = json.loads((official / "config.json").read_text()) | sizes
    torch.manual_seed(0)
    shapes = {
        "embedding.word_embeddings": (ROWS, 64),
        "output_layer": (ROWS, 64),
        "encoder.final_layernorm": (64,),
    }
    for layer in range(2):
        shapes |= {
            f"encoder.layers.{layer}.input_layernorm": (64,),
            f"encoder.layers.{layer}.post_attention_layernorm": (64,),
            f"encoder.layers.{layer}.self_attention.query_key_value": (128, 64),
            f"encoder.layers.{layer}.self_attention.dense": (64, 64),
            f"encoder.layers.{layer}.mlp.dense_h_to_4h": (192, 64),
            f"encoder.layers.{layer}.mlp.dense_4h_to_h": (64, 96),
        }
    weights = {
        f"transformer.{name}.weight": torch.randn(shape) * std if shape[1:] else torch.ones(shape)
        for name, shape in shapes.items()
    }
    for layer in range(2):
        bias = f"transformer.encoder.layers.{layer}.self_attention.query_key_value.bias"
        weights[bias] = torch.zeros(128)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "tokenizer.model").write_bytes(train_piece_file())
    return folder


def save_llama(folder, std=0.1):
    """Save a LLaMA with the tokenizer of 2023, or a BELLE, depending on the folder's name."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=ROWS,
        hidden_size=64,
        intermediate_size=172,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=std,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.model").write_bytes(train_piece_file())
    return folder


def make_template_tokenizer():
    """Return a byte-level tokenizer of transformers with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = Tokenizer(models.BPE({letter: id for id, letter in enumerate(letters)}, []))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces, eos_token="<|end|>", pad_token="<|end|>"
    )
    roles = ["<|user|>", "<|assistant|>", "<|system|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": roles})
    tokenizer.chat_template = TEMPLATE
    return tokenizer
