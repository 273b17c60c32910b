"""Make the files of this folder with the packages that have these formats; all contents made up.

python -m venv venv
venv/bin/pip install langchain-community==0.4.2 graphiti-core==0.31.2 mem0ai==2.2.1 cognee==1.6.5
venv/bin/python make_files.py
"""

import importlib.util
import json
import shutil
import site
import sys
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = [Path(folder) for folder in (*sys.argv[1:], *site.getsitepackages())]
"""Folders of installed or unpacked packages."""
MAY = datetime(2024, 5, 4, 18, 30, 15, 123456, tzinfo=timezone.utc)


def load(path):
    """Import one module of a package, without the rest of the package and what it needs."""
    file = next(folder / path for folder in PACKAGES if (folder / path).exists())
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def make_mem0():
    """History database of mem0."""
    path = HERE / "mem0_history.db"
    path.unlink(missing_ok=True)
    manager = load("mem0/memory/storage.py").SQLiteManager(str(path))
    created, updated = MAY.isoformat(), "2024-05-06T10:00:00.5-07:00"
    manager.add_history("m1", None, "Plays the cello", "ADD", created_at=created)
    manager.add_history("m2", None, "Lives in Utrecht", "ADD", created_at=created)
    manager.add_history(
        "m2",
        "Lives in Utrecht",
        "Lives in Haarlem",
        "UPDATE",
        created_at=created,
        updated_at=updated,
    )
    manager.add_history("m3", None, "Hates tea", "ADD", created_at=created)
    manager.add_history("m3", "Hates tea", None, "DELETE", created_at=created, is_deleted=1)
    manager.save_messages([{"role": "user", "content": "I play the cello."}], "user_id=ada")
    manager.connection.execute("VACUUM")
    manager.close()


def make_graphiti():
    """Episodes of Graphiti as JSON lines, as `model_dump_json` writes them."""
    from graphiti_core.nodes import EpisodeType, EpisodicNode

    contents = [
        (EpisodeType.message, "user: I play the cello.\nassistant: How lovely!\nuser: 谢谢：真的"),
        (EpisodeType.message, "Ada (user): My cat is called Pepper.\nBot (assistant): Cute!"),
        (EpisodeType.message, "Nora: See you at 18:30."),
        (EpisodeType.text, "Ada moved to Haarlem: she likes it."),
        (EpisodeType.json, json.dumps({"city": "Haarlem", "since": {"year": 2024}})),
    ]
    lines = [
        EpisodicNode(
            uuid=f"00000000-0000-4000-8000-00000000000{number}",
            name=f"Episode {number}",
            group_id="ada",
            source=source,
            source_description="chat",
            content=content,
            valid_at=MAY,
            created_at=MAY,
        ).model_dump_json()
        for number, (source, content) in enumerate(contents, 1)
    ]
    (HERE / "graphiti.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_cogx():
    """Archive of Cognee."""
    cogx = load("cognee/modules/migration/cogx.py")
    folder = HERE / "archive.cogx"
    scope = cogx.COGXScope(user_id="ada", session_id="s1")
    turns = [
        cogx.COGXTurn(role="user", content="I play the cello.", occurred_at=MAY),
        cogx.COGXTurn(role="assistant", content="How lovely!"),
        cogx.COGXTurn(role="system", content="Be kind."),
    ]
    own = {"external_system": "mem0", "scope": scope, "created_at": MAY}
    with cogx.COGXArchiveWriter(folder) as writer:
        writer.write(cogx.COGXEpisode(external_id="e1", turns=turns, title="Music", **own))
        writer.write(cogx.COGXMemory(external_id="m1", content="Lives in Haarlem", **own))
        writer.write(cogx.COGXMemoryBlock(external_id="b1", label="human", value="Kind", **own))
        writer.write(cogx.COGXDocument(external_id="d1", content="A diary of May.", **own))
        writer.write(cogx.COGXEntity(external_id="n1", name="Haarlem"))
        writer.write(
            cogx.COGXFact(external_id="f1", subject_ref="a", predicate="lives", object_ref="n1")
        )
        writer.write_raw_node({"id": "r1", "type": "DocumentChunk"})
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)


def make_langchain():
    """Table of LangChain's SQLChatMessageHistory."""
    from langchain_community.chat_message_histories import SQLChatMessageHistory

    path = HERE / "langchain_history.db"
    path.unlink(missing_ok=True)
    for session, question, answer in (
        ("s1", "I play the cello.", "How lovely!"),
        ("s2", "我的猫叫花椒。", "好可爱！"),
    ):
        history = SQLChatMessageHistory(session, connection=f"sqlite:///{path}")
        history.add_user_message(question)
        history.add_ai_message(answer)


if __name__ == "__main__":
    make_mem0()
    make_graphiti()
    make_cogx()
    make_langchain()
