"""load_model: supported formats, refused files and their messages, and no code execution."""

import json
import pickle
import shutil
from pathlib import Path

import pytest

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from golden import CLOSE, DATA, config_of, logits_differ, logits_of, numbers, official  # noqa: E402
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
    return copied("v2a", tmp_path)


def copied(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("config.json", "model.safetensors"):
        shutil.copy(DATA / name / file, folder)
    return folder


def load(folder, **options):
    return load_model(folder, **{"device": "cpu", "progress": False, **options})


def refused(folder, match, **options):
    with pytest.raises(ConfigurationError, match=match) as caught:
        load(folder, **options)
    return str(caught.value)


def as_bin(folder, shards=0, **more):
    """Replace the .safetensors by .bin, in one file (`shards=0`) or in that number of shards."""
    tensors = {**load_file(folder / "model.safetensors"), **more}
    (folder / "model.safetensors").unlink()
    if not shards:
        torch.save(tensors, folder / "pytorch_model.bin")
    for number in range(shards):
        part = dict(list(tensors.items())[number::shards])
        torch.save(part, folder / f"part-{number}.bin")
    places = {name: f"part-{number % max(shards, 1)}.bin" for number, name in enumerate(tensors)}
    if shards:
        index = {"metadata": {}, "weight_map": places}
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def with_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return folder


def is_right(model, name):
    golden = numbers(name)
    logits = logits_of(model, golden["in.single.input_ids"])
    return logits_differ(logits, golden["out.single"]) < CLOSE


# Supported formats


@pytest.mark.parametrize("name", ["v1a", "v2a"])
@pytest.mark.parametrize("shards", [0, 3])
def test_bin_gives_the_same_as_safetensors(name, shards, tmp_path):
    assert is_right(load(as_bin(copied(name, tmp_path), shards)), name)


def test_a_v1_file_with_a_copy_of_the_embedding_as_output(tmp_path):
    folder = copied("v1a", tmp_path)
    tied = load_file(folder / "model.safetensors")["transformer.word_embeddings.weight"]
    assert is_right(load(as_bin(folder, **{"lm_head.weight": tied.clone()})), "v1a")


def test_sharded_safetensors(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: f"{number % 2}.safetensors" for number, name in enumerate(tensors)}
    for file in ("0.safetensors", "1.safetensors"):
        part = {name: tensors[name] for name, place in places.items() if place == file}
        save_file(part, folder / file, metadata={"format": "pt"})
    index = json.dumps({"metadata": {}, "weight_map": places})
    (folder / "model.safetensors.index.json").write_text(index)
    assert is_right(load(folder), "v2a")


def test_safetensors_are_preferred_to_bin(folder):
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert is_right(load(folder), "v2a")


def test_a_native_model():
    model = load(LLAMA)
    assert isinstance(model, LlamaForCausalLM)
    assert not model.training


def test_a_gguf_file_or_a_folder_with_one(tmp_path, capfd):
    pytest.importorskip("gguf", reason="gguf is not installed")
    tiny_gguf(tmp_path / "tiny.gguf")
    for path in (tmp_path, tmp_path / "tiny.gguf"):
        model = load(path)
        assert isinstance(model, LlamaForCausalLM)
        assert model.dtype == torch.float32
        assert find_model_family(path) is None
        assert "GGUF" not in capfd.readouterr().err  # its bar is hidden too
        model.save_pretrained(tmp_path / "saved")  # transformers saves nothing that is quantized
    refused(tmp_path, "already quantized", quantization="8bit") if has("bitsandbytes") else None
    shutil.copy(tmp_path / "tiny.gguf", tmp_path / "other.gguf")
    refused(tmp_path, r"several GGUF files.*other\.gguf, tiny\.gguf")
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "tiny.gguf").read_bytes()[:100])
    refused(tmp_path / "cut.gguf", "truncated or not a GGUF file")


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
    assert official(name, dtype=dtype).dtype == getattr(torch, expected)


def test_the_bare_model_is_greedy_and_knows_where_to_end():
    for name, end, pad in (("v1a", 10, 3), ("v2a", 2, 0)):
        generation = official(name).generation_config
        assert not generation.do_sample
        assert (generation.eos_token_id, generation.pad_token_id) == (end, pad)


