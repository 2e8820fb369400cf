"""What the workloads of document pages say of themselves."""

from app.records import ScoreFamily
from app.workloads.declaration import Declaration
from app.workloads.documents.commands.flags import (
    EvaluateDocuments,
    EvaluateEnsemble,
    PredictDocuments,
    PrepareDocuments,
    TrainDocumentImage,
    TrainDocumentText,
)

SCORES = (
    ScoreFamily("accuracy", "Accuracy"),
    ScoreFamily("cross_entropy", "Cross-entropy", better="lower"),
)
PREPARE = {"documents": PrepareDocuments}
EVALUATE = {"documents": EvaluateDocuments, "documents-ensemble": EvaluateEnsemble}
PREDICT = {"documents": PredictDocuments}
NUM_CASES = "app.workloads.documents.store.counts:num_cases"

DOCUMENT_IMAGE = Declaration(
    workload="app.workloads.documents.image.workload:DocumentImageWorkload",
    scores=SCORES,
    prepare=PREPARE,
    train={"document-image": TrainDocumentImage},
    evaluate=EVALUATE,
    predict=PREDICT,
    check="app.workloads.documents.image.checks:check",
    export="app.workloads.documents.image.export:form",
    num_cases=NUM_CASES,
    later_facts=("stored_size",),
)
DOCUMENT_TEXT = Declaration(
    workload="app.workloads.documents.text.workload:DocumentTextWorkload",
    scores=SCORES,
    prepare=PREPARE,
    train={"document-text": TrainDocumentText},
    evaluate=EVALUATE,
    predict=PREDICT,
    check="app.workloads.documents.text.checks:check",
    num_cases=NUM_CASES,
    later_facts=("ocr",),
)
