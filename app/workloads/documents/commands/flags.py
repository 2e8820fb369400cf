"""Flags of the jobs on document pages; the work is imported when it begins."""

from dataclasses import dataclass, field
from typing import Literal

from app.errors import UsageError
from app.experiment import OptimizerConfig, ScheduleConfig
from app.workloads.declaration import Engine, EvaluateFlags, Launcher, PredictFlags, PrepareFlags, TrainFlags
from app.workloads.documents import recipes
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.text.task import DocumentTextTask

WORKLOADS = ("document_image", "document_text")


@dataclass(frozen=True)
class PrepareDocuments(PrepareFlags):
    """Document pages: RVL-CDIP, Tobacco3482, a folder for each class, or Parquet mirrors (the layout is recognised)."""

    image_size: int = 384
    """Pixels along each edge of a stored page; larger networks want more."""
    num_partitions: int | None = None
    """Random partitions into train, validation and test; if not given, 10 for Tobacco3482 and 0 for all other sets."""
    per_class: int = 100
    """Pages of each class that train (80 %) and validate (20 %) in a partition; all others test."""
    seed: int = 0
    """Seed of the partitions; also of the 70/15/15 % split of sets that have no split and no partitions, and of the 10
    % of training pages that validate where a set has a test split alone."""
    layout: Literal["rvl-cdip", "tobacco", "class-folders", "split-folders", "metadata", "parquet"] | None = None
    """How the source is to be read where it can be read in two ways; recognised if not given."""
    class_column: str | None = None
    """Column of metadata.jsonl or .csv, or of Parquet tables, that is the class; recognised if not given."""
    groups: str = "names"
    """Which pages are of one document, to stay together in every split: by their `names` (acme_p1, acme_p2), `none`, or
    a CSV file with the columns `file` and `document`."""
    allow_outside: bool = False
    """Also read files outside the source that a list or a link names."""
    max_pixels: int = 200_000_000
    """A page of more is refused, as a decompression bomb; of 1 bit, which is read in reduced form, three times that."""
    compare_with: str | None = None
    """Another store, as Tobacco3482's for RVL-CDIP: pages that are also there are listed and left out of training."""

    def prepare(self, engine: Engine) -> None:
        from app.workloads.documents.commands.prepare import prepare

        prepare(self, engine)


@dataclass(frozen=True, kw_only=True)
class TrainDocumentImage(TrainFlags):
    """Pages by their image; Ferrando 2020 trains 20 epochs on RVL-CDIP at a rate of 0.2 x batch / 256."""

    workload = "document_image"
    epochs: int = recipes.IMAGE_EPOCHS
    batch_size: int = recipes.IMAGE_BATCH
    optimizer: OptimizerConfig = recipes.IMAGE_OPTIMIZER
    schedule: ScheduleConfig = recipes.IMAGE_SCHEDULE
    task: DocumentImageTask = field(default_factory=DocumentImageTask)


@dataclass(frozen=True, kw_only=True)
class TrainDocumentText(TrainFlags):
    """Pages by their OCR text (jobs/ocr.py); the defaults are those of Ferrando 2020 (AdamW 3e-5, batch 6)."""

    workload = "document_text"
    epochs: int = recipes.TEXT_EPOCHS
    batch_size: int = recipes.TEXT_BATCH
    optimizer: OptimizerConfig = recipes.TEXT_OPTIMIZER
    schedule: ScheduleConfig = recipes.TEXT_SCHEDULE
    task: DocumentTextTask = field(default_factory=DocumentTextTask)


@dataclass(frozen=True, kw_only=True)
class EvaluateDocuments(EvaluateFlags):
    """Accuracy and cross-entropy of a page classifier, by image or by text; probabilities of each page in cases.csv."""

    workloads = WORKLOADS

    def conventions(self) -> tuple[str, ...]:
        from app.workloads.documents.scoring import CONVENTIONS

        return CONVENTIONS


@dataclass(frozen=True, kw_only=True)
class EvaluateEnsemble:
    """Image and text together against each alone, over the partitions given; learned on validation, scored on test.

    Runs that `evaluate documents` has not scored on these splits as they are now are scored first."""

    image: tuple[str, ...]
    """Runs of document-image, one a partition."""
    text: tuple[str, ...]
    """Runs of document-text, in the same order."""
    store: str
    """Prepared store of all of them."""
    out: str
    """Folder for ensemble.json."""
    workers: int = 1
    """Workers of each evaluation that is missing."""
    launcher: Launcher = "ray"
    """`local` evaluates in this process, without Ray."""

    def evaluate(self, engine: Engine) -> None:
        from app.workloads.documents.commands.ensemble import evaluate

        evaluate(self, engine)


@dataclass(frozen=True, kw_only=True)
class PredictDocuments(PredictFlags):
    """Classes of pages, by image, by text (OCR) or by both."""

    items = "pages"
    input: tuple[str, ...] = ()
    """Images (TIFF, JPEG, PNG, ...), PDFs, or folders of them."""
    out: str | None = None
    """Folder for predictions.csv (or .parquet), and for thumbnails by doubt: sheet.html, and sheet.json for reports."""
    image_model: str | None = None
    """Folder (or URL) of a run of document-image."""
    text_model: str | None = None
    """Folder (or URL) of a run of document-text; pages are read by Tesseract."""
    table: Literal["csv", "parquet"] = "csv"
    byte_order_mark: bool = False
    """Begin the CSV with a mark by which Excel knows its umlauts; other readers may take it for a part of `id`."""
    language: str | None = None
    """Language of the text, Tesseract's code; if not given, that of the text model's own pages, as with all of
    these:"""
    psm: int | None = None
    """Page segmentation mode, as of jobs/ocr.py."""
    oem: int | None = None
    """Engine mode."""
    orientation: Literal["yes", "no"] | None = None
    """Turn pages that come out as noise the way up that Tesseract thinks right, and read them again."""
    time_limit_s: float = 60.0
    """Time limit of one OCR attempt at a page."""
    num_retries: int = 1
    """Attempts of OCR after one that failed or ran out of time."""
    max_pixels: int = 200_000_000
    """A page of more is refused, as a decompression bomb; of 1 bit, which is read in reduced form, three times that."""
    labelled: bool = False
    """The name of the folder that a page lies in is its class: the sheet says which pages are right."""
    workers: int = 1
    """Workers that each hold a model and take some pages at a time."""
    export: str | None = None
    """Also write the image model as a self-contained folder: weights, preprocessing, ONNX. Needs no --input."""

    def check(self) -> None:
        if self.image_model is None and (self.text_model is None or self.export is not None):
            both = "with --image-model, with --text-model, or both"
            raise UsageError(f"no model: give a run {both if self.export is None else 'with --image-model'}")

    def exported(self) -> tuple[str, str]:
        return str(self.image_model), "document_image"

    def predict(self, engine: Engine) -> None:
        from app.workloads.documents.commands.predict import predict

        predict(self, engine)
