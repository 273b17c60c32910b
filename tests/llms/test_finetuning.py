"""Fine-tuning: the labels of examples, the effect of training, and resuming a killed run."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("peft", reason="peft is not installed")
pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")

import tiny_bases
import torch
from peft import PeftModel
from safetensors.torch import load_file
from tiny_bases import make_hundred_dialogues, write_lines

from llms.adapters import load_adapter
from llms.finetuning import EpochLoss, finetune
from llms.finetuning.checkpoints import is_complete
from llms.finetuning.dialogues import Dialogue, read_dialogues
from llms.finetuning.examples import Collator, DialogueSplitter, Example
from llms.finetuning.report import epoch_losses
from llms.loading import load_model
from llms.local_model import LocalModel
from llms.prompt_formats import PROMPT_FORMATS
from llms.prompt_formats.messages import IGNORED_LABEL
from llms.tokenization import load_tokenizer
from memorybank_core import ConfigurationError, FormatError

SAVERS = {
    "chatglm": tiny_bases.save_chatglm,
    "chatglm2": tiny_bases.save_chatglm2,
    "chatglm3": tiny_bases.save_chatglm2,
    "belle": tiny_bases.save_llama,
    "plain": tiny_bases.save_llama,
}
MESSAGES = [
    {"role": "user", "content": "Who are you?"},
    {"role": "assistant", "content": "I'm Ada. 你好！"},
    {"role": "user", "content": "What do you like,\ntea  or milk?"},
    {"role": "assistant", "content": "Tea,\nwith a biscuit."},
    {"role": "user", "content": "晚安"},
    {"role": "assistant", "content": "Sleep well, 晚安。"},
]
QUICK = {"epochs": 2, "batch_size": 4, "accumulate": 2, "learning_rate": 5e-3, "dropout": 0.2}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Use one thread: faster for tiny models, and sums are the same in all processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Return a function that returns the folder of a family's model, created on first use."""
    root = tmp_path_factory.mktemp("bases")

    def base(family):
        folder = root / family
        return folder if folder.exists() else SAVERS[family](folder)

    return base


@pytest.fixture(scope="module")
def dialogue_files(tmp_path_factory):
    """A file of a hundred dialogues and one of twenty."""
    folder = tmp_path_factory.mktemp("dialogue_files")
    dialogues = make_hundred_dialogues()
    return (
        write_lines(folder / "hundred.jsonl", dialogues),
        write_lines(folder / "twenty.jsonl", dialogues[:10] + dialogues[-10:]),
    )


def run_finetune(model, data, output, **options):
    return finetune(model, data, output, **{"device": "cpu", "progress": False, **options})


def load_tensors(output):
    return load_file(Path(output) / "adapter_model.safetensors")


def assert_same(tensors, expected):
    assert tensors.keys() == expected.keys()
    for name in tensors:
        assert torch.equal(tensors[name], expected[name]), name


# Labels.


@pytest.fixture(params=sorted(PROMPT_FORMATS))
def format_and_tokenizer(request, bases):
    """A prompt format and a tokenizer for it."""
    prompt_format = PROMPT_FORMATS[request.param]
    if request.param == "template":
        return prompt_format, tiny_bases.make_template_tokenizer()
    return prompt_format, load_tokenizer(bases(request.param))


