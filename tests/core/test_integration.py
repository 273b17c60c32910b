"""Functions that the adapters share."""

import json
from datetime import datetime, timezone

from memorybank_core import MemoryBank, Turn
from memorybank_core.integration import recall_id, result_metadata

MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)


def test_a_recall_id_is_stable_across_versions():
    assert recall_id("work", "turn-1", "Who plays?") == "d360f0b7e5f097cf630228b9de47772e"
    assert recall_id(None, None, "") != recall_id("", None, "")


def test_metadata_of_a_result_is_plain_json(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([Turn("Nora plays the cello.", "", MONDAY, session="s")], user_id="alice")
        (result,) = bank.search("cello", user_id="alice")
    metadata = result_metadata(result)
    assert json.loads(json.dumps(metadata)) == metadata
    assert (metadata["day"], metadata["kind"], metadata["session"]) == ("2024-03-04", "turn", "s")
    assert metadata["parts"] == result.to_dict()["parts"]
