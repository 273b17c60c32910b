"""Base class of the sentencepiece tokenizers, which never encode text as control tokens."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from transformers import PreTrainedTokenizer

from .sentencepiece_files import load_processor


class PieceTokenizer(PreTrainedTokenizer):
    """A transformers tokenizer that uses a sentencepiece file.

    Text is never encoded as control tokens: "</s>", "[gMASK]" or "<|user|>" in it are split into
    pieces like any other text. Control tokens are inserted as ids, from `control_ids`. Tokens added
    by `add_tokens` are not recognized in text either. Batches are padded on the left.

    Args:
        vocab_file: The sentencepiece file.
        options: Keywords of `PreTrainedTokenizer`.

    Attributes:
        control_ids: The ids of the family's control tokens by name.
        family: Name of the family in `llms.families` that it was loaded for; None if it was
            constructed directly.

    Raises:
        ConfigurationError: If the file is damaged, or lacks a control token of this family.
    """

    padding_side = "left"
    vocab_files_names = {"vocab_file": "tokenizer.model"}  # noqa: RUF012 - as in transformers
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012
    control_pieces: ClassVar[tuple[str, ...]] = ()
    """Pieces of the file that text must never be encoded as."""
    appended_tokens: ClassVar[tuple[str, ...]] = ()
    """Control tokens whose ids follow those of the pieces."""
    family: str | None = None

    def __init__(self, vocab_file: str, **options: Any) -> None:
        self.vocab_file = str(vocab_file)
        self._file = Path(vocab_file).read_bytes()
        self._pieces = load_processor(
            self._file, (*self.control_pieces, *self.appended_tokens), vocab_file
        )
        self._size: int = self._pieces.get_piece_size()
        self.control_ids = self._find_control_ids()
        self._non_text = self._find_non_text() | {id: name for name, id in self.control_ids.items()}
        options.setdefault("extra_special_tokens", list(self.control_ids))
        super().__init__(**{**self._special_tokens(), **options})

    @property
    def vocab_size(self) -> int:
        """Number of ids, including those of the appended tokens."""
        return self._size + len(self.appended_tokens)

    def get_vocab(self) -> dict[str, int]:
        """Return ids by piece; if a control token has the same name, its id is used."""
        names = self._pieces.id_to_piece(list(range(self._size)))
        return {
            **{name: id for id, name in enumerate(names)},
            **self.control_ids,
            **self._added_tokens_encoder,
        }

    def tokenize(self, text: str, **options: Any) -> list[str]:  # type: ignore[override]
        """Return the pieces of a text, without any control token."""
        return list(self._pieces.id_to_piece(self._pieces.encode(self._preprocess(text))))

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return the ids of one or two texts with control tokens, as in the model's training."""
        raise NotImplementedError

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """Return 1 for each control token, 0 for text."""
        ids = token_ids_0
        if not already_has_special_tokens:
            ids = self.build_inputs_with_special_tokens(token_ids_0, token_ids_1)
        return [int(id in self._non_text) for id in ids]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Return the text of pieces and control tokens."""
        return self._decode(self.convert_tokens_to_ids(tokens))

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write the sentencepiece file unchanged."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        path = Path(save_directory) / (prefix + self.vocab_files_names["vocab_file"])
        path.write_bytes(self._file)
        return (str(path),)

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **options: Any,
    ) -> str:
        """Return the text; bytes of an incomplete character at its end become U+FFFD."""
        ids = [token_ids] if isinstance(token_ids, int) else [int(id) for id in token_ids]
        parts: list[str] = []
        for is_text, run in groupby(ids, key=self._is_text):
            if is_text:
                parts.append(self._postprocess(self._pieces.decode(list(run))))
            else:
                parts.extend(self._decode_control(id, skip_special_tokens) for id in run)
        return "".join(parts)

    def _is_text(self, id: int) -> bool:
        return id not in self._non_text and 0 <= id < self._size

    def _decode_control(self, id: int, skip_special_tokens: bool) -> str:
        """Return the text of a control or added token; "" for an unused id."""
        added = self._added_tokens_decoder.get(id)
        if skip_special_tokens and (added is None or added.special):
            return ""
        return added.content if added else self._non_text.get(id, "")

    def _find_control_ids(self) -> dict[str, int]:
        return {name: self._size + index for index, name in enumerate(self.appended_tokens)}

    def _find_non_text(self) -> dict[int, str]:
        """Return the control and unknown pieces of the file by id, such as <s> and </s>."""
        ids = list(range(self._size))
        kinds = zip(ids, self._pieces.is_control(ids), self._pieces.is_unknown(ids), strict=True)
        return {id: self._pieces.id_to_piece(id) for id, *kind in kinds if any(kind)}

    def _special_tokens(self) -> dict[str, str]:
        """Return the special tokens under their names in transformers."""
        to_piece = self._pieces.id_to_piece
        return {
            "bos_token": to_piece(self._pieces.bos_id()),
            "eos_token": to_piece(self._pieces.eos_id()),
            "unk_token": to_piece(self._pieces.unk_id()),
            "pad_token": to_piece(self._pieces.unk_id()),
        }

    def _preprocess(self, text: str) -> str:
        return text

    def _postprocess(self, text: str) -> str:
        return text

    def _convert_token_to_id(self, token: str) -> int:
        return int(self._pieces.piece_to_id(token))

    def _convert_id_to_token(self, index: int) -> str:
        if index in self._non_text:
            return self._non_text[index]
        return str(self._pieces.id_to_piece(index)) if 0 <= index < self._size else ""