def find_spans(labels):
    """Return the start and end of each run of labels."""
    has_label = [False, *(label != IGNORED_LABEL for label in labels), False]
    edges = [index for index in range(len(labels) + 1) if has_label[index] != has_label[index + 1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


class TestLabels:
    def test_labels_are_answers_and_end_tokens(self, format_and_tokenizer):
        prompt_format, tokenizer = format_and_tokenizer
        answers = {}
        for example in (
            DialogueSplitter(tokenizer, prompt_format, 4096).split([_dialogue(MESSAGES)]).examples
        ):
            answer_spans = find_spans(example.labels)
            assert len(answer_spans) == example.answer_count
            for start, end in answer_spans:
                labels = example.labels[start:end]
                assert labels == example.ids[start:end]
                assert labels[-1] in prompt_format.stop_ids(tokenizer)
                assert not set(labels[:-1]) & set(prompt_format.stop_ids(tokenizer))
                text = tokenizer.decode(labels[:-1], skip_special_tokens=True).strip()
                answers[text] = example.ids[:start]
        assert list(answers) == [message["content"] for message in MESSAGES[1::2]]

    def test_answers_follow_prompt_of_generation(self, format_and_tokenizer):
        prompt_format, tokenizer = format_and_tokenizer
        for example in (
            DialogueSplitter(tokenizer, prompt_format, 4096).split([_dialogue(MESSAGES)]).examples
        ):
            answer_spans = find_spans(example.labels)
            message_count = next(
                end
                for end in (2, 4, 6)
                if len(prompt_format.encode_training(tokenizer, MESSAGES[:end])[0])
                >= len(example.ids)
            )
            for position_from_end, (start, _) in enumerate(reversed(answer_spans)):
                prompt = prompt_format.encode(
                    tokenizer, MESSAGES[: message_count - 1 - 2 * position_from_end]
                )
                assert example.ids[:start] == prompt

    def test_start_token_occurs_once(self, format_and_tokenizer):
        prompt_format, tokenizer = format_and_tokenizer
        for example in (
            DialogueSplitter(tokenizer, prompt_format, 4096).split([_dialogue(MESSAGES)]).examples
        ):
            control_ids = getattr(tokenizer, "control_ids", {})
            for id in {control_ids.get("<sop>", tokenizer.bos_token_id)} - {None}:
                assert example.ids.count(id) == 1
                assert example.labels.count(id) == 0

    def test_each_answer_has_labels_once_at_any_length(self, format_and_tokenizer):
        prompt_format, tokenizer = format_and_tokenizer
        complete = DialogueSplitter(tokenizer, prompt_format, 4096).split([_dialogue(MESSAGES)])
        longest = max(len(example.ids) for example in complete.examples)
        assert (complete.shortened, complete.left_out) == (0, 0)
        for max_length in range(longest, 20, -7):
            shortened = DialogueSplitter(tokenizer, prompt_format, max_length).split(
                [_dialogue(MESSAGES)]
            )
            assert (
                sum(example.answer_count for example in shortened.examples) + shortened.left_out
                == 3
            )
            assert all(len(example.ids) <= max_length for example in shortened.examples)
            assert shortened.shortened + shortened.left_out > 0 or max_length == longest
        assert (
            DialogueSplitter(tokenizer, prompt_format, 5).split([_dialogue(MESSAGES)]).left_out == 3
        )


def _dialogue(messages):
    texts = [message["content"] for message in messages]
    return Dialogue(tuple(zip(texts[::2], texts[1::2], strict=True)))


def test_padding_does_not_change_labels():
    long, short = Example([7, 8, 9], [IGNORED_LABEL, 8, 9]), Example([5, 3], [IGNORED_LABEL, 3])
    left, right = (Collator(3, left)([long, short]) for left in (True, False))
    assert left["input_ids"].tolist() == [[7, 8, 9], [3, 5, 3]]
    assert left["labels"].tolist() == [[IGNORED_LABEL, 8, 9], [IGNORED_LABEL, IGNORED_LABEL, 3]]
    assert left["attention_mask"].tolist() == [[1, 1, 1], [0, 1, 1]]
    assert right["input_ids"].tolist() == [[7, 8, 9], [5, 3, 3]]
    assert right["labels"].tolist() == [[IGNORED_LABEL, 8, 9], [IGNORED_LABEL, 3, IGNORED_LABEL]]
    assert right["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize("family", ["chatglm", "chatglm2", "belle"])
def test_batch_loss_is_mean_of_examples(bases, dialogue_files, family):
    model = load_model(bases(family), device="cpu", progress=False)
    tokenizer = load_tokenizer(bases(family))
    splitter = DialogueSplitter(tokenizer, PROMPT_FORMATS[family], 512)
    examples = sorted(
        splitter.split(read_dialogues(dialogue_files[1])).examples,
        key=lambda example: len(example.ids),
    )
    collator = Collator(tokenizer.pad_token_id, pad_left=family == "chatglm")
    with torch.no_grad():
        losses = [
            model(**collator([example]), use_cache=False).loss
            for example in (examples[0], examples[-1])
        ]
        batch_loss = model(**collator([examples[0], examples[-1]]), use_cache=False).loss
    counts = [examples[0].target_count, examples[-1].target_count]
    mean = sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)
    assert batch_loss.item() == pytest.approx(mean.item(), rel=1e-5)


# The effect of training.

GLM = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head")
LLAMA = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")
TARGETS = {"chatglm": "all-linear", "chatglm2": GLM, "chatglm3": GLM, "belle": LLAMA}


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(TARGETS))
def test_training_halves_held_out_loss_and_changes_answers(bases, dialogue_files, tmp_path, family):
    report = run_finetune(
        bases(family),
        dialogue_files[0],
        tmp_path,
        evaluation=0.2,
        targets=TARGETS[family],
        r=32,
        alpha=128,
        dropout=0.0,
        learning_rate=5e-3,
        epochs=4,
        batch_size=4,
        accumulate=1,
        gradient_checkpointing=False,
    )
    assert (report.examples, report.held_out, report.left_out, report.steps) == (80, 20, 0, 80)
    before, after = report.losses[0].held_out, report.losses[-1].held_out
    assert after <= before / 2
    assert [loss.epoch for loss in report.losses] == [0, 1, 2, 3, 4]
    options = {"device": "cpu", "progress": False}
    with (
        LocalModel.load(bases(family), **options) as plain,
        LocalModel.load(bases(family), adapter=tmp_path, **options) as tuned,
    ):
        options = {"max_tokens": 24, "temperature": 0.0}
        assert (
            plain.answer(MESSAGES[:1], **options).text != tuned.answer(MESSAGES[:1], **options).text
        )


# Resuming.

CHILD = """
import sys, torch
torch.set_num_threads(1)
from llms.finetuning import finetune
finetune(*sys.argv[1:4], device="cpu", progress=False, save_steps=2, **{options!r})
"""


@pytest.mark.slow
@pytest.mark.parametrize("family", ["chatglm", "belle"])
def test_killed_run_gives_result_of_uninterrupted_run(bases, dialogue_files, tmp_path, family):
    uninterrupted = run_finetune(
        bases(family), dialogue_files[1], tmp_path / "whole", save_steps=2, **QUICK
    )
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", CHILD.format(options=QUICK)]
    with subprocess.Popen([*command, bases(family), dialogue_files[1], killed]) as child:
        while not list(killed.glob("checkpoint-*/whole.json")):
            assert child.poll() is None
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
    assert not (killed / "adapter_model.safetensors").exists()
    report = run_finetune(bases(family), dialogue_files[1], killed, save_steps=2, **QUICK)
    assert 0 < report.resumed_at < report.steps
    assert_same(load_tensors(killed), load_tensors(tmp_path / "whole"))
    assert replace(report, resumed_at=0, adapter=uninterrupted.adapter) == uninterrupted


@pytest.fixture(scope="module")
def finished(bases, dialogue_files, tmp_path_factory):
    """The output folder of a finished run, and its report."""
    output = tmp_path_factory.mktemp("finished") / "adapter"
    return output, run_finetune(bases("belle"), dialogue_files[1], output, save_steps=2, **QUICK)


@pytest.fixture
def output(finished, tmp_path):
    """A copy of the finished output to be modified."""
    import shutil

    return Path(shutil.copytree(finished[0], tmp_path / "adapter"))


def checkpoints(output):
    return sorted(output.glob("checkpoint-*"), key=lambda path: int(path.name[11:]))


@pytest.mark.parametrize(
    "damage",
    [
        lambda newest: (newest / "optimizer.pt").write_bytes(b"half"),
        lambda newest: (newest / "whole.json").unlink(),
        lambda newest: (newest / "whole.json").write_text('{"optim'),
        lambda newest: (newest / "adapter_model.safetensors").unlink(),
    ],
)
def test_incomplete_checkpoint_is_skipped(bases, dialogue_files, finished, output, damage):
    previous, newest = checkpoints(output)
    damage(newest)
    assert is_complete(previous)
    report = run_finetune(bases("belle"), dialogue_files[1], output, save_steps=2, **QUICK)
    assert report.resumed_at == int(previous.name[11:])
    assert_same(load_tensors(output), load_tensors(finished[0]))
    assert report.losses == finished[1].losses


def test_finished_run_is_not_trained_again(bases, dialogue_files, finished, output):
    report = run_finetune(bases("belle"), dialogue_files[1], output, save_steps=2, **QUICK)
    assert report.resumed_at == report.steps == finished[1].steps
    assert report.losses == finished[1].losses
    assert_same(load_tensors(output), load_tensors(finished[0]))


def test_restarted_run_gives_same_result(bases, dialogue_files, finished, output):
    (output / "checkpoint-1").mkdir()
    report = run_finetune(
        bases("belle"), dialogue_files[1], output, save_steps=2, resume=False, **QUICK
    )
    assert report == replace(finished[1], adapter=str(output))
    assert_same(load_tensors(output), load_tensors(finished[0]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 1e-3}, "learning_rate was 0.005 and is 0.001"),
        ({"r": 4, "seed": 1}, "r was 8 and is 4; seed was 0 and is 1"),
        ({"dtype": "bfloat16"}, "dtype was 'float32' and is 'bfloat16'"),
        ({"evaluation": None}, "held_out was"),
    ],
)
def test_no_resume_with_other_settings(bases, dialogue_files, output, changes, message):
    with pytest.raises(ConfigurationError, match="started with other settings") as caught:
        run_finetune(bases("belle"), dialogue_files[1], output, **{**QUICK, **changes})
    assert message in str(caught.value)
    assert "resume=False" in str(caught.value)


