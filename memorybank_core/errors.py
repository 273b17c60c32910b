"""The errors of the package, in one tree.

MemoryBankError
├── InvalidInputError        an argument is not valid (also a ValueError)
│   └── ArgumentError            a call has an unknown argument, or lacks one (also a TypeError)
├── ConfigurationError       a name, path or option cannot be used
│   └── MissingDependencyError   an optional package is not installed (also an ImportError)
├── ConflictError            a turn id is taken by another text
├── FormatError              an import file is malformed; the message names the entry
├── LLMError                 the language model failed; nothing was stored
│   ├── ContextOverflowError     the prompt is longer than the context window
│   └── AnswerError              the answer is empty, refused or cut off
├── EmbedderError            the embedder failed, or returned vectors that cannot be used
│   ├── EmbedderMismatchError    another embedder wrote the bank
│   └── EmbedderUnavailableError  the server of the embedder cannot be reached or refuses for now
├── RerankerError            the reranker failed, or returned scores that cannot be used
├── ForkedProcessError       the process was forked while what it needs was in use
└── StoreError               the store failed; nothing of the call was stored
    ├── NotABankError        the file is not a memory bank, or is damaged
    ├── SchemaTooNewError    a newer version of the package wrote it
    ├── SchemaTooOldError    an older version made the tables; they must be upgraded first
    ├── StoreBusyError       another process holds the lock
    ├── StoreUnavailableError    the database server cannot be reached
    ├── StoreWriteError      the disk is full, failing or read-only
    └── StoreClosedError     the store was closed

Two are warnings: `SettingsWarning`, a bank is opened with other settings than it keeps, and
`EmbedderWarning`, a new bank compares words only, because no model is installed.
"""


class MemoryBankError(Exception):
    """Base class of all errors of this package."""


class InvalidInputError(MemoryBankError, ValueError):
    """An argument is not valid; nothing was read or written."""


class ArgumentError(InvalidInputError, TypeError):
    """A method has no argument of this name, or lacks a required one; nothing was done."""


class ConfigurationError(MemoryBankError):
    """A name, path or option cannot be used."""


class MissingDependencyError(ConfigurationError, ImportError):
    """An optional package is not installed; the message says how to install it."""

    @classmethod
    def of(cls, package: str, extra: str) -> "MissingDependencyError":
        """Return the error for `package`, which the extra `extra` installs."""
        return cls(f'{package} is not installed. Run: pip install "memorybank-llm[{extra}]"')


class ConflictError(MemoryBankError):
    """A turn id is already taken by another text."""


class FormatError(MemoryBankError):
    """An import file is malformed; the message names the entry and the fault."""


class LLMError(MemoryBankError):
    """The language model could not be reached, failed, or returned nothing usable."""


class ContextOverflowError(LLMError):
    """The prompt is longer than the model's context window; a shorter one may fit."""


class AnswerError(LLMError):
    """The model's answer is empty, a refusal, or cut off.

    Args:
        message: The message.
        reason: "empty", "refused" or "cut_off"; "" for anything else.
    """

    def __init__(self, message: str = "", *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class EmbedderError(MemoryBankError):
    """The embedder failed, or returned vectors that cannot be used; nothing was stored."""


class EmbedderMismatchError(EmbedderError):
    """Another embedder wrote the bank's vectors."""


class EmbedderUnavailableError(EmbedderError):
    """The server of the embedder cannot be reached, or refuses for now; nothing was stored."""


class RerankerError(MemoryBankError):
    """The reranker failed or returned scores that cannot be used.

    A search logs it and returns its results in the order without the reranker.
    """


class ForkedProcessError(MemoryBankError):
    """The process was forked while a bank or a model was in use, and cannot use it."""


class StoreError(MemoryBankError):
    """The store failed; nothing of the call was stored."""


class NotABankError(StoreError):
    """The file is not a memory bank, or is damaged."""


class SchemaTooNewError(StoreError):
    """A newer version of the package wrote the file."""


class SchemaTooOldError(StoreError):
    """An older version of the package made the tables; they must be upgraded first."""


class StoreBusyError(StoreError):
    """Another process held the lock for longer than the timeout."""


class StoreUnavailableError(StoreError):
    """The database server could not be reached within the timeout."""


class StoreWriteError(StoreError):
    """The disk is full, failing or read-only, or another program replaced or overwrote the file."""


class StoreClosedError(StoreError):
    """The bank or its store was closed before the call."""


class SettingsWarning(UserWarning):
    """A bank is opened with other settings than it keeps, or does not know its settings.

    Also: a page is served to other machines without a password.
    """


class EmbedderWarning(UserWarning):
    """No embedding model is installed, so a new bank compares words and not their meaning."""
