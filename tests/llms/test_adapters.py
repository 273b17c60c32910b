"""Adapters in every published format give the trained model's logits; invalid ones are rejected."""

import json
import os
import pickle
import re
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("peft")

import peft
import torch
from safetensors.torch import load_file, save_file
from transformers import GlmForCausalLM, LlamaConfig, LlamaForCausalLM

from llms.adapters import load_adapter, merge_adapter, use_adapter
from llms.adapters.merged_linear import convert_merged_linear
from llms.chatglm import ChatGLMForCausalLM
from llms.loading.glm_conversion import convert_config, convert_weights
from memorybank_core import ConfigurationError

DATA = Path(__file__).parents[1] / "data"
ADAPTERS = DATA / "adapters"
CHATGLM, BELLE = ADAPTERS / "peft-0.3.0/chatglm", ADAPTERS / "peft-0.2.0/belle"
EMPTY = ADAPTERS / "peft-0.3.0/belle"
TRAINED_ADAPTERS = [
    "peft-0.2.0/chatglm",
    "peft-0.2.0/chatglm/checkpoint-2",
    "peft-0.3.0/chatglm",
    "peft-0.3.0/chatglm/checkpoint-2",
    "peft-0.2.0/belle",
    "peft-0.3.0/belle/checkpoint-2",
]
CLOSE = 1e-4

# For tests in which peft creates the adapter: peft reads a property that transformers renamed.
MADE_BY_PEFT = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

# BLAS threads may round the last bit differently; a smaller difference counts as equal.
SAME = 1e-6


def load_chatglm(**options):
    folder = DATA / "chatglm/v1a"
    return ChatGLMForCausalLM.from_pretrained(folder, **{"dtype": torch.float32, **options})


def load_llama(**options):
    return LlamaForCausalLM.from_pretrained(
        ADAPTERS / "llama_tiny", **{"dtype": torch.float32, **options}
    )


def load_base(folder):
    return load_chatglm() if "chatglm" in str(folder) else load_llama()


def load_prompt(folder):
    if "chatglm" in str(folder):
        return load_file(DATA / "chatglm/v1a/golden.safetensors")["in.single.input_ids"]
    return load_file(ADAPTERS / "peft-0.2.0/belle/golden.safetensors")["ids"]


def compute_logits(model, ids):
    with torch.no_grad():
        return model(input_ids=ids).logits.float()


def difference(first, second):
    return (first - second).abs().max().item()


def logit_error(model, folder):
    """Return the largest difference from the logits of the trained model of this folder."""
    folder = ADAPTERS / folder
    golden = folder / "golden.safetensors"
    golden = golden if golden.exists() else folder.parent / "golden.safetensors"
    expected = load_file(golden)["logits"]
    return difference(compute_logits(model, load_prompt(folder))[..., ::8], expected)


