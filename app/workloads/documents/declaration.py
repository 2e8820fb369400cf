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
from app.workloads.documents.commands.synthesize import SynthesizeRvlCdip, SynthesizeTobacco

SCORES = (
    ScoreFamily("accuracy", "Accuracy"),
    ScoreFamily("cross_entropy", "Cross-entropy", better="lower"),
)
PREPARE = {"documents": PrepareDocuments}
EVALUATE = {"documents": EvaluateDocuments, "documents-ensemble": EvaluateEnsemble}
PREDICT = {"documents": PredictDocuments}
RECIPES = "app.workloads.documents.recipes:RECIPES"
SYNTHESIZE = {"rvl-cdip": SynthesizeRvlCdip, "tobacco": SynthesizeTobacco}

DOCUMENT_IMAGE = Declaration(
    workload="app.workloads.documents.image.workload:DocumentImageWorkload",
    scores=SCORES,
    prepare=PREPARE,
    train={"document-image": TrainDocumentImage},
    evaluate=EVALUATE,
    predict=PREDICT,
    synthesize=SYNTHESIZE,
    check="app.workloads.documents.image.checks:check",
    export="app.workloads.documents.image.export:form",
    num_cases="app.workloads.documents.store.counts:num_cases",
    recipes=RECIPES,
    later_facts=("stored_size",),
)
DOCUMENT_TEXT = Declaration(
    workload="app.workloads.documents.text.workload:DocumentTextWorkload",
    scores=SCORES,
    prepare=PREPARE,
    train={"document-text": TrainDocumentText},
    evaluate=EVALUATE,
    predict=PREDICT,
    synthesize=SYNTHESIZE,
    check="app.workloads.documents.text.checks:check",
    num_cases="app.workloads.documents.store.counts:num_cases_with_text",
    fingerprint="app.workloads.documents.ocr.texts:fingerprint",
    recipes=RECIPES,
    later_facts=("ocr",),
)
