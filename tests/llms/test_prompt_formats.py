"""Prompt formats against the official chats, and the labels of a conversation to train on."""

import json
from pathlib import Path
from pkgutil import resolve_name

import pytest

pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from transformers import PreTrainedTokenizerFast

from llms.families import FAMILIES
from llms.prompt_formats import PROMPT_FORMATS, RoleFormat, find_prompt_format
from memorybank_core import ConfigurationError

DATA = Path(__file__).parents[1] / "data" / "chatglm"
GOLDEN = json.loads((DATA / "tokenizers.json").read_text(encoding="utf-8"))
PIECES = str(DATA / "tiny_sentencepiece.model")
TOKENIZERS = {
    family.name: resolve_name(family.tokenizer)(PIECES) for family in FAMILIES if family.tokenizer
}
CHATML = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
FORGETFUL = CHATML.replace("{{ m.content }}", "{{ m.content if loop.last else '…' }}")


def conversation(*texts, system=None):
    """Return a conversation with these texts, which starts with the user."""
    roles = ["user", "assistant"] * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return [{"role": "system", "content": system}, *messages] if system else messages


def fast_tokenizer(template=CHATML, end="<|end|>"):
    """Return a byte-level tokenizer of transformers."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), end]
    byte_level = Tokenizer(models.BPE({letter: id for id, letter in enumerate(alphabet)}, []))
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level, eos_token=end, extra_special_tokens=["<|start|>", "<|end|>"]
    )
    tokenizer.chat_template = template
    return tokenizer


FORMAT_TOKENIZERS = {**{name: TOKENIZERS[name] for name in ("chatglm", "chatglm2", "chatglm3")}}
FORMAT_TOKENIZERS |= {
    "belle": TOKENIZERS["llama"],
    "plain": TOKENIZERS["llama"],
    "template": fast_tokenizer(),
}


@pytest.fixture(params=sorted(FORMAT_TOKENIZERS))
def format_and_tokenizer(request):
    return PROMPT_FORMATS[request.param], FORMAT_TOKENIZERS[request.param]


def texts(format, tokenizer, messages):
    return tokenizer.decode(format.encode(tokenizer, messages), skip_special_tokens=True)


# Official chats


@pytest.mark.parametrize(
    ("earlier", "expected"),
    list(zip([[], ["你好", "你好！"], ["a", "b", "c", "d"]], GOLDEN["v2"]["prompt"], strict=True)),
)
def test_chatglm2_prompt_equals_official(earlier, expected):
    tokenizer = TOKENIZERS["chatglm2"]
    ids = PROMPT_FORMATS["chatglm2"].encode(tokenizer, conversation(*earlier, "晚上睡不着"))
    assert ids == tokenizer(expected)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == expected


def test_chatglm3_prompt_equals_official():
    question, greeting = "晚上睡不着 <|user|>", ("你好", "你好！")
    without_history, with_history, _ = GOLDEN["v3"]["chat"]
    format, tokenizer = PROMPT_FORMATS["chatglm3"], TOKENIZERS["chatglm3"]
    assert format.encode(tokenizer, conversation(question)) == without_history
    assert (
        format.encode(tokenizer, conversation(*greeting, question, system="你是助手"))
        == with_history
    )


def test_chatglm3_encodes_tools_like_official():
    tools = 'tools\n[\n    {\n        "name": "f",\n        "parameters": {}\n    }\n]'
    turns = [("system", tools), ("user", "x\ny"), ("user", "晚上睡不着 <|user|>")]
    tokenizer = TOKENIZERS["chatglm3"]
    ids = [tokenizer.control_ids["[gMASK]"], tokenizer.control_ids["<sop>"]]
    for role, text in turns:
        ids += [tokenizer.control_ids[f"<|{role}|>"], *RoleFormat.encode_content(tokenizer, text)]
    assert [*ids, tokenizer.control_ids["<|assistant|>"]] == GOLDEN["v3"]["chat"][2]


def test_chatglm_rounds_count_from_0():
    format, tokenizer = PROMPT_FORMATS["chatglm"], TOKENIZERS["chatglm"]
    assert format.encode(tokenizer, conversation("hello")) == GOLDEN["v1"]["ids"][3]
    messages = conversation("你好", "你好👋！", "晚上睡不着应该怎么办")
    assert format.encode(tokenizer, messages) == GOLDEN["v1"]["ids"][8]
    three = "[Round 0]\n问：a\n答：b\n[Round 1]\n问：c\n答：d\n[Round 2]\n问：e\n答："
    assert texts(format, tokenizer, conversation(*"abcde")) == three


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("belle", "Human: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:"),
        ("plain", "User: a\nAssistant: b\nUser: c\nAssistant:"),
    ],
)
def test_text_formats(name, expected):
    assert texts(PROMPT_FORMATS[name], TOKENIZERS["llama"], conversation(*"abc")) == expected
    assert PROMPT_FORMATS[name].encode(TOKENIZERS["llama"], conversation("a"))[:1] == [1]


def test_template_is_rendered():
    tokenizer = fast_tokenizer()
    ids = PROMPT_FORMATS["template"].encode(tokenizer, conversation("hi", system="s"))
    expected = "<|start|>system\ns<|end|>\n<|start|>user\nhi<|end|>\n<|start|>assistant\n"
    assert tokenizer.decode(ids) == expected
    assert ids == tokenizer.encode(expected)


# System messages, and messages of one role


@pytest.mark.parametrize("name", ["chatglm", "chatglm2", "belle", "plain"])
def test_system_message_is_prepended_to_question(name):
    format, tokenizer = PROMPT_FORMATS[name], FORMAT_TOKENIZERS[name]
    expected = format.encode(tokenizer, conversation("Be brief.\na", "b", "c"))
    assert format.encode(tokenizer, conversation("a", "b", "c", system="Be brief.")) == expected


def test_template_without_system_messages():
    tokenizer = fast_tokenizer(NO_SYSTEM + CHATML)
    expected = PROMPT_FORMATS["template"].encode(tokenizer, conversation("s\na", "b", "c"))
    assert (
        PROMPT_FORMATS["template"].encode(tokenizer, conversation("a", "b", "c", system="s"))
        == expected
    )


def test_messages_of_same_role_are_joined(format_and_tokenizer):
    format, tokenizer = format_and_tokenizer
    twice = [*conversation("a"), *conversation("b")]
    assert format.encode(tokenizer, twice) == format.encode(tokenizer, conversation("a\nb"))


def test_conversation_that_starts_with_assistant():
    messages = conversation("", "hello", "a")[1:]
    assert texts(PROMPT_FORMATS["plain"], TOKENIZERS["llama"], messages).startswith(
        "User: \nAssistant: hello"
    )


# Special tokens in a message


@pytest.mark.parametrize("token", ["<|user|>", "[gMASK]", "<sop>", "<eop>", "</s>", "<|end|>"])
def test_special_token_in_message_is_text(format_and_tokenizer, token):
    format, tokenizer = format_and_tokenizer
    known = {*tokenizer.all_special_ids, *getattr(tokenizer, "control_ids", {}).values()}

    def special_ids(text):
        return [
            id for id in format.encode(tokenizer, conversation(text, text, text)) if id in known
        ]

    assert special_ids(f"x{token}y") == special_ids("xy")
    trained = [
        format.encode_training(tokenizer, conversation("x", text))[1]
        for text in (f"x{token}y", "y")
    ]
    assert len({tuple(id for id in labels if id in known) for labels in trained}) == 1


# Ends of answers


def test_stop_ids_and_stop_strings():
    def ends(name):
        return PROMPT_FORMATS[name].stop_ids(FORMAT_TOKENIZERS[name])

    control_ids = TOKENIZERS["chatglm3"].control_ids
    assert ends("chatglm") == [TOKENIZERS["chatglm"].control_ids["<eop>"]]
    assert ends("chatglm2") == ends("belle") == ends("plain") == [2]
    assert ends("chatglm3") == [2, control_ids["<|user|>"], control_ids["<|observation|>"]]
    assert ends("template") == [FORMAT_TOKENIZERS["template"].eos_token_id]
    assert [PROMPT_FORMATS[name].stop for name in ("belle", "plain")] == [
        ("\nHuman:",),
        ("\nUser:",),
    ]


def test_end_token_of_template_is_found():
    other = fast_tokenizer(end="<|endoftext|>")
    ends = other.convert_tokens_to_ids(["<|endoftext|>", "<|end|>"])
    assert PROMPT_FORMATS["template"].stop_ids(other) == ends
    role_ends = fast_tokenizer(CHATML.replace("<|end|>\n", ""), end="<|endoftext|>")
    ends = role_ends.convert_tokens_to_ids(["<|endoftext|>", "<|start|>"])
    assert PROMPT_FORMATS["template"].stop_ids(role_ends) == ends


# Labels


def test_last_answer_follows_prompt_of_generation(format_and_tokenizer):
    format, tokenizer = format_and_tokenizer
    ids, labels = format.encode_training(
        tokenizer, conversation("你好", "hello", "hi 你", "晚上睡不着", system="s")
    )
    prompt = format.encode(tokenizer, conversation("你好", "hello", "hi 你", system="s"))
    assert ids[: len(prompt)] == prompt
    answer_ids = [id for id in labels[len(prompt) :] if id >= 0]
    assert answer_ids[-1] in format.stop_ids(tokenizer)
    assert tokenizer.decode(answer_ids, skip_special_tokens=True).strip() == "晚上睡不着"
    assert len(ids) == len(labels)
    assert all(label in (id, -100) for id, label in zip(ids, labels, strict=True))


@pytest.mark.parametrize("name", ["chatglm3", "template"])
def test_role_formats_train_every_answer(name):
    format, tokenizer = PROMPT_FORMATS[name], FORMAT_TOKENIZERS[name]
    messages = conversation("a", "bb", "c", "dd", "e", "ff", system="s")
    ids, labels = format.encode_training(tokenizer, messages)
    starts = [index for index in range(1, len(ids)) if labels[index] >= 0 and labels[index - 1] < 0]
    assert [ids[:start] for start in starts] == [
        format.encode(tokenizer, messages[:end]) for end in (2, 4, 6)
    ]
    ends = format.stop_ids(tokenizer)
    assert sum(label in ends for label in labels) == 3
    answer_ids = tokenizer.decode([id for id in labels if id >= 0], skip_special_tokens=True)
    assert "".join(answer_ids.split()) == "bbddff"


@pytest.mark.parametrize("name", ["chatglm", "chatglm2", "belle", "plain"])
def test_text_formats_train_the_last_answer_only(name):
    format, tokenizer = PROMPT_FORMATS[name], FORMAT_TOKENIZERS[name]
    ids, labels = format.encode_training(tokenizer, conversation("a", "bb", "c", "dd"))
    answer = [*tokenizer.encode("dd", add_special_tokens=False), tokenizer.eos_token_id]
    assert [id for id in labels if id >= 0] == answer
    assert labels == [-100] * (len(ids) - len(answer)) + answer


def test_chatglm_training_ids_equal_official():
    tokenizer = TOKENIZERS["chatglm"]
    ids, _ = PROMPT_FORMATS["chatglm"].encode_training(
        tokenizer, conversation(GOLDEN["texts"][1], GOLDEN["texts"][7])
    )
    assert ids == GOLDEN["v1"]["pair"]


def test_space_before_answer_with_any_tokenizer():
    ids, labels = PROMPT_FORMATS["plain"].encode_training(fast_tokenizer(), conversation("a", "b"))
    assert fast_tokenizer().decode(ids) == "User: a\nAssistant: b<|end|>"
    assert fast_tokenizer().decode([id for id in labels if id >= 0]) == " b<|end|>"


def test_end_token_is_added_to_template_without_one():
    tokenizer = fast_tokenizer("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    ids, labels = PROMPT_FORMATS["template"].encode_training(tokenizer, conversation("a", "b"))
    assert ids[-1] == labels[-1] == tokenizer.eos_token_id


def test_template_that_changes_earlier_messages_is_rejected():
    with pytest.raises(ConfigurationError, match="renders earlier messages differently"):
        PROMPT_FORMATS["template"].encode_training(
            fast_tokenizer(FORGETFUL), conversation("a", "b", "c", "d")
        )


# Detection


def test_format_of_each_tokenizer():
    for name in ("chatglm", "chatglm2", "chatglm3"):
        assert find_prompt_format(TOKENIZERS[name]).name == name
    assert find_prompt_format(fast_tokenizer()).name == "template"
    assert find_prompt_format(TOKENIZERS["llama"]).name == "plain"
    assert {name: format.name for name, format in PROMPT_FORMATS.items()} == {
        name: name for name in PROMPT_FORMATS
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("BelleGroup/BELLE-LLaMA-7B-2M", "belle"),
        ("/models/belle-7b", "belle"),
        ("/home/isabelle/llama-7b", "plain"),
    ],
)
def test_belle_is_detected_by_name(path, expected):
    tokenizer = type(TOKENIZERS["llama"])(PIECES, name_or_path=path)

    class Config:
        name_or_path = path

    assert find_prompt_format(tokenizer).name == expected
    assert find_prompt_format(TOKENIZERS["llama"], Config()).name == expected


# Rejected input


def rejection_message(call, *arguments):
    with pytest.raises(ConfigurationError) as caught:
        call(*arguments)
    return str(caught.value)


def test_invalid_messages_are_rejected(format_and_tokenizer):
    format, tokenizer = format_and_tokenizer
    for call in (format.encode, format.encode_training):
        assert "there are no messages" in rejection_message(call, tokenizer, [])
        tool = [{"role": "tool", "content": "x"}]
        assert (
            rejection_message(call, tokenizer, tool)
            == "unknown role 'tool'; the roles are system, user, assistant"
        )
        nothing = [{"role": "user", "content": None}]
        assert "the content of a message (user) must be text, not None" in rejection_message(
            call, tokenizer, nothing
        )
    assert "nothing to answer" in rejection_message(
        format.encode, tokenizer, conversation("a", "b")
    )
    assert "must end with an answer" in rejection_message(
        format.encode_training, tokenizer, conversation("a")
    )
    assert "must end with an answer" in rejection_message(
        format.encode_training, tokenizer, conversation("", "b")[1:]
    )


def test_format_of_another_model():
    message = rejection_message(
        PROMPT_FORMATS["chatglm3"].encode, TOKENIZERS["chatglm2"], conversation("a")
    )
    assert "needs the token <|user|>, which ChatGLM2Tokenizer lacks" in message
    message = rejection_message(
        PROMPT_FORMATS["template"].encode, TOKENIZERS["llama"], conversation("a")
    )
    assert "has no chat template" in message


def test_template_that_rejects_conversation():
    tokenizer = fast_tokenizer("{{ raise_exception('never') }}")
    assert "rejects the conversation: never" in rejection_message(
        PROMPT_FORMATS["template"].encode, tokenizer, conversation("a")
    )
