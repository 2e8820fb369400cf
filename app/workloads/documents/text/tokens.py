"""Tokens of every page of a store, made once for a tokenizer and kept in the store's `tokens/` folder.

A file `tokens/<key>.npz` holds the tokens of all pages one after the other and where each page begins; its key is a
hash of the tokenizer, the number of tokens, the pages and the stamps of the OCR text.
"""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from app.data import files
from app.errors import DataError
from app.workloads.documents.ocr.texts import text_parts
from app.workloads.documents.store.prepared import DocumentStore, open_store
from app.workloads.documents.text.pretrained import load_tokenizer

TOKENS_FOLDER = "tokens"
FORMAT = 1
EMPTY_TEXT = "empty"
"""What an empty page says (as in Ferrando 2020)."""
NUM_TEXTS_PER_CALL = 512


@dataclass(frozen=True)
class TokenTable:
    """Tokens of pages by row; [CLS] first and [SEP] last."""

    flat: npt.NDArray[Any]
    """Tokens of all pages, one after the other; uint16 or int32."""
    starts: npt.NDArray[np.int64]
    """Where each page begins, and the end of the last, [N + 1]."""

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Tokens of each page, [N]."""
        return np.diff(self.starts).astype(np.int32)

    def padded(self, rows: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.int32]:
        """[B, width], zeros behind the tokens of each page."""
        ids = np.zeros((len(rows), width), np.int32)
        for i, row in enumerate(rows):
            tokens = self.flat[self.starts[row] : self.starts[row + 1]]
            ids[i, : len(tokens)] = tokens
        return ids


def open_tokens(store: str, model: str, max_length: int) -> str:
    """The path of the store's tokens for this model, which are made when they are not there.

    Raises:
        UsageError: no such tokenizer.
        DataError: the store is missing or damaged, lacks OCR text, or cannot be written.
    """
    return _made(open_store(store), model, max_length)


@lru_cache(maxsize=2)
def _made(store: DocumentStore, model: str, max_length: int) -> str:
    tokenizer = load_tokenizer(model)
    path = files.join(store.root, TOKENS_FOLDER, f"{_key(tokenizer, max_length, store)}.npz")
    if not files.exists(path):
        texts = store.read_texts(np.arange(len(store)))
        table = tokenize(tokenizer, texts, max_length)
        buffer = io.BytesIO()
        np.savez(buffer, flat=table.flat, starts=table.starts)
        files.write_bytes_atomic(path, buffer.getvalue())
    return path


@lru_cache(maxsize=2)
def read_tokens(path: str) -> TokenTable:
    """Raises DataError when the file is missing or damaged."""
    try:
        with np.load(io.BytesIO(files.read_bytes(path))) as arrays:
            return TokenTable(arrays["flat"], arrays["starts"])
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}; delete it, it is made again") from error


def tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> TokenTable:
    """Tokens of each text between [CLS] and [SEP]; of a longer one the head and the tail, `max_length` in all."""
    budget = max_length - 2
    head = (budget + 1) // 2
    tail = budget - head
    parts: list[npt.NDArray[np.int32]] = []
    for start in range(0, len(texts), NUM_TEXTS_PER_CALL):
        chunk = [text if text.strip() else EMPTY_TEXT for text in texts[start : start + NUM_TEXTS_PER_CALL]]
        found = tokenizer(
            chunk,
            add_special_tokens=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        for ids in found:
            kept = ids if len(ids) <= budget else ids[:head] + ids[-tail:]
            parts.append(np.array([tokenizer.cls_token_id, *kept, tokenizer.sep_token_id], np.int32))
    flat = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    small = len(tokenizer) <= np.iinfo(np.uint16).max
    starts = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    return TokenTable(flat.astype(np.uint16) if small else flat, starts)


def _key(tokenizer: Any, max_length: int, store: DocumentStore) -> str:
    texts = [(files.name_of(path), stamp) for path, stamp in text_parts(store.root)]
    told = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode())
    told.update(repr((FORMAT, max_length, texts)).encode())
    told.update("\n".join(store.ids).encode())
    return told.hexdigest()[:24]
