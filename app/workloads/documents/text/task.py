"""The options of the document text workload: plain values, checked here, passed to everything else."""

from dataclasses import dataclass

from app.errors import require


@dataclass(frozen=True)
class DocumentTextTask:
    """Which BERT reads which part of a page's text."""

    model: str = "bert-base-uncased"
    """Hub id or local folder of a BERT and its tokenizer (jobs/vocabulary.py makes a small one)."""
    weights: str | None = None
    """Initial weights in place of the model's own: a file of weights (.safetensors, .pt, .pth) or the folder of a run
    of this workload with the same model; a head that does not fit is new, and said; where less than half of the tensors
    fit, nothing is trained."""
    num_layers: int | None = 6
    """The first ones of the model's; None: all."""
    max_length: int = 512
    """Tokens of a page, [CLS] and [SEP] among them: of a longer text the first and the last halves of what fits."""
    dropout: float = 0.2
    """Before the head; within the model its own rates hold."""
    head_learning_rate: float | None = 1e-3
    """Peak rate of the head, at the same schedule; None: the optimizer's, which is the body's."""
    label_smoothing: float = 0.0
    partition: int | None = None
    """Which random partition to train on, in a store that has them (Tobacco3482)."""
    classes: tuple[str, ...] = ()
    """Filled in from the store before the training."""
    ocr: str = ""
    """How most of the store's texts were read, filled in from it too; new pages are read the same way. Empty: the store
    does not say."""

    def __post_init__(self) -> None:
        require(bool(self.model), "model", self.model, "a hub id or a folder")
        require(self.num_layers is None or self.num_layers >= 1, "num_layers", self.num_layers, "1 or more, or null")
        require(self.max_length >= 4, "max_length", self.max_length, "4 or more: [CLS], head, tail, [SEP]")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "a share from 0 to below 1")
        require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "a share from 0 to below 1")
        rate = self.head_learning_rate
        require(rate is None or rate > 0, "head_learning_rate", rate, "more than 0, or null")
        require(self.partition is None or self.partition >= 0, "partition", self.partition, "0 or more, or null")