def test_no_resume_with_other_dialogues(bases, dialogue_files, output):
    with pytest.raises(ConfigurationError, match="data was"):
        run_finetune(bases("belle"), dialogue_files[0], output, **QUICK)


def test_folder_with_other_files_is_rejected(bases, dialogue_files, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="is not empty"):
        run_finetune(bases("belle"), dialogue_files[1], tmp_path, **QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter_config.json"]


# Saved files.


def test_checkpoints_rotate_and_contain_only_the_adapter(finished):
    output, report = finished
    assert [path.name for path in checkpoints(output)] == ["checkpoint-4", "checkpoint-6"]
    assert report.steps == 6
    assert report.adapter == str(output)
    for folder in (output, *checkpoints(output)):
        assert all(".lora_" in name for name in load_tensors(folder))
    config = json.loads((output / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"].endswith("belle")
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (8, 16.0, 0.2)
    assert "o_proj" not in config["target_modules"]
    assert len(config["target_modules"]) == 6


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # raised by peft
@pytest.mark.parametrize("family", ["chatglm", "chatglm2", "belle"])
def test_load_adapter_and_peft_give_same_logits(bases, dialogue_files, tmp_path, family):
    folder = bases(family)
    run_finetune(folder, dialogue_files[1], tmp_path / "new", **{**QUICK, "learning_rate": 2e-2})
    ids = torch.tensor([load_tokenizer(folder).encode("Who are you?")])
    ours = load_adapter(load_model(folder, device="cpu", progress=False), tmp_path / "new")
    base = load_model(folder, device="cpu", progress=False)
    with torch.no_grad():
        before = base(ids).logits
        theirs = PeftModel.from_pretrained(base, str(tmp_path / "new")).eval()
        assert torch.equal(theirs(ids).logits, ours(ids).logits)
        assert (ours(ids).logits - before).abs().max() > 0.1


# Errors.


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", 'either "turns" or "messages"'),
        ('{"turns": [], "messages": []}', 'either "turns" or "messages"'),
        ('{"turns": []}', "must be a non-empty list, not []"),
        ('{"turns": ["x"]}', "turn 1 must be an object, not 'x'"),
        ('{"turns": [{"query": "x", "response": " "}]}', 'turn 1 must have a text in "response"'),
        ('{"turns": [{"query": 5, "response": "x"}]}', 'in "query", not 5'),
        ('{"system": 1, "turns": [{"query": "x", "response": "y"}]}', 'in "system", not 1'),
        ('{"messages": [{"role": "user", "content": "x"}]}', "no answer to train on"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "no answer to train on"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "message 1 has the role"),
        ('{"messages": [{"role": "tool", "content": "x"}]}', "instead of 'user'"),
    ],
)
def test_invalid_line_is_named_before_training(bases, tmp_path, line, message):
    file = tmp_path / "bad.jsonl"
    file.write_text('{"turns": [{"query": "a", "response": "b"}]}\n\n' + line + "\n")
    with pytest.raises(FormatError) as caught:
        run_finetune(bases("belle"), file, tmp_path / "new", **QUICK)
    assert str(caught.value).startswith(f"{file}, line 3: ")
    assert message in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_files_without_dialogues(tmp_path):
    with pytest.raises(FormatError, match="cannot be read"):
        read_dialogues(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(FormatError, match="has no dialogues"):
        read_dialogues(tmp_path / "empty.jsonl")


def test_both_dialogue_formats(tmp_path):
    turns = {"system": "Be kind.", "turns": [{"query": "a", "response": "b"}]}
    messages = {"messages": [{"role": "system", "content": "Be kind."}, *_chat("a", "b")]}
    plain = {"messages": _chat("茶", "c\u2028d")}
    dialogues = read_dialogues(write_lines(tmp_path / "both.jsonl", [turns, messages, plain]))
    assert dialogues[0] == dialogues[1] == Dialogue((("a", "b"),), "Be kind.")
    assert dialogues[2].messages(0, 1) == plain["messages"]


def _chat(query, response):
    return [{"role": "user", "content": query}, {"role": "assistant", "content": response}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"r": 0, "epochs": -1}, "r must be .*; epochs must be"),
        ({"dropout": 1.0}, "dropout must be in"),
        ({"rank": 8}, "no option rank; the options are r, alpha"),
        ({"max_length": 4096}, "at most 512"),
        ({"max_length": 4}, "raise max_length"),
        ({"dtype": "float16"}, "dtype on cpu must be one of float32, bfloat16"),
        ({"targets": ["no_such"]}, "no_such"),
        ({"frame": "none"}, "unknown prompt format 'none'"),
        ({"evaluation": 1.5}, "a share in"),
    ],
)
def test_invalid_arguments(bases, dialogue_files, tmp_path, options, message):
    with pytest.raises(ConfigurationError, match=message):
        run_finetune(bases("belle"), dialogue_files[1], tmp_path / "new", **{**QUICK, **options})
    assert not (tmp_path / "new").exists()


