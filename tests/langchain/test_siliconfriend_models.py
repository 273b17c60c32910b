"""Models that the companion finds and offers, and the guard against what tiny ones make up."""

import json
import shutil
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")
pytest.importorskip("typer", reason="typer is not installed")

from langchain_core.language_models import FakeListChatModel

from memorybank_core import ConfigurationError, MemoryBank
from memorybank_langchain.siliconfriend import Companion, budget, chat_model, ollama
from memorybank_langchain.siliconfriend.discovery import find_models
from memorybank_langchain.siliconfriend.models import choose_digest_llm, is_tiny
from memorybank_langchain.siliconfriend.startup import open_bank_and_model

LLAMA = Path(__file__).parents[1] / "data" / "adapters" / "llama_tiny"


def listed(name, family="llama", size="3.2B"):
    """Return an entry of Ollama's GET /api/tags, with all that Ollama 0.12 sends."""
    details = {
        "parent_model": "", "format": "gguf", "family": family, "families": [family],
        "parameter_size": size, "quantization_level": "Q4_K_M",
    }  # fmt: skip
    return {
        "name": name, "model": name, "modified_at": "2025-11-02T18:41:07.2+01:00",
        "size": 2019393189, "digest": "a80c4f17" * 8,
        "details": details,
    }  # fmt: skip


@contextmanager
def ollama_server(monkeypatch, tags, answer="From Ollama.", pause=0.0):
    """Serve Ollama's list of models and its chat completions, on a free port of this machine."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(pause)
            self.reply(tags if isinstance(tags, bytes) else json.dumps({"models": tags}).encode())

        def do_POST(self):
            requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            message = {"role": "assistant", "content": answer}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            completion = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}
            self.reply(json.dumps(completion).encode())

        def reply(self, body):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(ollama, "OLLAMA_URL", f"http://127.0.0.1:{server.server_port}")
    try:
        yield requests
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def nothing_to_find(tmp_path, monkeypatch):
    """An empty working directory and cache, no key, and an Ollama that does not run."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(ollama, "OLLAMA_URL", "http://127.0.0.1:9")


def save_model(folder, architecture=None):
    """Copy the small Llama of the tests, which has a configuration and weights."""
    shutil.copytree(LLAMA, folder)
    if architecture:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["architectures"] = [architecture]
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


class TestOllama:
    def test_its_chat_models_are_offered(self, monkeypatch):
        embedders = [
            listed("nomic-embed-text:latest", "nomic-bert", "137M"),
            listed("qwen3-embedding:0.6b", "qwen3", "595.78M"),
            listed("all-minilm:latest", "bert", "23M"),
        ]
        models = [listed("llama3.2:latest"), *embedders, listed("qwen2.5:7b", "qwen2", "7.6B")]
        with ollama_server(monkeypatch, models):
            assert find_models() == [
                ("ollama:llama3.2:latest", "ollama", ""), ("ollama:qwen2.5:7b", "ollama", "")
            ]  # fmt: skip

    @pytest.mark.parametrize("tags", [b"", b"<html>", b"[1]", b'{"models": null}', b'{"x": 1}', []])
    def test_another_server_at_its_port_offers_nothing(self, monkeypatch, tags):
        with ollama_server(monkeypatch, tags):
            assert find_models() == []

    def test_a_slow_one_is_not_waited_for(self, monkeypatch):
        with ollama_server(monkeypatch, [listed("llama3.2:latest")], pause=1.0):
            assert find_models() == []

    def test_without_it_nothing_is_offered(self):
        assert find_models() == []

    def test_it_answers(self, monkeypatch):
        pytest.importorskip("openai", reason="openai is not installed")
        with ollama_server(monkeypatch, [listed("llama3.2:latest")]) as requests:
            model = chat_model("ollama:llama3.2")
            assert model.invoke("Hi!").text == "From Ollama."
        assert requests[0]["model"] == "llama3.2"
        assert not is_tiny(model)

    def test_a_model_must_be_named(self):
        with pytest.raises(ConfigurationError, match="name the model of Ollama"):
            chat_model("ollama:")

    @pytest.mark.parametrize("name", ["my-own", "my-own:latest"])
    def test_a_tiny_one_is_known_by_its_size(self, monkeypatch, name):
        pytest.importorskip("openai", reason="openai is not installed")
        with ollama_server(monkeypatch, [listed("my-own:latest", "qwen2", "494.03M")]):
            assert is_tiny(chat_model(f"ollama:{name}"))


