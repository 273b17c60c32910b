"""Text of the demo in English and Chinese."""

from __future__ import annotations

from datetime import date

STRINGS = {
    "en": {
        "greeting": "MemoryBank: a memory that remembers, recalls and forgets like a person",
        "remember": "Remember",
        "importing": "Reading {turns} turns and embedding them on this machine ({embedder}) …",
        "who": "Who",
        "turns": "Turns",
        "days": "Days",
        "from": "First day",
        "to": "Last day",
        "stored": "{turns} turns on disk after {seconds:.0f} s, in one file of {size}.",
        "recall": "Recall: {user} asks",
        "asking": (
            "{day}. The search gets only the question. ● marks a turn that answers "
            "it.\n✓ all the evidence is among the first three results, ◐ part of it, ✗ none."
        ),
        "summary": (
            "The first three results contained all the evidence for {answered} of {count} "
            "questions."
        ),
        "partly": " For {count} more, they contained part of it.",
        "lower": "the answer came further down, at rank {rank}:",
        "missed": "the answer is not among the first {k} either.",
        "recalled": " {count} memories were recalled and are stronger now.",
        "forget": "Forget: time passes for {user}",
        "repeated": (
            "{count} of the questions are repeated on {days}; the memories that they recall become "
            "stronger."
        ),
        "dry_run": (
            "On {day}, a dry run reports: {forgotten} of {all} memories have faded to a retention "
            "below {threshold:g}."
        ),
        "forgotten": (
            "forget() archives them and deletes nothing. Some of them, the most faded first:"
        ),
        "kept": "{kept} memories stay active. Some that recalls strengthened, the strongest first:",
        "strength": "strength {strength:g}",
        "forecast": "By {day}, if nothing is recalled, {count} of these will have faded",
        "first_to_fade": ", the first on {day}.",
        "ask_forgotten": "What if {user} asks about something forgotten?",
        "lost": "not found: the memory that answers it is forgotten.",
        "still_found": "still found, at rank {rank}.",
        "restored": (
            "restore() brings back {count}, and the same question finds the answer at rank {rank}:"
        ),
        "not_restored": "restore() brings back {count}, but the answer is not among the first {k}.",
        "digest": "Digest: {user} and the events of each day",
        "digested": (
            "summarize() digests {days} days. Without a language model it quotes the diary."
        ),
        "portrait": "The portrait of {user}, from all days:",
        "last_days": "What happened on the last days:",
        "with_a_model": "With a language model, these texts are written instead of quoted.",
        "curves": "How three of these memories fade",
        "legend": "▲ recalled   ╌ below {threshold:g}: forget() archives it",
        "caption": "●  recalled\n╌╌  forgotten below {threshold:g}",
        "never": "never recalled",
        "once": "recalled once",
        "often": "recalled {count} times, strength {strength:g}",
        "drawn": "The same curves as a picture: {path}",
        "no_png": "No picture was drawn: {error}",
        "kept_bank": 'The bank is kept. Try: memorybank search {path} --user "{user}" "…" --why',
        "quote": "“{text}”",
    },
    "zh": {
        "greeting": "MemoryBank：像人一样记住、想起、也会淡忘的记忆",
        "remember": "记住",
        "importing": "读入 {turns} 轮对话，在本机计算向量（{embedder}）……",
        "who": "用户",
        "turns": "对话轮数",
        "days": "天数",
        "from": "第一天",
        "to": "最后一天",
        "stored": "{seconds:.0f} 秒后，{turns} 轮对话已写入磁盘，一个文件，{size}。",
        "recall": "回忆：{user}提问",
        "asking": (
            "{day}。检索只看问题本身。● 是回答了问题的那一轮；\n"
            "✓ 所需的全在前三条里，◐ 只有一部分，✗ 没有。"
        ),
        "summary": "{count} 个问题中，有 {answered} 个在前三条里找到了依据。",
        "partly": "另有 {count} 个找到了一部分。",
        "lower": "能回答它的排在后面，第 {rank}：",
        "missed": "前 {k} 条里也没有能回答它的。",
        "recalled": "共想起 {count} 条记忆，它们变得更牢固了。",
        "forget": "遗忘：{user}的日子一天天过去",
        "repeated": "其中 {count} 个问题在{days}又被问起，被想起的记忆随之增强。",
        "dry_run": "{day}先试算一次：{all} 条记忆中有 {forgotten} 条的保持率已低于 {threshold:g}。",
        "forgotten": "forget() 把它们归档，一条也不销毁。其中几条（保持率最低的在前）：",
        "kept": "还剩 {kept} 条。因被想起而留下的（最强的在前）：",
        "strength": "强度 {strength:g}",
        "forecast": "到{day}，若再无人提起，其中还会淡忘 {count} 条",
        "first_to_fade": "，最早的在{day}。",
        "ask_forgotten": "如果问起一件已经忘了的事呢？",
        "lost": "找不到：能回答它的那一条已被遗忘。",
        "still_found": "仍然找到了，排在第 {rank}。",
        "restored": "restore() 恢复 {count} 条，同一个问题便又找到了它，排在第 {rank}：",
        "not_restored": "restore() 恢复 {count} 条；前 {k} 条里没有它。",
        "digest": "整理：{user}和每天发生的事",
        "digested": "summarize() 整理了 {days} 天；这里没有用语言模型，所以只摘引原话。",
        "portrait": "{user}的画像，取自所有日子：",
        "last_days": "最近几天发生的事：",
        "with_a_model": "有语言模型时，这些由模型撰写，而不是摘引。",
        "curves": "其中三条记忆如何淡忘",
        "legend": "▲ 被想起   ╌ 低于 {threshold:g}：forget() 会归档它",
        "caption": "●  被想起\n╌╌  低于 {threshold:g} 即遗忘",
        "never": "从未被想起",
        "once": "被想起 1 次",
        "often": "被想起 {count} 次，强度 {strength:g}",
        "drawn": "同样的曲线已保存为图片：{path}",
        "no_png": "没有生成图片：{error}",
        "kept_bank": '记忆库已保留。试试：memorybank search {path} --user "{user}" "……" --why',
        "quote": "“{text}”",
    },
}

_WEEKDAYS = "一二三四五六日"


def format_day(day: date, language: str, weekday: bool = False) -> str:
    """Return a day such as "9 Mar" or "3月9日", or "Saturday 9 March" with its weekday."""
    if language == "zh":
        return f"{day.month}月{day.day}日" + (f"星期{_WEEKDAYS[day.weekday()]}" if weekday else "")
    return f"{day:%A} {day.day} {day:%B}" if weekday else f"{day.day} {day:%b}"


def join(items: list[str], language: str) -> str:
    """Join items into a phrase such as "a and b"."""
    return ("和" if language == "zh" else " and ").join(items)
