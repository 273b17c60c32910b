"""A new family of models needs only a new row in `llms.families`."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from llms import Sampling, families, load_tokenizer
from llms.finetuning.recipe import Recipe
from llms.loading.model_files import find_model_family
from llms.prompt_formats import PROMPT_FORMATS, find_prompt_format
from memorybank_core import ConfigurationError

PIECES = Path(__file__).parents[1] / "data" / "chatglm" / "tiny_sentencepiece.model"


@pytest.fixture
def add_row(monkeypatch):
    def add(**fields):
        row = families.Family(**fields)
        monkeypatch.setattr(families, "FAMILIES", (row, *families.FAMILIES))
        return row

    return add


@pytest.fixture
def folder(tmp_path):
    config = {"model_type": "llama", "vocab_size": 3000, "trained_by": "LMSYS"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.model").write_bytes(PIECES.read_bytes())
    return tmp_path


def test_row_sets_tokenizer_prompt_format_and_defaults(folder, add_row):
    assert load_tokenizer(folder).family == "llama"
    assert find_prompt_format(load_tokenizer(folder)).name == "plain"
    row = add_row(
        name="vicuna",
        title="Vicuna",
        matches_config=lambda config: config.get("trained_by") == "LMSYS",
        tokenizer="llms.tokenization.llama:PieceLlamaTokenizer",
        prompt_format="belle",
        sampling=Sampling(temperature=0.7),
        loaded_type="vicuna",
        lora=families.LoraDefaults(("o_proj",), alpha=4.0, dropout=0.2),
    )
    assert load_tokenizer(folder).family == "vicuna"
    assert find_prompt_format(load_tokenizer(folder)) is PROMPT_FORMATS["belle"]
    assert find_model_family(folder) is row
    settings = Recipe().for_model("vicuna", 512)
    assert (settings["targets"], settings["alpha"], settings["dropout"]) == (["o_proj"], 4.0, 0.2)
    assert load_tokenizer(folder, generation="vicuna").family == "vicuna"
    with pytest.raises(ConfigurationError, match="known: vicuna, chatglm, chatglm2"):
        load_tokenizer(folder, generation="alpaca")


def test_row_identified_by_model_name_only(folder, add_row):
    add_row(
        name="tmp",
        title="Any model in a temporary folder",
        name_pattern=re.compile(re.escape(folder.name)),
        prompt_format="chatglm2",
    )
    tokenizer = load_tokenizer(folder)
    assert tokenizer.family == "llama"
    assert find_prompt_format(tokenizer) is PROMPT_FORMATS["chatglm2"]


def test_rows_refer_to_existing_formats():
    names = [row.name for row in families.FAMILIES]
    assert len(names) == len(set(names))
    for row in families.FAMILIES:
        assert row.prompt_format is None or row.prompt_format in PROMPT_FORMATS
        assert row.matches_config or row.name_pattern
