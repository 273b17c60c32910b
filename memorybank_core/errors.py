"""What can go wrong, as one tree.

MemoryBankError
├── InvalidInputError        an argument is not what it must be (also a ValueError)
├── ConfigurationError       a name, path or option that cannot work here
│   └── MissingDependencyError   an optional package is not installed (also an ImportError)
├── ConflictError            a turn id is taken by another text
├── FormatError              an import file is malformed; says which entry
├── LLMError                 the language model failed; nothing was stored
│   ├── ContextOverflowError     the prompt is longer than the model reads
│   └── AnswerError              its answer is empty, refused or cut off
├── EmbedderError            the embedder failed, or gave vectors that cannot be used
│   └── EmbedderMismatchError    the bank was written by another embedder
└── StoreError               the store could not do it; nothing of the call was kept
    ├── NotABankError        the file is no memory bank, or is damaged
    ├── SchemaTooNewError    a newer version of the package wrote it
    ├── SchemaTooOldError    an older one did, and the database is to be upgraded first
    ├── StoreBusyError       another process holds the lock
    ├── StoreUnavailableError    the database server cannot be reached
    ├── StoreWriteError      the disk is full, failing or read-only
    └── StoreClosedError     it was closed
"""


class MemoryBankError(Exception):
    """The root of every error that this package raises on purpose."""


class InvalidInputError(MemoryBankError, ValueError):
    """An argument is not what it must be; nothing was read or written."""


class ConfigurationError(MemoryBankError):
    """A name, path or option that cannot work here."""


class MissingDependencyError(ConfigurationError, ImportError):
    """An optional package is not installed; the message has the command that installs it."""

    @classmethod
    def of(cls, package: str, extra: str) -> "MissingDependencyError":
        """The error for `package`, which the extra `extra` brings."""
        return cls(f'{package} is not installed. Run: pip install "memorybank[{extra}]"')


class ConflictError(MemoryBankError):
    """A turn id is already taken by a turn with another text."""


class FormatError(MemoryBankError):
    """An import file is malformed; the message names the entry and what is wrong with it."""


class LLMError(MemoryBankError):
    """The language model could not be reached, failed, or gave nothing that can be used."""


class ContextOverflowError(LLMError):
    """The prompt is longer than the model reads; a shorter one may do."""


class AnswerError(LLMError):
    """The model's answer is empty, a refusal, or was cut off."""


class EmbedderError(MemoryBankError):
    """The embedder failed, or gave vectors that cannot be used; nothing was stored."""


class EmbedderMismatchError(EmbedderError):
    """The bank's vectors were written by another embedder."""


class StoreError(MemoryBankError):
    """The store could not do what was asked; nothing of the call was kept."""


class NotABankError(StoreError):
    """The file is no memory bank, or is damaged."""


class SchemaTooNewError(StoreError):
    """A newer version of the package wrote the file."""


class SchemaTooOldError(StoreError):
    """An older version of the package made the tables; they are to be upgraded first."""


class StoreBusyError(StoreError):
    """Another process held the lock for longer than the time-out."""


class StoreUnavailableError(StoreError):
    """The database server could not be reached in the time that a call may take."""


class StoreWriteError(StoreError):
    """The disk is full, failing or read-only."""


class StoreClosedError(StoreError):
    """The bank or its store was closed."""