def copy_adapter(folder, tmp_path, *, config=None, change=None):
    """Copy an adapter, with changed configuration entries or tensors."""
    copy = tmp_path / "adapter"
    copy.mkdir()
    entries = json.loads((folder / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps({**entries, **(config or {})}))
    tensors = torch.load(folder / "adapter_model.bin", weights_only=True)
    tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    if change:
        change(tensors)
    torch.save(tensors, copy / "adapter_model.bin")
    return copy


def rejection_message(model, folder, **options):
    """Return the error message for an adapter; the model must be unchanged afterwards."""
    ids = torch.tensor([[3, 7, 9, 12]])
    if isinstance(model, ChatGLMForCausalLM):
        ids = load_prompt("chatglm")
    before, state = (
        compute_logits(model, ids),
        {name: id(part) for name, part in model.named_modules()},
    )
    gradients = [weight.requires_grad for weight in model.parameters()]
    with pytest.raises(ConfigurationError) as caught:
        load_adapter(model, folder, **options)
    assert difference(before, compute_logits(model, ids)) == 0
    assert state == {name: id(part) for name, part in model.named_modules()}
    assert gradients == [weight.requires_grad for weight in model.parameters()]
    return str(caught.value)


class TestTrainedModelLogits:
    @pytest.mark.parametrize("name", ["default", "silicon-friend", "lora"])
    @pytest.mark.parametrize("folder", TRAINED_ADAPTERS)
    def test_separate_and_merged(self, folder, name):
        base = load_base(folder)
        assert logit_error(base, folder) > 0.01, "the adapter makes a difference"
        model = load_adapter(base, ADAPTERS / folder, name=name)
        assert logit_error(model, folder) < CLOSE
        merged = merge_adapter(model)
        assert type(merged) is type(base)
        assert logit_error(merged, folder) < CLOSE

    def test_safetensors(self, tmp_path):
        folder = copy_adapter(CHATGLM, tmp_path)
        tensors = torch.load(folder / "adapter_model.bin", weights_only=True)
        save_file(tensors, folder / "adapter_model.safetensors")
        (folder / "adapter_model.bin").unlink()
        assert logit_error(load_adapter(load_chatglm(), folder), CHATGLM) < CLOSE

    def test_resaved_by_current_peft(self, tmp_path):
        load_adapter(load_chatglm(), ADAPTERS / "peft-0.2.0/chatglm").save_pretrained(tmp_path)
        model = load_adapter(load_chatglm(), str(tmp_path), name="again")
        assert logit_error(model, "peft-0.2.0/chatglm") < CLOSE

    def test_checkpoint_in_current_directory(self, monkeypatch):
        monkeypatch.chdir(CHATGLM / "checkpoint-2")
        assert logit_error(load_adapter(load_chatglm(), "."), CHATGLM) < CLOSE

    def test_loaded_model_is_ready_for_inference(self):
        model = load_adapter(load_chatglm(), CHATGLM)
        assert not model.training
        assert not any(weight.requires_grad for weight in model.parameters())

    def test_adapter_has_dtype_of_model(self):
        model = load_adapter(load_llama(dtype=torch.bfloat16), BELLE)
        assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
        assert logit_error(model, BELLE) < 0.1


class TestSwitching:
    def test_each_adapter_and_the_base_keep_their_logits(self):
        old, new = "peft-0.2.0/chatglm", "peft-0.3.0/chatglm"
        base = load_chatglm()
        base_logits = compute_logits(base, load_prompt(old))
        model = load_adapter(base, ADAPTERS / old, name="old")
        assert load_adapter(model, ADAPTERS / new, name="new") is model
        assert logit_error(model, new) < CLOSE, "the adapter loaded last is active"
        for name, folder in (("old", old), ("new", new), ("old", old)):
            use_adapter(model, name)
            assert logit_error(model, folder) < CLOSE
            use_adapter(model, None)
            assert difference(compute_logits(model, load_prompt(old)), base_logits) < SAME
        use_adapter(model, "new")
        assert not any(weight.requires_grad for weight in model.parameters())

    def test_active_adapter_is_merged(self):
        model = load_adapter(load_chatglm(), ADAPTERS / "peft-0.2.0/chatglm", name="old")
        load_adapter(model, CHATGLM, name="new")
        use_adapter(model, "old")
        assert logit_error(merge_adapter(model), "peft-0.2.0/chatglm") < CLOSE

    def test_merge_needs_active_adapter(self):
        model = load_adapter(load_chatglm(), CHATGLM)
        use_adapter(model, None)
        with pytest.raises(ConfigurationError, match=r"no adapter is active.*'default'"):
            merge_adapter(model)

    def test_unknown_name(self):
        model = load_adapter(load_chatglm(), CHATGLM, name="friend")
        with pytest.raises(ConfigurationError, match=r"no adapter 'foe'.*'friend'"):
            use_adapter(model, "foe")

    def test_name_in_use(self):
        model = load_adapter(load_chatglm(), CHATGLM)
        assert "'default' is already loaded" in rejection_message(model, CHATGLM)

    @pytest.mark.parametrize("name", ["", "a.b", "keys"])
    def test_invalid_name(self, name):
        assert "cannot be an adapter's name" in rejection_message(
            load_chatglm(), CHATGLM, name=name
        )

    def test_rejected_second_adapter_leaves_the_first(self, tmp_path):
        model = load_adapter(load_chatglm(), CHATGLM)
        folder = copy_adapter(CHATGLM, tmp_path, config={"r": 4})
        assert "r is 4" in rejection_message(model, folder, name="second")
        assert logit_error(model, CHATGLM) < CLOSE
        load_adapter(model, ADAPTERS / "peft-0.2.0/chatglm", name="second")
        assert logit_error(model, "peft-0.2.0/chatglm") < CLOSE


class TestMergedLinear:
    @pytest.mark.parametrize(
        "enabled", [[True, False, True], [False, True], [True] * 4, [False, True, False]]
    )
    def test_same_result_as_peft_0_2_0(self, enabled):
        """Compare with the source of MergedLinear.forward, which always has two groups."""
        torch.manual_seed(0)
        parts, r, rows, wide = sum(enabled), 4, 10, 6
        a, b = torch.randn(parts * r, wide), torch.randn(parts * rows, parts * r // 2, 1)
        x = torch.randn(2, 5, wide)
        after = torch.nn.functional.conv1d((x @ a.T).transpose(1, 2), b, groups=2).transpose(1, 2)
        expected = torch.zeros(2, 5, len(enabled), rows)
        expected[:, :, torch.tensor(enabled)] = after.unflatten(-1, (parts, rows))
        config, tensors = convert_merged_linear(
            {"enable_lora": enabled, "r": r, "lora_alpha": 32},
            {"x.lora_A.weight": a, "x.lora_B.weight": b},
        )
        assert config["lora_alpha"] / config["r"] == 32 / r
        plain = x @ tensors["x.lora_A.weight"].T @ tensors["x.lora_B.weight"].T
        assert difference(plain, expected.flatten(2)) < 1e-5


class TestRejectedAdapters:
    def test_empty_file_names_checkpoint_with_weights(self):
        message = rejection_message(load_llama(), EMPTY)
        assert "adapter_model.bin contains no tensors" in message
        assert f"{EMPTY / 'checkpoint-2'} has the weights" in message

    def test_empty_file_without_checkpoints(self, tmp_path):
        message = rejection_message(
            load_chatglm(), copy_adapter(CHATGLM, tmp_path, change=dict.clear)
        )
        assert "trained again" in message

    def test_latest_checkpoint_with_weights_is_named(self, tmp_path):
        folder = copy_adapter(CHATGLM, tmp_path, change=dict.clear)
        for step, source in ((9, CHATGLM), (10, CHATGLM), (20, EMPTY)):
            (folder / f"checkpoint-{step}").mkdir()
            shutil.copy(source / "adapter_model.bin", folder / f"checkpoint-{step}")
        assert f"{folder / 'checkpoint-10'} has the weights" in rejection_message(
            load_chatglm(), folder
        )

    def test_zero_b_matrices(self, tmp_path):
        def zero(tensors):
            for name in tensors:
                if "lora_B" in name:
                    tensors[name].zero_()

        assert "never trained" in rejection_message(
            load_chatglm(), copy_adapter(CHATGLM, tmp_path, change=zero)
        )
        folder = copy_adapter(
            CHATGLM, tmp_path / "..", change=zero, config={"init_lora_weights": False}
        )
        assert "never trained" in rejection_message(load_chatglm(), folder)

    def test_missing_layer(self, tmp_path):
        def drop(tensors):
            for name in [name for name in tensors if "layers.1." in name]:
                del tensors[name]

        message = rejection_message(load_chatglm(), copy_adapter(CHATGLM, tmp_path, change=drop))
        assert (
            "2 of 6 tensors are missing: transformer.layers.1.attention.query_key_value" in message
        )

    def test_unexpected_tensor(self, tmp_path):
        def add(tensors):
            tensors["base_model.model.lm_head.weight"] = torch.ones(2)

        message = rejection_message(load_chatglm(), copy_adapter(CHATGLM, tmp_path, change=add))
        assert "1 are not expected: lm_head.weight" in message

    def test_layer_not_in_model(self, tmp_path):
        def add(tensors):
            for name in [name for name in tensors if "layers.1." in name]:
                tensors[name.replace("layers.1.", "layers.27.")] = tensors[name]

        message = rejection_message(load_chatglm(), copy_adapter(CHATGLM, tmp_path, change=add))
        assert "2 are not expected: transformer.layers.27." in message

    def test_wrong_rank(self, tmp_path):
        message = rejection_message(
            load_chatglm(), copy_adapter(CHATGLM, tmp_path, config={"r": 16})
        )
        assert "of [8, 64], which must be [16, 64] (r is 16" in message

    def test_wrong_rank_of_merged_linear(self, tmp_path):
        folder = copy_adapter(ADAPTERS / "peft-0.2.0/chatglm", tmp_path, config={"r": 3})
        assert "lora_B.weight has the shape [128, 8, 1]" in rejection_message(
            load_chatglm(), folder
        )

    def test_adapter_of_another_family(self):
        message = rejection_message(load_chatglm(), BELLE)
        assert "made for ../../llama_tiny and its layers down_proj, gate_proj, k_proj" in message
        assert "ChatGLMForCausalLM" in message
        assert "query_key_value" in message
        message = rejection_message(load_llama(), CHATGLM)
        assert "made for ../../../chatglm/v1a and its layers query_key_value" in message
        assert "LlamaForCausalLM" in message

    def test_wrong_width(self):
        config = LlamaConfig.from_pretrained(ADAPTERS / "llama_tiny", hidden_size=32)
        message = rejection_message(LlamaForCausalLM(config).eval(), BELLE)
        assert "made for ../../llama_tiny, does not fit LlamaForCausalLM" in message
        assert "of [8, 172]" not in message
        assert "another shape" in message

    def test_base_model_name_is_not_compared(self, tmp_path):
        folder = copy_adapter(
            CHATGLM, tmp_path, config={"base_model_name_or_path": "C:\\models\\glm"}
        )
        assert logit_error(load_adapter(load_chatglm(), folder), CHATGLM) < CLOSE

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e6])
    def test_nonfinite_numbers(self, tmp_path, number):
        def spoil(tensors):
            next(iter(tensors.values()))[0, 0] = number

        model = load_chatglm(dtype=torch.float16)
        message = rejection_message(model, copy_adapter(CHATGLM, tmp_path, change=spoil))
        assert "infinite or undefined numbers in base_model.model.transformer.layers.0." in message

    def test_nonfinite_sum(self, tmp_path):
        def large(tensors):
            for name in tensors:
                tensors[name].fill_(3e4)

        model = load_chatglm(dtype=torch.float16)
        model = load_adapter(model, copy_adapter(CHATGLM, tmp_path, change=large))
        with pytest.raises(ConfigurationError, match=r"cannot be merged.*NaN"):
            merge_adapter(model)


