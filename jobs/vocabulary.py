"""Make a small BERT for a store: a vocabulary learned from its text, random weights; for trials without a network."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """A folder with tokenizer and model that the text task's `model` can name."""

    store: str
    """Prepared store with OCR text (jobs/ocr.py)."""
    out: str
    """Local folder to make."""
    partition: int | None = None
    """In a store with partitions: learn from this one's training pages alone; all pages if not given."""
    vocabulary_size: int = 4000
    """Word pieces at most."""
    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    max_length: int = 512
    """Positions."""
    seed: int = 0
    """Seed of the weights."""


def main(arguments: Vocabulary) -> None:
    import numpy as np

    from app.console import say
    from app.data.samples.splits import TRAIN
    from app.errors import UsageError
    from app.workloads.documents.store.prepared import DocumentStore
    from app.workloads.documents.text.tiny_bert import SmallBert, make_small_bert

    start_s = time.monotonic()
    if "://" in arguments.out:
        raise UsageError(f"--out: got {arguments.out}, expected a local folder")
    sizes = SmallBert(
        arguments.vocabulary_size,
        arguments.hidden_size,
        arguments.num_layers,
        arguments.num_heads,
        arguments.max_length,
        arguments.seed,
    )
    store = DocumentStore(arguments.store)
    every_page = store.options.num_partitions > 0 and arguments.partition is None
    rows = np.arange(len(store)) if every_page else store.rows(TRAIN, arguments.partition)
    note = make_small_bert(store.read_texts(rows), arguments.out, sizes)
    facts = f"{note['vocabulary']}, {note['num_parameters']} parameters with {note['weights']} weights"
    say(f"{arguments.out}: {facts}, {time.monotonic() - start_s:.1f} s")


if __name__ == "__main__":
    from app.command_line import run

    run(Vocabulary, main, description=__doc__)
