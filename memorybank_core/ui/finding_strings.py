"""Findings of a check in the language of the page. In English, their own texts are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from memorybank_core.check_reports import Finding

_REPAIR = "请运行带修复的检查："
_BACKUP = "请从备份恢复"
_RIGHTS_ADVICE = (
    "请运行：GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO …"
)

CHECKS_ZH: Mapping[str, str] = {
    "open": "打开",
    "integrity": "完整性",
    "schema": "结构",
    "leftovers": "残留",
    "disk": "磁盘",
    "permissions": "权限",
    "write": "写入",
    "embedder": "嵌入模型",
    "users": "用户",
    "rows": "数据行",
    "dates": "日期",
    "index": "索引",
    "search": "搜索",
    "digests": "摘要",
    "server": "服务器",
    "counts": "计数",
    "row security": "行级安全",
}
"""Names of the checks."""

FINDINGS_ZH: Mapping[str, tuple[str, str]] = {
    "check_failed": ("检查没有完成：{error}", "请先处理其他问题。"),
    "file_fails": ("文件无法读取：{error}", f"{_BACKUP}文件。它的副本也许能救回其余内容。"),
    "database_fails": ("数据库无法读取：{error}", f"请按提示处理；如果数据库已损坏，{_BACKUP}。"),
    "open_fails": ("无法打开：{error}", f"请按提示处理；如果文件已损坏，{_BACKUP}。"),
    "integrity_ok": ("SQLite 没有发现损坏", ""),
    "integrity_damaged": (
        "SQLite 发现文件已损坏：{faults}",
        "请先把文件复制到别处，再从备份恢复。导出也许能救回可读的部分。",
    ),
    "pages_damaged": (
        "服务器在这个数据库中读到了 {count:,} 个损坏的页",
        f"请查看它的日志并检查磁盘；{_BACKUP}数据库。",
    ),
    "indexes_ok": ("全部 {count:,} 个索引都有效", ""),
    "indexes_invalid": ("有无效的索引，服务器不会使用：{names}", f"{_REPAIR}会由数据行重建。"),
    "schema_ok": ("结构版本 {version}，表和索引齐全", ""),
    "schema_foreign": ("文件没有记忆库的标识", f"{_BACKUP}文件。"),
    "schema_newer": (
        "文件的结构版本是 {version}，这个版本的程序只认识到 {known}",
        "请运行：pip install --upgrade memorybank-llm",
    ),
    "schema_older": (
        "文件的结构版本是 {version}，这个版本的程序用 {known}",
        "打开记忆库即会升级。",
    ),
    "schema_lacks_indexes": ("文件缺少：{names}", f"{_REPAIR}索引会由数据行重建。"),
    "schema_lacks_tables": ("文件缺少：{names}", f"{_BACKUP}文件。"),
    "tables_lacking": ("数据库缺少表：{names}", f"{_BACKUP}数据库。"),
    "partitions_lacking": (
        "这些表没有挂上全部 {count} 个分区：{names}",
        f"请重新挂上，或{_BACKUP}数据库。",
    ),
    "indexes_lacking": ("数据库缺少索引：{names}", f"{_REPAIR}会由数据行重建。"),
    "leftovers_ok": ("每一行都属于一条记忆", ""),
    "leftovers_found": ("没有记忆的数据行：{rows}", f"{_REPAIR}只删除这些行，不删除记忆。"),
    "reembed_unfinished": ("一次更换嵌入模型没有完成", "请再次运行：memorybank reembed"),
    "counts_ok": ("每个用户的计数都与其记忆相符", ""),
    "counts_wrong": ("这些用户的计数缺少或与其记忆不符：{names}", f"{_REPAIR}会由记忆重新计算。"),
    "disk_ok": ("剩余 {free} MB，文件占 {size} MB", ""),
    "disk_full": (
        "剩余 {free} MB，文件占 {size} MB",
        "请腾出空间：compact 会失败，写入也可能很快失败。",
    ),
    "disk_unknown": ("剩余空间未知：{error}", ""),
    "tables_size": ("各表共占 {size} MB；请留意服务器上的剩余空间", ""),
    "permissions_ok": ("只有所有者能打开文件", ""),
    "permissions_open": ("这台机器的其他用户也能打开 {names}", "请运行：chmod 600 {paths}"),
    "rights_ok": ("这个角色能使用所有的表，而且并非每个角色都能", ""),
    "rights_lacking": ("这个角色不能读写这些表：{names}", _RIGHTS_ADVICE),
    "rights_open": (
        "数据库的每个角色都有这些表的权限：{names}",
        "请运行：REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC",
    ),
    "row_security_ok": ("一个用户的数据行，别的用户和没有用户的会话都看不到", ""),
    "row_security_absent": ("这个记忆库创建时没有启用行级安全", ""),
    "row_security_off": (
        "这些表的行级安全没有生效：{names}",
        "请运行 ALTER TABLE … ENABLE 和 FORCE ROW LEVEL SECURITY，或重新创建记忆库。",
    ),
    "row_security_exempt": (
        "这个角色不受行级安全约束：是超级用户，或有 BYPASSRLS",
        "请让应用以受约束的角色连接，并以那个角色运行这项检查。",
    ),
    "row_security_broken": (
        "在这些表里能看到别的用户的数据行：{names}",
        "请查找另加的策略：SELECT * FROM pg_policies",
    ),
    "server_ok": ("PostgreSQL {names}", ""),
    "write_ok": ("试写成功，并已撤销", ""),
    "write_readonly": (
        "文件以只读方式打开，没有试写",
        "要写入，请检查磁盘，以及文件和文件夹的权限。",
    ),
    "write_busy": ("暂时无法写入：{error}", "请稍后再检查。"),
    "write_fails": ("写入失败：{error}", "记忆库只能读：请检查磁盘，以及文件和文件夹的权限。"),
    "write_denied": ("写入失败：{error}", "记忆库只能读：请检查这个角色的权限和服务器。"),
    "embedder_ok": ("{name} 的向量与写入记忆库时相同", ""),
    "embedder_unknown": ("记忆库还没有嵌入模型 {name} 的指纹", ""),
    "embedder_not_compared": (
        "没有比较嵌入模型 {name}：{error}",
        "请安装这个嵌入模型，以便检查它的向量是否仍与记忆库相同。",
    ),
    "embedder_changed": (
        "{name} 的向量已与记忆库不同（余弦 {similarity}）",
        "请安装模型原来的版本，或运行：memorybank reembed",
    ),
    "users_ok": ("{count:,} 个用户标识中没有容易混淆的", ""),
    "users_similar": (
        "这些用户标识只在大小写、空格或 Unicode 形式上不同：{names}",
        "它们是不同的用户，记忆彼此分开。如果是同一个人，请让应用统一写法，并用导出和导入移动记忆。",
    ),
    "rows_ok": ("全部 {count:,} 条记忆都能读取", ""),
    "rows_damaged": (
        "用户“{user}”：{count:,} 条记忆{fault}：{ids}",
        f"{_REPAIR}文本还在，其余由它重建。",
    ),
    "rows_unreadable": (
        "用户“{user}”：{count:,} 条记忆{fault}：{ids}",
        "检查不会更改文本：请从备份恢复这些记忆，或按编号删除它们。",
    ),
    "dates_ok": ("没有记忆的日期在将来", ""),
    "dates_future": (
        "用户“{user}”：{count:,} 条记忆的日期在将来：{ids}",
        "请检查写入它们的机器的时钟，或导入对话的 `at`。在那之前它们不会淡去。",
    ),
    "index_ok": ("搜索索引包含全部 {count:,} 条完好的记忆", ""),
    "index_differs": (
        "用户“{user}”：搜索索引有 {indexed:,} 条记忆，数据行有 {total:,} 条",
        f"{_REPAIR}会重建索引。",
    ),
    "search_ok": ("{count:,} 条记忆能用自己的文本找到", ""),
    "search_fails": ("用户“{user}”：搜索失败：{error}", "请先修复这个用户的损坏数据行。"),
    "search_misses": (
        "用户“{user}”：{searched} 条记忆中有 {missed} 条没能用自己的文本找到",
        f"{_REPAIR}会重建索引。",
    ),
    "digests_ok": ("所有摘要都是最新的", ""),
    "digests_stale": (
        "用户“{user}”：有 {count:,} 篇摘要缺少或过时",
        "请运行：memorybank summarize。什么也没有丢失：摘要由对话写成。",
    ),
    "digests_unreadable": (
        "用户“{user}”：摘要无法比较：{error}",
        "请先处理这个用户的损坏数据行。",
    ),
}
"""Message and advice of each finding, by its code."""

FAULTS_ZH: Mapping[str, str] = {
    "no vector": "没有向量",
    "a vector of the wrong length": "的向量长度不对",
    "a vector with values that are not finite": "的向量含有非有限值",
    "a vector that is not of unit length": "的向量不是单位长度",
    "terms that are not those of the text": "的词语与文本不符",
    "text that is not UTF-8": "的文本不是 UTF-8",
    "a missing text": "缺少文本",
    "an unknown kind": "的种类未知",
    "a day that is not in the calendar": "的日期不在日历中",
    "a time that is not in the calendar": "的时间不在日历中",
    "a strength that is not a positive number": "的强度不是正数",
    "metadata that are not a JSON object": "的元数据不是 JSON 对象",
}
"""Faults of memories, as the end of "n memories …"."""

_REPAIRS_ZH = (
    (r"user (.+): the search index", "用户 {0} 的搜索索引"),
    (r"user (.+): vectors or terms of ([\d,]+) \w+", "用户 {0} 的 {1} 条记忆的向量或词语"),
    (r"user (.+): not repaired: (.+)", "用户 {0} 没能修复：{1}"),
    (r"([\d,]+) rows of the table (\w+) without a memory", "表 {1} 中 {0} 个没有记忆的数据行"),
    (r"the rows of ([\d,]+) users", "{0} 个用户的计数"),
    (r"the index (.+)", "索引 {0}"),
)


def describe_finding(finding: Finding, language: str) -> tuple[str, str, str]:
    """Return the name of the check, the message and the advice of a finding.

    A finding of another package, without a code that is known here, keeps its own texts.

    Args:
        finding: The finding.
        language: "en" or "zh".
    """
    if language != "zh":
        return finding.check, finding.message, finding.advice
    check = CHECKS_ZH.get(finding.check, finding.check)
    if finding.code not in FINDINGS_ZH:
        return check, finding.message, finding.advice
    values = dict(finding.values)
    if "fault" in values:
        values["fault"] = FAULTS_ZH.get(values["fault"], f"有问题（{values['fault']}）")
    message, advice = (text.format(**values) for text in FINDINGS_ZH[finding.code])
    return check, message, advice if finding.advice else ""


def describe_repair(text: str, language: str) -> str:
    """Return what was repaired, as a report of a check names it."""
    if language == "zh":
        for pattern, template in _REPAIRS_ZH:
            if match := re.fullmatch(pattern, text, re.DOTALL):
                return template.format(*match.groups())
    return text