class _Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def save_legacy_pickle(content, path):
    path.write_bytes(pickle.dumps(content, protocol=2))


class TestFiles:
    def test_peft_not_installed(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "peft", None)
        message = rejection_message(load_chatglm(), CHATGLM)
        assert 'pip install "memorybank-llm[lora]"' in message

    @pytest.mark.parametrize("save", [torch.save, save_legacy_pickle])
    def test_code_in_a_file_is_not_executed(self, tmp_path, save):
        folder = copy_adapter(CHATGLM, tmp_path)
        trace = tmp_path / "executed"
        save({"weight": _Attack(trace)}, folder / "adapter_model.bin")
        assert "Nothing in it was executed" in rejection_message(load_chatglm(), folder)
        assert not trace.exists()

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02", b"text"])
    @pytest.mark.parametrize("file", ["adapter_model.bin", "adapter_model.safetensors"])
    def test_damaged(self, tmp_path, file, content):
        folder = copy_adapter(CHATGLM, tmp_path)
        (folder / file).write_bytes(content)
        message = rejection_message(load_chatglm(), folder)
        assert f"{file} is truncated or not a weight file" in message

    def test_objects_other_than_tensors(self, tmp_path):
        folder = copy_adapter(CHATGLM, tmp_path)
        torch.save({"epoch": 3}, folder / "adapter_model.bin")
        assert "objects other than tensors" in rejection_message(load_chatglm(), folder)

    def test_missing_files(self, tmp_path):
        assert "none is not a folder" in rejection_message(load_chatglm(), tmp_path / "none")
        (tmp_path / "bare" / "inside").mkdir(parents=True)
        assert "adapter_config.json" in rejection_message(
            load_chatglm(), tmp_path / "bare" / "inside"
        )
        folder = copy_adapter(CHATGLM, tmp_path)
        (folder / "adapter_model.bin").unlink()
        assert "no weights: none of adapter_model.safetensors" in rejection_message(
            load_chatglm(), folder
        )

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "cannot be read as JSON"),
            ("[]", "not an object"),
            ("{}", "has no peft_type"),
            ('{"peft_type": "MAGIC"}', "has no adapters of type MAGIC"),
            ('{"peft_type": "LORA", "r": 0}', "`r` should be a positive"),
            ('{"peft_type": "LORA", "r": "8"}', "does not fit"),
            ('{"peft_type": "LORA", "enable_lora": [true, false]}', "needs r and lora_alpha"),
            ('{"peft_type": "LORA", "target_modules": 5}', "does not fit"),
        ],
    )
    def test_invalid_configuration(self, tmp_path, content, message):
        folder = copy_adapter(CHATGLM, tmp_path)
        (folder / "adapter_config.json").write_text(content)
        assert re.search(message, rejection_message(load_chatglm(), folder))


