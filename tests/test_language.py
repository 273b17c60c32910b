"""Code and pages are written in plain, present-day technical English; words that are not, fail.

The lists are a floor: what they let pass can still be hard to read.
"""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("llms", "memorybank_core", "memorybank_langchain", "memorybank_llamaindex")
SOURCES = sorted(
    path.relative_to(ROOT).as_posix() for top in PACKAGES for path in (ROOT / top).rglob("*.py")
)
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
)
BANNED = re.compile(
    r"""\b(?:
        anew | told | shall | learnt | beside | heeds? | nobody | mends? | mended | tidings
        | (?:is|are|was|were)[ ](?-i:none) | (?:is|are|was|were)[ ]due | so[ ]many(?![ ]as)
        | (?<!there[ ])(?:is|are|was|were)[ ]no(?![ ]longer)
        | for[ ]want[ ]of | (?:our|your)[ ]own[ ]words | hereby | thereof | whatever[ ]it[ ]likes
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
BANNED_VARIABLES = {"asked", "found", "given", "one", "others", "said", "told", "wanted"}
BANNED_PARAMETERS = BANNED_VARIABLES - {"found"}  # which public methods have

OPENING = re.compile(r"(?:What|How|Whether|Where|Which|Who|Whose|Whom|When|That)\b")
GERUNDS = {
    "deleting", "embedding", "finetuning", "folding", "forgetting", "hashing", "loading",
    "moving", "ranking", "reading", "reranking", "sampling", "spelling", "superseding",
    "testing", "writing",
}  # fmt: skip
"""Module names in -ing that are the field's own terms."""

DEPRECATED = {
    ("memorybank_langchain/siliconfriend/companion.py", "begin_anew"),
    ("memorybank_langchain/siliconfriend/companion.py", "said"),
}
"""Old public names that are kept for one version."""
PROMPTS = {
    ("memorybank_core/quotation/message_kinds.py", "told"),
    ("memorybank_core/quotation/occurrences.py", "told"),
    ("memorybank_core/quotation/strings.py", "told"),
    ("memorybank_core/search/answers.py", "told"),
    ("memorybank_core/search/query_profile.py", "shall"),
    ("memorybank_core/search/query_profile.py", "told"),
    ("memorybank_core/digests/fact_patterns.py", "shall"),
    ("memorybank_core/digests/fact_patterns.py", "told"),
    ("memorybank_core/digests/verb_forms.py", "learnt"),
    ("memorybank_core/digests/verb_forms.py", "shall"),
    ("memorybank_core/digests/verb_forms.py", "told"),
    ("memorybank_core/search/word_forms.py", "learnt"),
    ("memorybank_core/search/word_forms.py", "shall"),
    ("memorybank_core/search/word_forms.py", "told"),
    ("memorybank_langchain/siliconfriend/evaluation/strings.py", "is no"),
    ("memorybank_langchain/siliconfriend/personas.py", "are no"),
}
"""Words of prompts for models, of patterns for users' texts, and of the companion's answers."""


def docstrings(tree):
    """Yield the docstrings of a module, its classes, functions and constants, with their lines."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            text = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield statement.lineno, text.value


def texts(source):
    """Yield comments and strings, docstrings included, with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) or token.type == FSTRING:
            yield token.start[0], token.string


FSTRING = getattr(tokenize, "FSTRING_MIDDLE", None)


def vague_names(tree):
    """Yield the names of variables, parameters, functions and classes that say nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name, banned = node.id, BANNED_VARIABLES
        elif isinstance(node, ast.arg):
            name, banned = node.arg, BANNED_PARAMETERS
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name, banned = node.name, BANNED_PARAMETERS
        else:
            continue
        parts = name.strip("_").lower().split("_")
        if "_".join(parts) in banned or not {"anew", "told"}.isdisjoint(parts):
            yield node.lineno, name


@pytest.mark.parametrize("path", SOURCES)
def test_code_is_plain_english(path):
    source = (ROOT / path).read_text(encoding="utf-8")
    tree = ast.parse(source)
    faults = [
        f"{path}:{line}: {match.group()!r}"
        for line, text in texts(source)
        for match in BANNED.finditer(text)
        if (path, match.group()) not in PROMPTS
    ]
    faults += [
        f"{path}:{line}: a docstring begins with a question word: {text.splitlines()[0]!r}"
        for line, text in docstrings(tree)
        if OPENING.match(text)
    ]
    faults += [
        f"{path}:{line}: the name {name!r} says nothing"
        for line, name in vague_names(tree)
        if (path, name) not in DEPRECATED
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", SOURCES)
def test_modules_are_nouns(path):
    name = Path(path).stem
    assert not name.endswith("ing") or name in GERUNDS


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_plain_english(path):
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    faults = [
        f"{path}:{number}: {match.group()!r}"
        for number, line in enumerate(lines, 1)
        for match in BANNED.finditer(re.sub("`[^`]*`", "", line))
    ]
    assert not faults, "\n".join(faults)
