"""load_model: supported formats, refused files and their messages, and no code execution."""

import json
import pickle
import shutil
from pathlib import Path

import pytest

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from golden import (  # noqa: E402
    CLOSE,
    DATA,
    compute_logits,
    load_golden,
    load_official,
    logit_difference,
    read_config,
)
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import GlmForCausalLM, LlamaConfig, LlamaForCausalLM  # noqa: E402
from transformers.utils import logging  # noqa: E402

from llms.families import find_by_config  # noqa: E402
from llms.loading import load_model, placement  # noqa: E402
from llms.loading.conversion_cache import SOURCE_FILE  # noqa: E402
from llms.loading.memory_check import require_memory, required_bytes  # noqa: E402
from llms.loading.model_files import find_model_family  # noqa: E402
from llms.loading.weights import open_weights  # noqa: E402
from memorybank_core import ConfigurationError, MissingDependencyError  # noqa: E402

LLAMA = DATA.parent / "adapters" / "llama_tiny"


@pytest.fixture
def folder(tmp_path):
    """A copy of the tiny ChatGLM2 to be modified."""
    return copy_model("v2a", tmp_path)


def copy_model(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("config.json", "model.safetensors"):
        shutil.copy(DATA / name / file, folder)
    return folder


def load(folder, **options):
    return load_model(folder, **{"device": "cpu", "progress": False, **options})


def assert_rejected(folder, match, **options):
    with pytest.raises(ConfigurationError, match=match) as caught:
        load(folder, **options)
    return str(caught.value)


def convert_to_bin(folder, shards=0, **more):
    """Replace the .safetensors file with .bin, as one file (`shards=0`) or as several shards."""
    tensors = {**load_file(folder / "model.safetensors"), **more}
    (folder / "model.safetensors").unlink()
    if not shards:
        torch.save(tensors, folder / "pytorch_model.bin")
    for number in range(shards):
        part = dict(list(tensors.items())[number::shards])
        torch.save(part, folder / f"part-{number}.bin")
    file_names = {
        name: f"part-{number % max(shards, 1)}.bin" for number, name in enumerate(tensors)
    }
    if shards:
        index = {"metadata": {}, "weight_map": file_names}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def change_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return folder


def matches_golden(model, name):
    golden = load_golden(name)
    logits = compute_logits(model, golden["in.single.input_ids"])
    return logit_difference(logits, golden["out.single"]) < CLOSE


# Supported formats


@pytest.mark.parametrize("name", ["v1a", "v2a"])
@pytest.mark.parametrize("shards", [0, 3])
def test_bin_equals_safetensors(name, shards, tmp_path):
    assert matches_golden(load(convert_to_bin(copy_model(name, tmp_path), shards)), name)


def test_chatglm_6b_file_with_output_layer(tmp_path):
    folder = copy_model("v1a", tmp_path)
    tied = load_file(folder / "model.safetensors")["transformer.word_embeddings.weight"]
    assert matches_golden(load(convert_to_bin(folder, **{"lm_head.weight": tied.clone()})), "v1a")


def test_sharded_safetensors(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    file_names = {name: f"{number % 2}.safetensors" for number, name in enumerate(tensors)}
    for file in ("0.safetensors", "1.safetensors"):
        part = {name: tensors[name] for name, file_name in file_names.items() if file_name == file}
        save_file(part, folder / file, metadata={"format": "pt"})
    index = json.dumps({"metadata": {}, "weight_map": file_names})
    (folder / "model.safetensors.index.json").write_text(index)
    assert matches_golden(load(folder), "v2a")


def test_safetensors_are_preferred_to_bin(folder):
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert matches_golden(load(folder), "v2a")


def test_llama():
    model = load(LLAMA)
    assert isinstance(model, LlamaForCausalLM)
    assert not model.training


def test_gguf_file_and_folder(tmp_path, capfd):
    pytest.importorskip("gguf", reason="gguf is not installed")
    tiny_gguf(tmp_path / "tiny.gguf")
    for path in (tmp_path, tmp_path / "tiny.gguf"):
        model = load(path)
        assert isinstance(model, LlamaForCausalLM)
        assert model.dtype == torch.float32
        assert find_model_family(path) is None
        assert "GGUF" not in capfd.readouterr().err  # the bar of its reader
        model.save_pretrained(tmp_path / "saved")  # transformers saves nothing that is quantized
    assert_rejected(tmp_path, "already quantized", quantization="8bit") if has(
        "bitsandbytes"
    ) else None
    shutil.copy(tmp_path / "tiny.gguf", tmp_path / "other.gguf")
    assert_rejected(tmp_path, r"several GGUF files.*other\.gguf, tiny\.gguf")
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "tiny.gguf").read_bytes()[:100])
    assert_rejected(tmp_path / "cut.gguf", "truncated or not a GGUF file")