class TestAdaptersOfOfficialChatGLM2:
    """Adapters loaded into `glm` of transformers, which has separate query, key and value."""

    TARGETS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
    CONFIG = {  # noqa: RUF012
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "THUDM/chatglm2-6b",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": TARGETS,
    }

    @pytest.fixture(params=["v2a", "v3a"])
    def official(self, request):
        folder = DATA / "chatglm" / request.param
        weights = load_file(folder / "model.safetensors")
        config = json.loads((folder / "config.json").read_text())
        return config, {name: weight.float() for name, weight in weights.items()}

    def load_converted(self, config, weights):
        model = GlmForCausalLM(convert_config(config)).float().eval()
        model.load_state_dict(convert_weights(weights, config))
        return model

    def save_adapter(self, folder, weights, **entries):
        """Save a random adapter in a folder and return the weights with it merged."""
        torch.manual_seed(0)
        (folder / "adapter_config.json").write_text(json.dumps({**self.CONFIG, **entries}))
        tensors, merged = {}, dict(weights)
        for name, weight in weights.items():
            path = name.removesuffix(".weight")
            if path.rpartition(".")[2] in self.TARGETS and name.endswith(".weight"):
                a, b = torch.randn(4, weight.shape[1]), torch.randn(weight.shape[0], 4) / 10
                merged[name] = weight + 8 / 4 * b @ a
                tensors[f"base_model.model.{path}.lora_A.default.weight"] = a
                tensors[f"base_model.model.{path}.lora_B.default.weight"] = b
        torch.save(tensors, folder / "pytorch_model.bin")
        return merged

    def test_same_logits_as_merged_weights(self, official, tmp_path):
        config, weights = official
        merged = self.save_adapter(tmp_path, weights)
        ids = torch.randint(10, 3000, (2, 12), generator=torch.Generator().manual_seed(0))
        base, expected = (
            self.load_converted(config, weights),
            compute_logits(self.load_converted(config, merged), ids),
        )
        assert difference(compute_logits(base, ids), expected) > 0.1
        model = load_adapter(base, tmp_path, name="friend")
        assert difference(compute_logits(model, ids), expected) < 2e-5 * expected.abs().max()
        assert difference(compute_logits(merge_adapter(model), ids), expected) < CLOSE

    def test_alpha_pattern_is_rejected(self, official, tmp_path):
        config, weights = official
        self.save_adapter(tmp_path, weights, alpha_pattern={"query_key_value": 3})
        message = rejection_message(self.load_converted(config, weights), tmp_path)
        assert "has alpha_pattern for layers that are fused" in message

    def test_wrong_number_of_rows(self, official, tmp_path):
        config, weights = official
        self.save_adapter(tmp_path, weights)
        model = self.load_converted(config, weights)
        model.config.num_key_value_heads = 1
        with pytest.raises(ConfigurationError, match="rows"):
            load_adapter(model, tmp_path)

    def test_adapter_of_chatglm_6b(self, official):
        message = rejection_message(self.load_converted(*official), CHATGLM)
        assert "layers query_key_value; GlmForCausalLM has no such layers" in message


