"""Conversion of ChatGLM2, ChatGLM3 and GLM-4 to glm: each row of a tensor has the right index."""

import pytest

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from golden import DATA, load_official, read_config  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import GlmForCausalLM  # noqa: E402

from llms.loading.glm_conversion import convert_config, convert_lora, convert_weights  # noqa: E402
from memorybank_core import ConfigurationError  # noqa: E402

LAYER = "transformer.encoder.layers.1"
FUSED = f"{LAYER}.self_attention.query_key_value"
PARTS = [f"model.layers.1.self_attn.{part}_proj" for part in "qkv"]


def config(**fields):
    return {**read_config("v2a"), **fields}


@pytest.fixture
def weights():
    return load_file(DATA / "v2a" / "model.safetensors")


def fused_rows(**fields):
    """Convert a fused matrix whose only column is the row number, and return its three parts."""
    glm = convert_config(config(**fields))
    rows = (glm.num_attention_heads + 2 * glm.num_key_value_heads) * glm.head_dim
    fused = {f"{FUSED}.weight": torch.arange(rows)[:, None]}
    parts = convert_weights(fused, config(**fields))
    return [parts[f"{part}.weight"][:, 0].tolist() for part in PARTS]


class TestWeights:
    def test_grouped_rows_are_queries_then_keys_then_values(self):
        assert fused_rows() == [[*range(64)], [*range(64, 96)], [*range(96, 128)]]

    @pytest.mark.parametrize("groups", [1, 4])
    def test_other_group_counts(self, groups):
        query, key, value = fused_rows(multi_query_group_num=groups)
        assert (len(query), len(key), len(value)) == (64, 16 * groups, 16 * groups)
        assert query + key + value == [*range(64 + 32 * groups)]

    def test_without_multi_query_rows_are_grouped_by_head(self):
        query, key, value = fused_rows(multi_query_attention=False)
        assert query[:18] == [*range(16), 48, 49]
        assert key[:18] == [*range(16, 32), 64, 65]
        assert value[:18] == [*range(32, 48), 80, 81]

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"multi_query_attention": False},
            {"multi_query_group_num": 4},
            {"add_qkv_bias": False},
            {"kv_channels": 32},
        ],
        ids=str,
    )
    def test_names_and_shapes_match_glm(self, fields, weights):
        glm = convert_config(config(**fields))
        rows = (glm.num_attention_heads + 2 * glm.num_key_value_heads) * glm.head_dim
        for layer in range(3):
            attention = f"transformer.encoder.layers.{layer}.self_attention"
            weights[f"{attention}.query_key_value.weight"] = torch.zeros(rows, 64)
            weights[f"{attention}.query_key_value.bias"] = torch.zeros(rows)
            width = glm.num_attention_heads * glm.head_dim
            weights[f"{attention}.dense.weight"] = torch.zeros(64, width)
            if not glm.attention_bias:
                del weights[f"{attention}.query_key_value.bias"]
        converted = convert_weights(weights, glm)
        model = GlmForCausalLM(glm)
        assert {name: tensor.shape for name, tensor in converted.items()} == {
            name: tensor.shape for name, tensor in model.state_dict().items()
        }

    def test_parts_are_views_of_original(self, weights):
        converted = convert_weights(weights, config())
        fused = weights[f"{FUSED}.weight"].untyped_storage().data_ptr()
        for part in PARTS:
            assert converted[f"{part}.weight"].untyped_storage().data_ptr() == fused

    def test_frequencies_in_official_files_are_dropped(self, weights):
        weights["transformer.rotary_pos_emb.inv_freq"] = torch.zeros(4)
        assert not [name for name in convert_weights(weights, config()) if "inv_freq" in name]

    def test_unknown_tensors_are_named(self, weights):
        weights.update({f"transformer.prefix_encoder.{i}": torch.zeros(1) for i in range(5)})
        with pytest.raises(ConfigurationError, match=r"prefix_encoder\.0, .* and 2 more"):
            convert_weights(weights, config())

    def test_fused_tensor_with_wrong_groups_is_named(self, weights):
        with pytest.raises(ConfigurationError, match=r"value\.bias has 128 rows, .* = 192"):
            convert_weights(weights, config(multi_query_group_num=4))


class TestConfig:
    def test_glm4(self):
        glm = convert_config(config(rope_ratio=500, eos_token_id=[7, 8], pad_token_id=7))
        assert glm.rope_parameters["rope_theta"] == 5_000_000
        assert (glm.eos_token_id, glm.pad_token_id) == ([7, 8], 7)

    def test_frequencies_equal_official(self):
        model = load_official("v2a")
        width = 16 // 2  # the official code rotates half of each head
        exact = 1.0 / (10_000 ** (torch.arange(0, width, 2, dtype=torch.float) / width))
        assert torch.equal(model.model.rotary_emb.inv_freq, exact)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("rmsnorm", False),
            ("post_layer_norm", False),
            ("add_bias_linear", True),
            ("apply_residual_connection_post_layernorm", True),
            ("original_rope", False),
            ("pre_seq_len", 128),
            ("quantization_bit", 4),
            ("multi_query_group_num", 3),
        ],
    )
    def test_inexpressible_field_is_rejected(self, field, value):
        with pytest.raises(ConfigurationError, match=f"{field}={value}"):
            convert_config(config(**{field: value}))

    def test_all_inexpressible_fields_are_named(self):
        with pytest.raises(ConfigurationError, match=r"rmsnorm=False, .*pre_seq_len=9"):
            convert_config(config(pre_seq_len=9, rmsnorm=False))

    def test_chatglm2_32k_is_rejected(self):
        origin = {"_name_or_path": "THUDM/chatglm2-6b-32k"}
        with pytest.raises(ConfigurationError, match="rope_ratio=16"):
            convert_config(config(rope_ratio=16, **origin))


class TestLora:
    @pytest.mark.parametrize("fields", [{}, {"multi_query_attention": False}], ids=["groups", "no"])
    def test_split_lora_adds_the_same(self, fields):
        glm = convert_config(config(**fields))
        rows = (glm.num_attention_heads + 2 * glm.num_key_value_heads) * glm.head_dim
        a, b = torch.randn(8, 64, dtype=torch.double), torch.randn(rows, 8, dtype=torch.double)
        parts = convert_lora({f"{FUSED}.lora_A.weight": a, f"{FUSED}.lora_B.weight": b}, glm)
        fused = convert_weights({f"{FUSED}.weight": b @ a}, config(**fields))
        assert len(parts) == 6
        for part in PARTS:
            added = parts[f"{part}.lora_B.weight"] @ parts[f"{part}.lora_A.weight"]
            torch.testing.assert_close(added, fused[f"{part}.weight"])

    def test_other_layers_are_renamed(self):
        names = {
            f"{LAYER}.self_attention.dense": "model.layers.1.self_attn.o_proj",
            f"{LAYER}.mlp.dense_h_to_4h": "model.layers.1.mlp.gate_up_proj",
            f"{LAYER}.mlp.dense_4h_to_h": "model.layers.1.mlp.down_proj",
        }
        tensors = {f"{name}.lora_B.weight": torch.randn(2, 2) for name in names}
        converted = convert_lora(tensors, config())
        for old, new in names.items():
            assert torch.equal(converted[f"{new}.lora_B.weight"], tensors[f"{old}.lora_B.weight"])
        assert len(converted) == 3

    def test_tensors_do_not_share_memory(self):
        tensors = {f"{FUSED}.lora_A.weight": torch.randn(8, 64)}
        converted = convert_lora(tensors, config())
        assert len({tensor.data_ptr() for tensor in converted.values()}) == 3
