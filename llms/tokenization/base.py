"""What the tokenizers of 2023 have in common: sentencepiece, and marks that are no text."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from transformers import PreTrainedTokenizer

from .sentencepiece_files import processor_of


class PieceTokenizer(PreTrainedTokenizer):
    """A tokenizer of transformers' on a sentencepiece file.

    Text is only text: "</s>", "[gMASK]" or "<|user|>" in it become the pieces of their letters.
    The marks enter as ids, from `marks`. Tokens that `add_tokens` brings are never found in text
    either. Batches are padded on the left.

    Args:
        vocab_file: The sentencepiece file.
        options: What transformers' tokenizers take.

    Attributes:
        marks: The ids of what is no text, by name.
        family: Name of the family for which it was loaded, a row of `llms.families`; None if it
            was constructed directly.

    Raises:
        ConfigurationError: The file is damaged, or lacks a mark of this family.
    """

    padding_side = "left"
    vocab_files_names = {"vocab_file": "tokenizer.model"}  # noqa: RUF012 - transformers' way
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012
    no_text: ClassVar[tuple[str, ...]] = ()
    """Pieces that text must not become."""
    appended: ClassVar[tuple[str, ...]] = ()
    """Marks whose ids follow those of the pieces."""
    family: str | None = None

    def __init__(self, vocab_file: str, **options: Any) -> None:
        self.vocab_file = str(vocab_file)
        self._file = Path(vocab_file).read_bytes()
        self._pieces = processor_of(self._file, (*self.no_text, *self.appended), vocab_file)
        self._size: int = self._pieces.get_piece_size()
        self.marks = self._marks()
        self._hidden = self._control() | {id: name for name, id in self.marks.items()}
        options.setdefault("extra_special_tokens", list(self.marks))
        super().__init__(**{**self._special(), **options})

    @property
    def vocab_size(self) -> int:
        """How many ids there are, those of the marks included."""
        return self._size + len(self.appended)

    def get_vocab(self) -> dict[str, int]:
        """Ids by piece; a mark's own id goes before that of a piece of the same name."""
        names = self._pieces.id_to_piece(list(range(self._size)))
        return {
            **{name: id for id, name in enumerate(names)},
            **self.marks,
            **self._added_tokens_encoder,
        }

    def tokenize(self, text: str, **options: Any) -> list[str]:  # type: ignore[override]
        """The pieces of a text, none of them a mark."""
        return list(self._pieces.id_to_piece(self._pieces.encode(self._prepared(text))))

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The ids of one or two texts with the marks that the model was trained with."""
        raise NotImplementedError

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for a mark, 0 for text."""
        ids = token_ids_0
        if not already_has_special_tokens:
            ids = self.build_inputs_with_special_tokens(token_ids_0, token_ids_1)
        return [int(id in self._hidden) for id in ids]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text of pieces and marks."""
        return self._decode(self.convert_tokens_to_ids(tokens))

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Writes the sentencepiece file as it was read."""
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
        """The text; bytes at its end that are no whole character yet show as U+FFFD."""
        ids = [token_ids] if isinstance(token_ids, int) else [int(id) for id in token_ids]
        parts: list[str] = []
        for is_text, run in groupby(ids, key=self._is_text):
            if is_text:
                parts.append(self._restored(self._pieces.decode(list(run))))
            else:
                parts.extend(self._shown(id, skip_special_tokens) for id in run)
        return "".join(parts)

    def _is_text(self, id: int) -> bool:
        return id not in self._hidden and 0 <= id < self._size

    def _shown(self, id: int, skip_special_tokens: bool) -> str:
        """What shows of a mark or an added token; nothing of an id that the model has spare."""
        added = self._added_tokens_decoder.get(id)
        if skip_special_tokens and (added is None or added.special):
            return ""
        return added.content if added else self._hidden.get(id, "")

    def _marks(self) -> dict[str, int]:
        return {name: self._size + place for place, name in enumerate(self.appended)}

    def _control(self) -> dict[int, str]:
        """The pieces of the file that are no text, such as <s> and </s>."""
        ids = list(range(self._size))
        kinds = zip(ids, self._pieces.is_control(ids), self._pieces.is_unknown(ids), strict=True)
        return {id: self._pieces.id_to_piece(id) for id, *kind in kinds if any(kind)}

    def _special(self) -> dict[str, str]:
        """The tokens that transformers has names for."""
        names = self._pieces.id_to_piece
        return {
            "bos_token": names(self._pieces.bos_id()),
            "eos_token": names(self._pieces.eos_id()),
            "unk_token": names(self._pieces.unk_id()),
            "pad_token": names(self._pieces.unk_id()),
        }

    def _prepared(self, text: str) -> str:
        return text

    def _restored(self, text: str) -> str:
        return text

    def _convert_token_to_id(self, token: str) -> int:
        return int(self._pieces.piece_to_id(token))

    def _convert_id_to_token(self, index: int) -> str:
        if index in self._hidden:
            return self._hidden[index]
        return str(self._pieces.id_to_piece(index)) if 0 <= index < self._size else ""