def has(package):
    return placement.find_spec(package) is not None


def tiny_gguf(path):
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(64)
    writer.add_block_count(1)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(32)
    layer = {"attn_norm": (64,), "ffn_norm": (64,), "ffn_down": (64, 96)}
    layer |= {f"attn_{part}": (64, 64) for part in ("q", "k", "v", "output")}
    layer |= {"ffn_gate": (96, 64), "ffn_up": (96, 64)}
    shapes = {"token_embd": (32, 64), "output": (32, 64), "output_norm": (64,)}
    shapes |= {f"blk.0.{name}": shape for name, shape in layer.items()}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", torch.ones(shape).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (None, "float32"),
        ("auto", "float16"),
        ("bfloat16", "bfloat16"),
        (torch.float16, "float16"),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_dtypes(name, dtype, expected):
    assert load_official(name, dtype=dtype).dtype == getattr(torch, expected)


def test_generation_defaults():
    for name, end, pad in (("v1a", 10, 3), ("v2a", 2, 0)):
        generation = load_official(name).generation_config
        assert not generation.do_sample
        assert (generation.eos_token_id, generation.pad_token_id) == (end, pad)


def test_default_pad_token_is_first_end_token(tmp_path):
    shutil.copytree(LLAMA, tmp_path / "llama")
    folder = change_config(tmp_path / "llama", pad_token_id=None, eos_token_id=[2, 1])
    assert load(folder).generation_config.pad_token_id == 2


def test_attention_implementation():
    assert load_official("v2a", attn_implementation="eager").config._attn_implementation == "eager"
    assert_rejected(DATA / "v2a", "cannot be loaded", attn_implementation="none such")


def test_progress_bars_are_hidden_for_one_call(capfd):
    logging.enable_progress_bar()
    load(DATA / "v2a")
    assert "Loading" not in capfd.readouterr().err
    load(DATA / "v2a", progress=True)
    assert "Loading" in capfd.readouterr().err


# Cached conversions


