"""Findings of a check have a code, and a Chinese text for each code."""

import ast
import re
import string
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from memorybank_core import MemoryBank
from memorybank_core.check_reports import Finding
from memorybank_core.doctor.rows import TERMS_FAULT, VECTOR_FAULTS
from memorybank_core.ui import finding_strings
from memorybank_core.ui.finding_strings import (
    CHECKS_ZH,
    FAULTS_ZH,
    FINDINGS_ZH,
    describe_finding,
    describe_repair,
)

CORE = Path(finding_strings.__file__).parents[1]
FILES = [
    *(CORE / "doctor").glob("*.py"),
    *(CORE / "stores").rglob("*.py"),
    CORE / "cli" / "commands" / "doctor.py",
]


def calls():
    """Yield all calls that make a finding, with the text of their module."""
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "Finding",
                "report_failure",
            ):
                yield path, tree, node


def code_of(tree, call):
    """Return the expressions that the code of a call may be."""
    is_finding = call.func.id == "Finding"
    position = 7 if is_finding else 3
    values = [it.value for it in call.keywords if it.arg == "code"] + call.args[position:][:1]
    assert values, ast.unparse(call)
    names = [ast.unparse(value) for value in values]
    return re.findall(r"'(\w+)'", names[0]) or assigned_codes(tree)


def assigned_codes(tree):
    """Return the strings that are assigned to a variable `code` in a module."""
    found = re.findall(r"\bcode(?:, values)? = \(?'(\w+)'", ast.unparse(tree))
    return found or ["write_busy"]  # a parameter


def test_every_code_has_a_chinese_text_and_no_text_is_left_over():
    codes = {code for _, tree, call in calls() for code in code_of(tree, call)}
    assert codes == set(FINDINGS_ZH)
    checks = {ast.literal_eval(call.args[0]) for _, _, call in calls()
              if isinstance(call.args[0], ast.Constant)}  # fmt: skip
    assert checks <= set(CHECKS_ZH)
    assert {*VECTOR_FAULTS, TERMS_FAULT} <= set(FAULTS_ZH)
    rows = (CORE / "doctor" / "rows.py").read_text(encoding="utf-8")
    assert set(re.findall(r'yield "(.+)"', rows)) <= set(FAULTS_ZH)


def test_a_real_report_is_chinese(folder):
    with MemoryBank.open(folder / "bank.db", embedder="hashing") as bank:
        bank.add(["你好。"], user_id="小明")
        for finding in bank.check().findings:
            check, message, advice = describe_finding(finding, "zh")
            assert finding.code in FINDINGS_ZH
            assert check == CHECKS_ZH[finding.check]
            assert re.search("[\u4e00-\u9fff]", message)
            assert bool(advice) == bool(finding.advice)
            assert describe_finding(finding, "en") == (
                finding.check, finding.message, finding.advice
            )  # fmt: skip


@pytest.mark.parametrize("code", FINDINGS_ZH)
def test_texts_use_the_values_of_their_findings(code):
    names = {name for text in FINDINGS_ZH[code] for _, name, *_ in string.Formatter().parse(text)}
    sources = "".join(path.read_text(encoding="utf-8") for path in FILES)
    assert all(f'"{name}"' in sources for name in filter(None, names))


def test_a_finding_of_another_package_keeps_its_words():
    finding = Finding("mine", "error", "It is {broken}.", "Mend it.")
    assert describe_finding(finding, "zh") == ("mine", "It is {broken}.", "Mend it.")


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("user 'ada': the search index", "用户 'ada' 的搜索索引"),
        ("user 'ada': vectors or terms of 1 memory", "用户 'ada' 的 1 条记忆的向量或词语"),
        ("user 'ada': not repaired: no\nmodel", "用户 'ada' 没能修复：no\nmodel"),
        (
            "1,200 rows of the table vectors without a memory",
            "表 vectors 中 1,200 个没有记忆的数据行",
        ),
        ("the index by_day", "索引 by_day"),
        ("the rows of 2 users", "2 个用户的计数"),
        ("another", "another"),
    ],
)
def test_what_was_repaired_is_chinese(text, chinese):
    assert describe_repair(text, "zh") == chinese
    assert describe_repair(text, "en") == text
