"""A small BERT made without a network: a WordPiece vocabulary learned from texts, and random weights, said so."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.data import files
from app.errors import DataError, UsageError
from app.workloads.documents.text.pretrained import NOTE_NAME, quiet


@dataclass(frozen=True)
class SmallBert:
    """Sizes of the model."""

    vocabulary_size: int = 4000
    """At most; few texts give fewer word pieces."""
    hidden_size: int = 128
    num_layers: int = 4
    num_heads: int = 4
    max_length: int = 512
    """Positions."""
    seed: int = 0
    """Seed of the weights."""

    def __post_init__(self) -> None:
        for name in ("hidden_size", "num_layers", "num_heads", "max_length"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: got {getattr(self, name)}, expected 1 or more")
        if self.hidden_size % self.num_heads:
            raise UsageError(f"hidden_size: got {self.hidden_size}, expected a multiple of {self.num_heads} heads")
        if self.vocabulary_size < 100:
            raise UsageError(f"vocabulary_size: got {self.vocabulary_size}, expected 100 or more")


def make_small_bert(texts: Sequence[str], folder: str, sizes: SmallBert) -> dict[str, Any]:
    """Save tokenizer and model for from_pretrained into a local folder; the note that is left there.

    Raises:
        DataError: there is no text to learn a vocabulary from.
    """
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = train_tokenizer(texts, sizes)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.num_layers,
        num_attention_heads=sizes.num_heads,
        intermediate_size=4 * sizes.hidden_size,
        max_position_embeddings=sizes.max_length,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sizes.seed)
        model = BertModel(config, add_pooling_layer=False)
    with quiet():
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
    note = {
        "weights": "random",
        "vocabulary": f"{len(tokenizer)} word pieces learned from {len(texts)} texts",
        "num_parameters": sum(p.numel() for p in model.parameters()),
        **asdict(sizes),
    }
    files.write_json(files.join(folder, NOTE_NAME), note)  # last: it says that the folder is whole
    return note


def train_tokenizer(texts: Sequence[str], sizes: SmallBert) -> Any:
    """BERT's lower-case WordPiece tokenizer with a vocabulary of its own."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    known = [text for text in texts if text.strip()]
    if not known:
        raise DataError(f"none of {len(texts)} pages has any text; a vocabulary needs some")
    pieces = BertWordPieceTokenizer(lowercase=True)
    pieces.train_from_iterator(known, vocab_size=sizes.vocabulary_size, show_progress=False)
    return BertTokenizer(tokenizer_object=pieces._tokenizer, model_max_length=sizes.max_length)