def test_diverged_training_saves_no_adapter(bases, dialogue_files, tmp_path):
    with pytest.raises(ConfigurationError, match="diverged"):
        run_finetune(
            bases("belle"), dialogue_files[1], tmp_path / "new", **{**QUICK, "learning_rate": 1e30}
        )
    assert not (tmp_path / "new" / "adapter_model.safetensors").exists()


def test_shortened_and_left_out_are_counted(bases, dialogue_files, tmp_path):
    dialogues = [{"turns": [{"query": "a" * size, "response": "b"}]} for size in (10, 20, 300)]
    file = write_lines(tmp_path / "long.jsonl", [*dialogues, {"messages": MESSAGES}])
    options = {"epochs": 1, "max_length": 80, "evaluation": dialogue_files[1]}
    report = run_finetune(bases("belle"), file, tmp_path / "new", **options)
    train_set = DialogueSplitter(load_tokenizer(bases("belle")), PROMPT_FORMATS["belle"], 80).split(
        read_dialogues(file)
    )
    held_out_set = DialogueSplitter(
        load_tokenizer(bases("belle")), PROMPT_FORMATS["belle"], 80
    ).split(read_dialogues(dialogue_files[1]))
    assert train_set.left_out >= 1
    assert train_set.shortened >= 1
    assert report.left_out == train_set.left_out + held_out_set.left_out
    assert report.shortened == train_set.shortened + held_out_set.shortened
    assert report.examples == len(train_set.examples)
    assert report.held_out == len(held_out_set.examples)


