from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.workloads.documents.ocr.texts import PageText, write_part
from app.workloads.documents.text import tokens
from app.workloads.documents.text.pretrained import load_tokenizer
from app.workloads.documents.text.samples import open_samples
from app.workloads.documents.text.task import DocumentTextTask


def test_head_and_tail_of_a_long_text(bert: str) -> None:
    tokenizer = load_tokenizer(bert)
    letters = [chr(ord("a") + i) for i in range(20)]
    plain = tokenizer.convert_tokens_to_ids(letters)
    table = tokens.tokenize(tokenizer, [" ".join(letters), "a b", " \n"], 9)
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    rows = [table.flat[table.starts[i] : table.starts[i + 1]].tolist() for i in range(3)]
    assert rows[0] == [cls, *plain[:4], *plain[-3:], sep]  # 7 fit: 4 head, 3 tail
    assert rows[1] == [cls, *plain[:2], sep]
    assert rows[2] == [cls, *tokenizer("empty", add_special_tokens=False)["input_ids"], sep]


def test_texts_are_tokenized_a_few_at_a_time_and_none_is_lost(bert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = load_tokenizer(bert)
    texts = [" ".join("abc"[: n % 3 + 1]) for n in range(7)]
    one_by_one = [tokens.tokenize(tokenizer, [text], 9).flat.tolist() for text in texts]
    monkeypatch.setattr(tokens, "NUM_TEXTS_PER_CALL", 3)
    table = tokens.tokenize(tokenizer, texts, 9)
    assert [table.flat[a:b].tolist() for a, b in pairwise(table.starts)] == one_by_one
    none = tokens.tokenize(tokenizer, [], 9)
    assert (none.flat.tolist(), none.starts.tolist()) == ([], [0])


def test_512_are_255_of_head_and_tail(bert: str) -> None:
    tokenizer = load_tokenizer(bert)
    a, b = tokenizer.convert_tokens_to_ids(["a", "b"])
    table = tokens.tokenize(tokenizer, [" ".join(["a"] * 400 + ["b"] * 400)], 512)
    assert table.flat[1:-1].tolist() == [a] * 255 + [b] * 255


def test_padding_takes_each_row_s_own_tokens() -> None:
    table = tokens.TokenTable(np.array([5, 6, 7, 8, 9, 10], np.uint16), np.array([0, 3, 4, 6]))
    padded = table.padded(np.array([2, 0, 1]), 4)
    assert padded.tolist() == [[9, 10, 0, 0], [5, 6, 7, 0], [8, 0, 0, 0]]
    assert table.lengths.tolist() == [3, 1, 2]


@pytest.mark.parametrize(("size", "kind"), [(65_535, np.uint16), (65_536, np.int32)])
def test_tokens_of_a_large_vocabulary_are_kept_whole(size: int, kind: type) -> None:
    class Words:
        cls_token_id, sep_token_id = 1, 2

        def __len__(self) -> int:
            return size

        def __call__(self, texts: list[str], **_: bool) -> dict[str, list[list[int]]]:
            return {"input_ids": [[size - 1] for _ in texts]}

    table = tokens.tokenize(Words(), ["a"], 8)
    assert table.flat.dtype == kind and table.flat.tolist() == [1, size - 1, 2]


def test_tokens_are_made_once(options: dict[str, Any], store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = DocumentTextTask(**options)
    first = open_samples(task, store)
    forget()
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "tokenize", None)  # a call would fail
        again = open_samples(task, store)
    assert again.tokens_path == first.tokens_path
    rows = np.arange(5)
    np.testing.assert_array_equal(again.load(rows, rows)["ids"], first.load(rows, rows)["ids"])


def test_other_texts_or_lengths_make_other_tokens(options: dict[str, Any], store: str) -> None:
    paths = {open_samples(DocumentTextTask(**options), store).tokens_path}
    paths.add(open_samples(DocumentTextTask(**{**options, "max_length": 16}), store).tokens_path)
    write_part(store, [PageText("page-00", "dear dear dear", 90.0, "ok")])
    forget()
    samples = open_samples(DocumentTextTask(**options), store)
    assert len(paths | {samples.tokens_path}) == 3
    assert samples.lengths[0] == 5
    assert len(list(Path(store, "tokens").iterdir())) == 3


def forget() -> None:
    for cached in (tokens._made, tokens.read_tokens):
        cached.cache_clear()