def test_no_pad_token_is_the_first_end(tmp_path):
    shutil.copytree(LLAMA, tmp_path / "llama")
    folder = with_config(tmp_path / "llama", pad_token_id=None, eos_token_id=[2, 1])
    assert load(folder).generation_config.pad_token_id == 2


def test_attention_implementation():
    assert official("v2a", attn_implementation="eager").config._attn_implementation == "eager"
    refused(DATA / "v2a", "cannot be loaded", attn_implementation="none such")


def test_progress_is_silenced_for_one_call(capfd):
    logging.enable_progress_bar()
    load(DATA / "v2a")
    assert "Loading" not in capfd.readouterr().err
    load(DATA / "v2a", progress=True)
    assert "Loading" in capfd.readouterr().err


# Cached conversions


def test_a_converted_model_is_kept_and_used_again(folder, tmp_path):
    cache = tmp_path / "some" / "cache"
    assert is_right(load(folder, converted=cache), "v2a")
    written = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert is_right(load(folder, converted=cache), "v2a")
    assert written == {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert [path.name for path in cache.parent.iterdir()] == ["cache"]
    assert is_right(load(cache), "v2a")
    assert json.loads((cache / "config.json").read_text())["model_type"] == "glm"


def test_it_is_made_again_of_another_model(folder, tmp_path):
    load(folder, converted=tmp_path / "cache")
    shutil.copy(DATA / "v3a" / "model.safetensors", folder)
    assert is_right(load(folder, converted=tmp_path / "cache"), "v3a")


def test_it_is_made_again_when_damaged(folder, tmp_path):
    cache = tmp_path / "cache"
    load(folder, converted=cache)
    (weights,) = cache.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    assert is_right(load(folder, converted=cache), "v2a")


def test_a_folder_of_something_else_is_never_overwritten(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    for mine in (tmp_path / "mine", folder):
        refused(folder, f"has no readable {SOURCE_FILE}", converted=mine)
    assert (tmp_path / "mine" / "diary.txt").read_text() == "dear diary"


# Refused files and arguments


def test_what_is_not_there_is_named(folder, tmp_path):
    refused(tmp_path / "nowhere", "folder .*nowhere does not exist")
    refused("nowhere", "folder nowhere does not exist")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "has no config.json")
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    refused(folder, r"no weights: none of model\.safetensors, .*pytorch_model\.bin")
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text("{}")
    refused(folder, "it is an adapter")


def test_missing_shards_are_named_together(folder):
    as_bin(folder, shards=3)
    (folder / "part-0.bin").unlink()
    (folder / "part-2.bin").unlink()
    refused(folder, r"missing files: part-0\.bin, part-2\.bin")


def test_an_index_may_not_lead_elsewhere(folder):
    as_bin(folder, shards=1)
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(index.read_text().replace("part-0", "../part-0"))
    refused(folder, r"files in other folders: \.\./part-0\.bin")
    index.write_text("{}")
    refused(folder, 'no "weight_map"')
    index.write_text("{")
    refused(folder, "cannot be read as JSON")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("kept", [0, 40, 20_000, -1])
def test_a_file_that_is_cut_off(folder, name, kept):
    if name.endswith(".bin"):
        as_bin(folder)
    path = folder / name
    path.write_bytes(path.read_bytes()[:kept])
    assert "Nothing in it was executed" in refused(folder, f"{name} is truncated")


class Evil:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("write", [torch.save, lambda it, path: path.write_bytes(pickle.dumps(it))])
@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_objects_are_not_unpickled(name, write, tmp_path):
    folder, trace = copied(name, tmp_path), tmp_path / "executed"
    (folder / "model.safetensors").unlink()
    write({"evil": Evil(trace)}, folder / "pytorch_model.bin")
    assert "Nothing in it was executed" in refused(folder, "pytorch_model.bin")
    assert not trace.exists()


def test_other_things_than_tensors(folder):
    as_bin(folder, epoch=3)
    refused(folder, "objects other than tensors")


def test_code_in_the_folder_is_not_run(folder, tmp_path):
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    code = {"AutoConfig": "modeling.C", "AutoModelForCausalLM": "modeling.M"}
    assert is_right(load(with_config(folder, auto_map=code)), "v2a")
    with_config(folder, model_type="shiny")
    refused(folder, "model_type 'shiny', which is not supported and has its own code")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_weights_that_are_missing_or_too_many(name, tmp_path):
    folder = copied(name, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    gone = next(name for name in tensors if name.endswith("0.mlp.dense_4h_to_h.weight"))
    save_file(without(tensors, gone), folder / "model.safetensors")
    refused(folder, r"missing: .*layers\.0\.mlp\.d")
    save_file({**tensors, "odd.weight": torch.ones(2)}, folder / "model.safetensors")
    refused(folder, r"odd\.weight")


def without(tensors, gone):
    return {name: tensor for name, tensor in tensors.items() if name != gone}


@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_weights_of_another_shape(name, tmp_path):
    folder = copied(name, tmp_path)
    with_config(folder, inner_hidden_size=128) if name == "v1a" else None
    with_config(folder, ffn_hidden_size=48) if name == "v2a" else None
    message = refused(folder, r"of another shape: .*\[\d+, \d+\] by config\.json")
    assert "and 1 more" in message or name == "v1a"


def test_an_invalid_config(folder):
    (folder / "config.json").write_text("[]")
    refused(folder, "contains a list")
    (folder / "config.json").write_text("{}")
    refused(folder, 'no "model_type"')
    (folder / "config.json").write_text('{"model_type": "chatglm"}')
    refused(folder, "padded_vocab_size")


def test_a_quantized_v1_is_refused(tmp_path):
    refused(with_config(copied("v1a", tmp_path), quantization_bit=4), "quantization_bit=4")


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
def test_arguments_that_cannot_work(options, match):
    refused(DATA / "v2a", match, **options)


def test_without_a_network_a_name_on_the_hub_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    refused("thudm/chatglm-6b", "download the model's folder elsewhere and pass its path")


# Quantized


def test_without_bitsandbytes_the_message_has_the_command():
    if has("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    with pytest.raises(MissingDependencyError, match=r'"memorybank\[bitsandbytes\]"'):
        load(DATA / "v2a", quantization="8bit")


@pytest.mark.parametrize("name", ["v1a", "v2a"])
def test_8_bit_is_near(name):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    model, golden = official(name, quantization="8bit"), numbers(name)
    logits = logits_of(model, golden["in.single.input_ids"])
    assert 0.01 < logits_differ(logits, golden["out.single"]) < 0.5


# Memory


SHAPES = {"model.embed_tokens.weight": (1000, 64), "model.layers.0.w": (1024, 64), "n": (64,)}


def test_needed_bytes_are_the_weights_and_an_eighth():
    numbers = 64_000 + 65_536 + 64
    margin = numbers * 2 / 8
    assert required_bytes(SHAPES, 2) == numbers * 2 + margin
    assert required_bytes(SHAPES, 4) == numbers * 4 + margin
    assert required_bytes(SHAPES, 2, "8bit") == 64_064 * 2 + 65_536 + margin
    assert required_bytes(SHAPES, 2, "4bit") == 64_064 * 2 + 65_536 * 0.5625 + margin


def test_what_does_not_fit_says_what_would():
    large = {"w": (6_000, 1_000_000)}
    require_memory(large, 2, None, free=14 * 10**9, device="cuda:0")
    with pytest.raises(ConfigurationError) as caught:
        require_memory(large, 4, None, free=8 * 10**9, device="cuda:0")
    assert str(caught.value) == (
        "the model needs 25.5 GB including its cache, but cuda:0 has 8.0 GB free. Options "
        'that fit: quantization="8bit" (7.5 GB), quantization="4bit" (4.9 GB), device="cpu".'
    )


def test_weights_are_mapped_not_read(tmp_path):
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
def test_generations_of_chatglm(fields, generation):
    family = find_by_config({"model_type": "chatglm", **fields})
    assert family.name == generation
    assert family.sampling is not None


def test_the_generation_of_a_folder():
    assert find_model_family(LLAMA).name == "llama"
    assert find_model_family(DATA / "v1prefix").name == "chatglm"
    assert find_by_config(config_of("v3a")).name == "chatglm2"


def test_a_glm4_of_remote_code(folder):
    model = load(with_config(folder, rope_ratio=500))
    assert isinstance(model, GlmForCausalLM)
    assert model.config.rope_parameters["rope_theta"] == 5_000_000


def test_llama_of_one_weight_less_is_refused(tmp_path):
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
    tensors = without(load_file(tmp_path / "model.safetensors"), "model.norm.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    refused(tmp_path, r"missing: model\.norm\.weight")