class TestFolders:
    def test_models_with_weights_are_offered(self, tmp_path):
        pytest.importorskip("transformers", reason="transformers is not installed")
        save_model(tmp_path / "models" / "friend")
        save_model(tmp_path / "chatglm", "ChatGLMModel")
        save_model(tmp_path / "e5", "BertModel")
        save_model(tmp_path / "empty")
        (tmp_path / "empty" / "model.safetensors").unlink()
        assert find_models() == [("./chatglm", "folder", ""), ("./models/friend", "folder", "")]

    @pytest.mark.parametrize("config", ["", "[]", '{"architectures": null}', '{"a": 1}'])
    def test_a_folder_with_another_config_is_not(self, tmp_path, config):
        save_model(tmp_path / "x")
        (tmp_path / "x" / "config.json").write_text(config, encoding="utf-8")
        assert find_models() == []

    def test_models_in_the_cache_of_the_hub_are_offered_by_their_names(self, tmp_path):
        hub = tmp_path / "cache" / "hub"
        save_model(hub / "models--Qwen--Qwen2.5-7B-Instruct" / "snapshots" / "a09a35")
        save_model(hub / "models--intfloat--e5" / "snapshots" / "b1", "BertModel")
        assert find_models() == [("Qwen/Qwen2.5-7B-Instruct", "folder", "")]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (None, "api.openai.com"),
        ("http://10.0.0.7:8000/v1", "10.0.0.7"),
        ("nonsense", "api.openai.com"),
    ],
)
def test_openai_is_offered_with_the_host_that_would_get_the_messages(monkeypatch, url, host):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    if url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert find_models() == [("openai", "sends", host)]


@pytest.mark.parametrize(
    ("language", "quotes", "choice"),
    [
        (
            "en",
            "Answers quote what you said",
            "--llm ollama:llama3.2:latest  (Ollama, on this machine)",
        ),
        ("zh", "回答只引用你说过的话", "--llm ollama:llama3.2:latest（这台电脑上的 Ollama）"),
    ],
)
def test_at_the_start_what_was_found_is_named_and_nothing_is_chosen(
    monkeypatch, capsys, tmp_path, language, quotes, choice
):
    options = {"language": language, "embedder": "hashing"}
    path = str(tmp_path / "friend.db")
    with (
        ollama_server(monkeypatch, [listed("llama3.2:latest")]) as requests,
        open_bank_and_model(path, None, {}, options) as (_, model),
    ):
        assert model.model_name == "quotation"
    shown = capsys.readouterr().err
    assert quotes in shown
    assert choice in shown
    assert requests == []


class TestTinyModels:
    @pytest.mark.parametrize(
        "name",
        [
            "SmolLM2-135M-Instruct",
            "SmolLM2-360M",
            "Qwen2.5-0.5B-Instruct",
            "qwen3:0.6b",
            "gemma3:270m",
        ],
    )
    def test_are_known_by_their_names(self, name):
        assert is_tiny(fake(name))

    @pytest.mark.parametrize(
        "name", ["BELLE-7B-2M", "qwen2.5:10.5b", "gpt-4o-mini", "phi-2.7B", "x"]
    )
    def test_are_not_mistaken_by_their_names(self, name):
        assert not is_tiny(fake(name))

    def test_write_no_digests(self):
        assert choose_digest_llm(fake("qwen3:0.6b")) is None
        assert choose_digest_llm(fake("qwen3:8b")) is not None

    @pytest.mark.parametrize(("name", "kept"), [("qwen3:0.6b", False), ("qwen3:8b", True)])
    def test_what_they_make_up_is_not_recalled_as_a_fact(self, place, name, kept):
        question, invented = "Which instrument does Nora play?", "Nora plays the theremin in Oslo."
        with MemoryBank.open(place, embedder="hashing") as bank:
            model = fake(name, responses=[invented, "And more."])
            companion = Companion(model, bank, user_id="ada", **budget(model))
            assert "".join(companion.say(question)) == invented
            [memory] = bank.timeline(user_id="ada")
            assert ("theremin" in memory.text) is kept
            assert invented in (memory.turn.answer, memory.turn.response)  # of the history
            context = bank.context("Who plays the theremin in Oslo?", user_id="ada")
            assert ("plays the theremin" in context.text) is kept
            bank.summarize(user_id="ada")
            digest = bank.summary(user_id="ada")
            assert kept or digest is None or "theremin" not in digest.text


def fake(name, responses=("Noted.",)):
    return NamedModel(responses=list(responses), named=name)


class NamedModel(FakeListChatModel):
    named: str

    @property
    def model_name(self):
        return self.named
