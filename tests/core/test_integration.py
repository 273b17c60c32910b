"""Metadata of a search result, as the adapters return it."""

import json
from datetime import datetime, timezone

from memorybank_core import MemoryBank, Turn
from memorybank_core.integration import result_metadata

MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)


def test_metadata_of_a_result_is_plain_json(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([Turn("Nora plays the cello.", "", MONDAY, session="s")], user_id="alice")
        (result,) = bank.search("cello", user_id="alice")
    metadata = result_metadata(result)
    assert json.loads(json.dumps(metadata)) == metadata
    assert (metadata["day"], metadata["kind"], metadata["session"]) == ("2024-03-04", "turn", "s")
    assert metadata["parts"] == result.to_dict()["parts"]
