"""The wording of `SearchResult.why`, by language."""

SCORE_STRINGS = {
    "en": {
        "similarity": "meaning",
        "lexical": "words",
        "date": "date",
        "speaker": "speaker",
        "context": "neighbours",
        "retention": "freshness",
        "asking": "question",
        "content": "content",
        "reranker": "reranker",
        "answer": "answer",
        "change": "newest statement",
        "repeated": "; said {times} times",
        "superseded": "; superseded on {day}",
        "comma": ", ",
        "line": "score {score:.2f} = {summands} "
        "(cosine {cosine:.2f}, retention {retention:.2f}, strength {strength:g})",
    },
    "zh": {
        "similarity": "语义",
        "lexical": "词语",
        "date": "日期",
        "speaker": "说话人",
        "context": "上下文",
        "retention": "新鲜度",
        "asking": "提问",
        "content": "内容",
        "reranker": "重排",
        "answer": "回答",
        "change": "最新说法",
        "repeated": "；说过 {times} 次",
        "superseded": "；已于 {day} 更新",
        "comma": "、",
        "line": "得分 {score:.2f} = {summands}"
        "（余弦 {cosine:.2f}，保持率 {retention:.2f}，强度 {strength:g}）",
    },
}
"""Templates by language, then by name: the line, its separator, and the parts of a score."""