LAYERS = {"target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
OTHER_CONFIGS = {
    "dora": peft.LoraConfig(use_dora=True, **LAYERS),
    "rslora": peft.LoraConfig(use_rslora=True, **LAYERS),
    "ranks": peft.LoraConfig(rank_pattern={"q_proj": 3}, **LAYERS),
    "whole modules": peft.LoraConfig(modules_to_save=["lm_head"], **LAYERS),
    "loha": peft.LoHaConfig(**LAYERS),
    "ia3": peft.IA3Config(feedforward_modules=[], **LAYERS),
}


@MADE_BY_PEFT
class TestAdaptersOfCurrentPeft:
    def save_trained(self, config, folder):
        """Save an adapter with random changes and return the logits of its model."""
        torch.manual_seed(0)
        model = peft.get_peft_model(load_llama(), config)
        for weight in model.parameters():
            if weight.requires_grad:
                weight.data += 0.05 * torch.randn_like(weight)
        model.eval().save_pretrained(folder)
        return compute_logits(model, load_prompt("belle"))

    @pytest.mark.parametrize("kind", OTHER_CONFIGS)
    def test_same_logits_as_saved_model(self, kind, tmp_path):
        expected = self.save_trained(OTHER_CONFIGS[kind], tmp_path)
        base = load_llama()
        base_logits = compute_logits(base, load_prompt("belle"))
        model = load_adapter(base, tmp_path, name="other")
        assert difference(compute_logits(model, load_prompt("belle")), expected) < SAME
        assert difference(base_logits, expected) > 0.01
        use_adapter(model, None)
        assert difference(compute_logits(model, load_prompt("belle")), base_logits) < SAME
        use_adapter(model, "other")
        assert (
            difference(compute_logits(merge_adapter(model), load_prompt("belle")), expected) < CLOSE
        )

    @pytest.mark.parametrize("kind", ["dora", "loha", "ia3"])
    def test_untrained_adapter(self, kind, tmp_path):
        peft.get_peft_model(load_llama(), OTHER_CONFIGS[kind]).save_pretrained(tmp_path)
        assert "never trained" in rejection_message(load_llama(), tmp_path)

    def test_prompt_tuning(self, tmp_path):
        config = peft.PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
        expected = self.save_trained(config, tmp_path)
        model = load_adapter(load_llama(), tmp_path, name="other")
        assert difference(compute_logits(model, load_prompt("belle")), expected) < SAME
        with pytest.raises(ConfigurationError, match="cannot be disabled"):
            use_adapter(model, None)
        with pytest.raises(ConfigurationError, match="cannot be merged"):
            merge_adapter(model)

    def test_two_types_in_one_model(self, tmp_path):
        self.save_trained(OTHER_CONFIGS["ia3"], tmp_path)
        assert "different peft types" in rejection_message(
            load_adapter(load_llama(), BELLE), tmp_path, name="x"
        )

    def test_missing_tensor(self, tmp_path):
        self.save_trained(OTHER_CONFIGS["loha"], tmp_path)
        tensors = load_file(tmp_path / "adapter_model.safetensors")
        tensors.pop(min(tensors))
        save_file(tensors, tmp_path / "adapter_model.safetensors")
        assert "1 of 24 tensors are missing" in rejection_message(load_llama(), tmp_path)