def test_losses_of_epoch_are_averaged():
    history = [
        {"step": 0, "epoch": 0, "eval_loss": 4.0},
        {"step": 2, "epoch": 0.5, "loss": 3.0},
        {"step": 3, "epoch": 0.75, "loss": 2.0},
        {"step": 4, "epoch": 1.0, "loss": 0.0},
        {"step": 4, "epoch": 1.0, "eval_loss": 1.0},
        {"step": 4, "epoch": 1.0, "train_runtime": 9},
    ]
    assert epoch_losses(history) == (EpochLoss(0, None, 4.0), EpochLoss(1, 2.0, 1.0))


# The command line.


@pytest.mark.slow
def test_command_trains_adapter(bases, dialogue_files, tmp_path):
    command = [
        sys.executable,
        "-m",
        "llms.finetuning",
        dialogue_files[1],
        "--model",
        bases("belle"),
    ]
    command += ["--output", tmp_path / "new", "--epochs", "1", "--device", "cpu"]
    completed = subprocess.run(
        [*command, "--json"], capture_output=True, encoding="utf-8", check=True, timeout=120
    )
    report = json.loads(completed.stdout)
    assert (report["examples"], report["held_out"]) == (18, 2)
    resumed = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=True, timeout=120
    )
    assert "Held out" in resumed.stdout
    assert "18 examples in 2 steps, resumed at 2" in resumed.stdout
    failed = subprocess.run(
        [*command, "--seed", "7"], capture_output=True, encoding="utf-8", check=False, timeout=120
    )
    assert failed.returncode == 1
    assert "started with other settings" in failed.stderr


def test_help_does_not_import_torch():
    code = (
        "import sys, runpy; sys.argv[1:] = ['--help']\n"
        "try: runpy.run_module('llms.finetuning')\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'faiss', 'torch', 'transformers', 'peft'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