def test_converted_model_is_cached(folder, tmp_path):
    cache = tmp_path / "some" / "cache"
    assert matches_golden(load(folder, converted=cache), "v2a")
    written = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert matches_golden(load(folder, converted=cache), "v2a")
    assert written == {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert [path.name for path in cache.parent.iterdir()] == ["cache"]
    assert matches_golden(load(cache), "v2a")
    assert json.loads((cache / "config.json").read_text())["model_type"] == "glm"


def test_cache_of_another_model_is_rewritten(folder, tmp_path):
    load(folder, converted=tmp_path / "cache")
    shutil.copy(DATA / "v3a" / "model.safetensors", folder)
    assert matches_golden(load(folder, converted=tmp_path / "cache"), "v3a")


def test_damaged_cache_is_rewritten(folder, tmp_path):
    cache = tmp_path / "cache"
    load(folder, converted=cache)
    (weights,) = cache.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    assert matches_golden(load(folder, converted=cache), "v2a")


def test_other_folder_is_not_overwritten(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    for other in (tmp_path / "mine", folder):
        assert_rejected(folder, f"has no readable {SOURCE_FILE}", converted=other)
    assert (tmp_path / "mine" / "diary.txt").read_text() == "dear diary"


# Refused files and arguments


def test_missing_files_are_named(folder, tmp_path):
    assert_rejected(tmp_path / "nowhere", "folder .*nowhere does not exist")
    assert_rejected("nowhere", "folder nowhere does not exist")
    (tmp_path / "empty").mkdir()
    assert_rejected(tmp_path / "empty", "has no config.json")
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    assert_rejected(folder, r"no weights: none of model\.safetensors, .*pytorch_model\.bin")
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text("{}")
    assert_rejected(folder, "it is an adapter")


def test_all_missing_shards_are_named(folder):
    convert_to_bin(folder, shards=3)
    (folder / "part-0.bin").unlink()
    (folder / "part-2.bin").unlink()
    assert_rejected(folder, r"missing files: part-0\.bin, part-2\.bin")


def test_index_with_files_in_other_folders(folder):
    convert_to_bin(folder, shards=1)
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(index.read_text().replace("part-0", "../part-0"))
    assert_rejected(folder, r"files in other folders: \.\./part-0\.bin")
    index.write_text("{}")
    assert_rejected(folder, 'no "weight_map"')
    index.write_text("{")
    assert_rejected(folder, "cannot be read as JSON")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("kept", [0, 40, 20_000, -1])
def test_truncated_file(folder, name, kept):
    if name.endswith(".bin"):
        convert_to_bin(folder)
    path = folder / name
    path.write_bytes(path.read_bytes()[:kept])
    assert "Nothing in it was executed" in assert_rejected(folder, f"{name} is truncated")


class FileCreator:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("write", [torch.save, lambda it, path: path.write_bytes(pickle.dumps(it))])
@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_objects_are_not_unpickled(name, write, tmp_path):
    folder, trace = copy_model(name, tmp_path), tmp_path / "executed"
    (folder / "model.safetensors").unlink()
    write({"object": FileCreator(trace)}, folder / "pytorch_model.bin")
    assert "Nothing in it was executed" in assert_rejected(folder, "pytorch_model.bin")
    assert not trace.exists()


def test_objects_other_than_tensors(folder):
    convert_to_bin(folder, epoch=3)
    assert_rejected(folder, "objects other than tensors")


def test_code_in_folder_is_not_run(folder, tmp_path):
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    code = {"AutoConfig": "modeling.C", "AutoModelForCausalLM": "modeling.M"}
    assert matches_golden(load(change_config(folder, auto_map=code)), "v2a")
    change_config(folder, model_type="shiny")
    assert_rejected(folder, "model_type 'shiny', which is not supported and has its own code")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_missing_and_unexpected_weights(name, tmp_path):
    folder = copy_model(name, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    removed = next(name for name in tensors if name.endswith("0.mlp.dense_4h_to_h.weight"))
    save_file(without_tensor(tensors, removed), folder / "model.safetensors")
    assert_rejected(folder, r"missing: .*layers\.0\.mlp\.d")
    save_file({**tensors, "odd.weight": torch.ones(2)}, folder / "model.safetensors")
    assert_rejected(folder, r"odd\.weight")


def without_tensor(tensors, removed):
    return {name: tensor for name, tensor in tensors.items() if name != removed}


@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_weights_with_wrong_shape(name, tmp_path):
    folder = copy_model(name, tmp_path)
    change_config(folder, inner_hidden_size=128) if name == "v1a" else None
    change_config(folder, ffn_hidden_size=48) if name == "v2a" else None
    message = assert_rejected(folder, r"of another shape: .*\[\d+, \d+\] by config\.json")
    assert "and 1 more" in message or name == "v1a"


def test_invalid_config(folder):
    (folder / "config.json").write_text("[]")
    assert_rejected(folder, "contains a list")
    (folder / "config.json").write_text("{}")
    assert_rejected(folder, 'no "model_type"')
    (folder / "config.json").write_text('{"model_type": "chatglm"}')
    assert_rejected(folder, "padded_vocab_size")


def test_quantized_chatglm_6b_is_rejected(tmp_path):
    assert_rejected(
        change_config(copy_model("v1a", tmp_path), quantization_bit=4), "quantization_bit=4"
    )


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dtype": "int8"}, "dtype must be"),
        ({"dtype": "float99"}, "dtype must be"),
        ({"device": "abacus"}, "torch does not know the device 'abacus'"),
        ({"device": "cuda:99"}, "cuda:99 does not exist|is not available"),
        ({"quantization": "2bit"}, "quantization must be '8bit', '4bit' or None"),
    ],
    ids=str,
)
def test_invalid_arguments(options, match):
    assert_rejected(DATA / "v2a", match, **options)


def test_hub_name_without_network_gives_advice(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert_rejected("thudm/chatglm-6b", "download the model's folder elsewhere and pass its path")


# Quantized


def test_missing_bitsandbytes_names_the_command():
    if has("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    with pytest.raises(MissingDependencyError, match=r'"memorybank-llm\[bitsandbytes\]"'):
        load(DATA / "v2a", quantization="8bit")


@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_8_bit_is_close(name):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    model, golden = load_official(name, quantization="8bit"), load_golden(name)
    logits = compute_logits(model, golden["in.single.input_ids"])
    assert 0.01 < logit_difference(logits, golden["out.single"]) < 0.5


# Memory


SHAPES = {"model.embed_tokens.weight": (1000, 64), "model.layers.0.w": (1024, 64), "n": (64,)}


def test_required_bytes():
    numbers = 64_000 + 65_536 + 64
    margin = numbers * 2 / 8
    assert required_bytes(SHAPES, 2) == numbers * 2 + margin
    assert required_bytes(SHAPES, 4) == numbers * 4 + margin
    assert required_bytes(SHAPES, 2, "8bit") == 64_064 * 2 + 65_536 + margin
    assert required_bytes(SHAPES, 2, "4bit") == 64_064 * 2 + 65_536 * 0.5625 + margin


def test_memory_error_lists_options_that_fit():
    large = {"w": (6_000, 1_000_000)}
    require_memory(large, 2, None, free=14 * 10**9, device="cuda:0")
    with pytest.raises(ConfigurationError) as caught:
        require_memory(large, 4, None, free=8 * 10**9, device="cuda:0")
    assert str(caught.value) == (
        "the model needs 25.5 GB including its cache, but cuda:0 has 8.0 GB free. Options "
        'that fit: quantization="8bit" (7.5 GB), quantization="4bit" (4.9 GB), device="cpu".'
    )


def test_weights_are_memory_mapped(tmp_path):
    big = {"w": torch.zeros(64_000_000, dtype=torch.float16)}
    torch.save(big, tmp_path / "pytorch_model.bin")
    before = resident()
    assert open_weights(tmp_path)["w"].shape == (64_000_000,)
    assert resident() - before < 30_000_000
    save_file(big, tmp_path / "model.safetensors")
    before = resident()
    assert open_weights(tmp_path)["w"].shape == (64_000_000,)
    assert resident() - before < 30_000_000


def resident():
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc here")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


# Generations


@pytest.mark.parametrize(
    ("fields", "generation"),
    [
        ({"position_encoding_2d": True}, "chatglm"),
        ({"inner_hidden_size": 16384}, "chatglm"),
        ({"padded_vocab_size": 65024}, "chatglm2"),
        ({"padded_vocab_size": 65024, "rope_ratio": 50}, "chatglm2"),
        ({"padded_vocab_size": 3040}, "chatglm2"),
        ({"padded_vocab_size": 3040, "rope_ratio": 500}, "glm4"),
        ({"padded_vocab_size": 151552}, "glm4"),
    ],
    ids=str,
)
def test_chatglm_generation_by_config(fields, generation):
    family = find_by_config({"model_type": "chatglm", **fields})
    assert family.name == generation
    assert family.sampling is not None


def test_chatglm_generation_of_folder():
    assert find_model_family(LLAMA).name == "llama"
    assert find_model_family(DATA / "v1prefix").name == "chatglm"
    assert find_by_config(read_config("v3a")).name == "chatglm2"


def test_official_glm4(folder):
    model = load(change_config(folder, rope_ratio=500))
    assert isinstance(model, GlmForCausalLM)
    assert model.config.rope_parameters["rope_theta"] == 5_000_000


def test_llama_with_missing_weight_is_rejected(tmp_path):
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=16,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
        )
    )
    model.save_pretrained(tmp_path)
    tensors = without_tensor(load_file(tmp_path / "model.safetensors"), "model.norm.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert_rejected(tmp_path, r"missing: model\.norm\.weight")
