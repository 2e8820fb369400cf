"""The text workload with a tiny BERT saved in a temporary folder; no network, no Ray."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.data.samples.feeding import StepReader
from app.errors import DataError, UsageError
from app.experiment import Experiment, OptimizerConfig
from app.training import checkpoint
from app.training.context import LocalContext
from app.training.loop import train
from app.training.optimizers import make_optimizer
from app.training.order import Order
from app.workloads.documents.ocr.engines import OcrOptions
from app.workloads.documents.ocr.texts import PageText, write_part
from app.workloads.documents.store import prepared as documents_store
from app.workloads.documents.text import checks
from app.workloads.documents.text.pretrained import load_tokenizer
from app.workloads.documents.text.samples import load_pages
from app.workloads.documents.text.workload import DocumentTextWorkload

CPU = torch.device("cpu")
WORKLOAD = DocumentTextWorkload()
WORDS = {"letter": "dear sir yours sincerely", "invoice": "total amount due net", "memo": "to from subject staff"}
"""That only pages of a class have (conftest.py)."""
BLANK = 5
"""Row of a page without a word."""


def resolved(options: dict[str, Any], store: str, **changes: Any) -> Any:
    return WORKLOAD.resolve_task(WORKLOAD.parse_task({**options, **changes}), store)


def tensors(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in batch.items()}


def test_classes_come_from_the_store(options: dict[str, Any], store: str) -> None:
    task = resolved(options, store)
    assert task.classes == ("letter", "invoice", "memo")
    assert WORKLOAD.resolve_task(task, store) == task
    with pytest.raises(UsageError, match="the task has the classes a, b"):
        resolved(options, store, classes=["a", "b"])


@pytest.mark.parametrize("partition", [0, 1])
def test_labels_follow_their_pages_text(options: dict[str, Any], store: str, partition: int) -> None:
    """In any order: the words that only one class has say what the label has to be."""
    task = resolved(options, store, partition=partition)
    samples, tokenizer = WORKLOAD.open_samples(task, store), load_tokenizer(task.model)
    rows = np.array([row for row in np.random.default_rng(1).permutation(30) if row + partition != BLANK])
    batch = samples.load(rows, np.zeros(len(rows), np.uint64))
    by_id = load_pages(task, store, [f"page-{row + partition:02d}" for row in rows])
    for loaded in (batch, by_id):
        for ids, label in zip(loaded["ids"], loaded["label"], strict=True):
            words = set(tokenizer.decode(ids).split())
            (said,) = [name for name, own in WORDS.items() if words & set(own.split())]
            assert said == task.classes[label]


def test_pages_whose_ocr_failed_are_left_out_and_told(
    options: dict[str, Any], store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty page is none of them: it says `empty`, and so does row 5, which is blank."""
    failed = [PageText("page-03", "", None, "failed", "x"), PageText("page-31", "", None, "timeout", "x")]
    write_part(store, [*failed, PageText("page-04", "", None, "empty")])
    task = checks.check(options, store)
    assert (
        "OCR failed on 1 of 30 train pages and 1 of 9 validation pages, which are left out" in capsys.readouterr().out
    )
    samples = WORKLOAD.open_samples(task, store)
    assert samples.store_rows.tolist() == [row for row in range(30) if row != 3]
    empty = load_tokenizer(task.model)("empty", add_special_tokens=False)["input_ids"]
    for row in (4, BLANK):
        host = load_pages(task, store, [f"page-{row:02d}"])
        assert host["ids"][0][1 : host["length"][0] - 1].tolist() == empty
    assert sorted(WORKLOAD.validation_ids(task, store, "validation")) == [f"page-{row}" for row in (30, *range(32, 39))]
    write_part(store, [PageText(f"page-{row:02d}", "", None, "failed", "x") for row in range(30)])
    with pytest.raises(DataError, match="OCR failed on all 30 labelled pages of the 'train' split"):
        checks.check(options, store)


def test_pages_that_the_store_excludes_are_neither_trained_on_nor_judged(
    options: dict[str, Any], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_store.DocumentStore, "excluded", frozenset({"page-03", "page-31"}))
    task = resolved(options, store)
    assert WORKLOAD.open_samples(task, store).store_rows.tolist() == [row for row in range(30) if row != 3]
    judged = WORKLOAD.validation_ids(task, store, "validation")
    assert sorted(judged) == [f"page-{row}" for row in (30, *range(32, 39))]


def test_a_model_knows_how_its_texts_were_read(options: dict[str, Any], store: str) -> None:
    """By how most of them were; what a model says already stays, whatever the store holds by now."""
    assert resolved(options, store).ocr == ""
    german = OcrOptions(language="deu").asked
    write_part(store, [PageText(f"page-{row:02d}", "Brief", 90.0, "ok", asked=german) for row in range(40)])
    assert resolved(options, store).ocr == german
    assert resolved(options, store, ocr=OcrOptions().asked).ocr == OcrOptions().asked


def test_other_texts_are_other_contents(options: dict[str, Any], store: str) -> None:
    """By which an evaluation knows that it is of before."""
    task, ids = resolved(options, store), ["page-01", "page-02"]
    before = WORKLOAD.contents(task, store, ids)
    assert WORKLOAD.contents(task, store, ids) == before != WORKLOAD.contents(task, store, ids[:1])
    write_part(store, [PageText("page-01", "other words", 90.0, "ok")])
    assert WORKLOAD.contents(task, store, ids) != before


def test_a_local_model_is_found_from_any_folder(
    options: dict[str, Any], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(options["model"])
    monkeypatch.chdir(folder.parent)
    assert resolved(options, store, model=folder.name).model == str(folder)
    assert resolved(options, store, model="bert-base-uncased").model == "bert-base-uncased"


def test_weights_of_a_run_stand_in_place_of_the_models_own(options: dict[str, Any], store: str, tmp_path: Path) -> None:
    task = resolved(options, store)
    source = WORKLOAD.build_model(task)
    torch.nn.init.ones_(source.head.weight)
    (tmp_path / "checkpoint").mkdir()
    torch.save({"model": source.state_dict()}, tmp_path / "checkpoint" / "best.pt")
    found = WORKLOAD.build_model(resolved(options, store, weights=str(tmp_path)))
    assert found.origin["source"] == str(tmp_path / "checkpoint" / "best.pt") and found.origin["new"] == []
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in source.state_dict().items())


def test_batches_are_padded_to_their_longest_page_alone(options: dict[str, Any], store: str) -> None:
    task = resolved(options, store)
    samples = WORKLOAD.open_samples(task, store)
    rows = np.argsort(samples.lengths)[:4]
    host = samples.load(rows, np.zeros(4, np.uint64))
    assert host["ids"].shape == (4, 32) and host["ids"].dtype == np.int32
    inputs = WORKLOAD.to_inputs(task, tensors(host), None)
    longest = samples.lengths[rows].max()
    assert inputs["ids"].shape == (4, longest) and longest < 32
    assert inputs["mask"].sum(1).tolist() == samples.lengths[rows].tolist()


def test_padding_does_not_change_the_outputs(options: dict[str, Any], store: str) -> None:
    task = resolved(options, store)
    model = WORKLOAD.build_model(task).eval()
    samples = WORKLOAD.open_samples(task, store)
    rows = np.arange(8)
    host = samples.load(rows, np.zeros(8, np.uint64))
    together = WORKLOAD.forward(task, model, WORKLOAD.to_inputs(task, tensors(host), None))
    for i in rows:
        one = {key: value[i : i + 1] for key, value in tensors(host).items()}
        alone = WORKLOAD.forward(task, model, WORKLOAD.to_inputs(task, one, None))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)


def test_loss_is_the_mean_cross_entropy_and_its_parts_add_up(options: dict[str, Any], store: str) -> None:
    task = resolved(options, store, label_smoothing=0.1)
    logits, label = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    parts = [WORKLOAD.loss_sums(task, logits[s], {"label": label[s]}) for s in (slice(0, 2), slice(2, 6))]
    expected = torch.nn.functional.cross_entropy(logits, label, label_smoothing=0.1)
    assert float(WORKLOAD.loss_value(task, parts[0] + parts[1])) == pytest.approx(float(expected), abs=1e-6)


def test_pages_are_scored_one_by_one(options: dict[str, Any], store: str) -> None:
    task = resolved(options, store)
    model = WORKLOAD.build_model(task).eval()
    ids = WORKLOAD.validation_ids(task, store, "validation")
    assert sorted(ids) == [f"page-{row}" for row in range(30, 39)]
    with torch.inference_mode():
        brief = WORKLOAD.evaluate_cases(task, model, store, ids, CPU, False)
        (one,) = WORKLOAD.evaluate_cases(task, model, store, ["page-31"], CPU, True)
        (duplicate,) = WORKLOAD.evaluate_cases(task, model, store, ["page-40"], CPU, True)
    shares = [one[f"p_{name}"] for name in task.classes]
    label = 31 % 3
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert one["accuracy"] == float(np.argmax(shares) == label)
    assert one["cross_entropy"] == pytest.approx(-np.log(shares[label]), abs=1e-5)
    assert brief[ids.index("page-31")]["cross_entropy"] == pytest.approx(one["cross_entropy"], abs=1e-4)
    assert set(brief[0]) == {"accuracy", "cross_entropy"}
    assert one["accuracy_deduplicated"] == one["accuracy"] and duplicate["accuracy_deduplicated"] is None
    assert "page-47" not in WORKLOAD.validation_ids(task, store, "test")  # it has no label
    means = WORKLOAD.summarize(task, brief)
    assert means["accuracy"] == pytest.approx(np.mean([case["accuracy"] for case in brief]))


def test_each_page_is_scored_against_its_own_label(options: dict[str, Any], store: str) -> None:
    """A network that says the same of every page, its second class the likeliest: every third page has that."""
    task, shares = resolved(options, store), [0.2, 0.5, 0.3]
    model = WORKLOAD.build_model(task).eval()
    with torch.inference_mode():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor(shares).log())
        rows = [int(row) for row in np.random.default_rng(0).permutation(20)]
        scores = WORKLOAD.evaluate_cases(task, model, store, [f"page-{row:02d}" for row in rows], CPU, False)
    assert [score["accuracy"] for score in scores] == [float(row % 3 == 1) for row in rows]
    assert [score["cross_entropy"] for score in scores] == pytest.approx([-np.log(shares[row % 3]) for row in rows])


def test_two_rates_and_decay_of_matrices_alone(options: dict[str, Any], store: str) -> None:
    task = resolved(options, store, head_learning_rate=1e-3)
    model = WORKLOAD.build_model(task)
    groups = WORKLOAD.parameter_groups(task, model, 0.01, 2e-5)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {names[id(p)]: (group["weight_decay"], group["lr_factor"]) for group in groups for p in group["params"]}
    assert len(found) == len(names)
    for name, (decay, factor) in found.items():
        assert decay == (0.0 if name.endswith("bias") or "LayerNorm" in name else 0.01), name
        assert factor == pytest.approx(50 if name.startswith("head.") else 1), name
    same = WORKLOAD.parameter_groups(resolved(options, store, head_learning_rate=None), model, 0.01, 2e-5)
    assert {group["lr_factor"] for group in same} == {1.0}


def test_training_learns_the_classes(options: dict[str, Any], store: str, tmp_path: Path) -> None:
    """Through the engine's own loop, up to its checkpoint and back."""
    task = resolved(options, store)
    experiment = Experiment(
        name="text",
        workload="document_text",
        task={**options, "dropout": 0.0, "head_learning_rate": 5e-3, "classes": list(task.classes)},
        epochs=12,
        batch_size=6,
        precision="fp32",
        channels_last="no",
        optimizer=OptimizerConfig(learning_rate=2e-3, weight_decay=0.01),
        evaluate_every_epochs=12,
    )
    result = train(Order(experiment, store, str(tmp_path / "run"), time.time()), WORKLOAD, LocalContext(CPU))
    assert result.best["accuracy"] > 0.7  # 1/3 by chance
    saved = checkpoint.load_last(str(tmp_path / "run/checkpoint"), CPU)
    assert saved
    body, _, head, _ = saved["optimizer"]["param_groups"]
    assert head["lr"] == pytest.approx(2.5 * body["lr"]) and body["lr"] > 0


def test_rates_of_the_groups_follow_the_schedule(options: dict[str, Any], store: str) -> None:
    task = resolved(options, store)
    model = WORKLOAD.build_model(task)
    experiment = Experiment(name="t", workload="document_text", optimizer=OptimizerConfig(learning_rate=1e-4))
    groups = WORKLOAD.parameter_groups(task, model, 0.0, experiment.optimizer.learning_rate)
    optimizer = make_optimizer(experiment, model, 1, groups)
    assert [group["lr_factor"] for group in optimizer.param_groups] == [1.0, 1.0, pytest.approx(10), pytest.approx(10)]


def test_an_epoch_pads_little(options: dict[str, Any], store: str) -> None:
    samples = WORKLOAD.open_samples(resolved(options, store), store)
    batches = [StepReader(samples, 0, 3, 0, 1).load(step) for step in range(10)]
    padded = sum(int(batch["length"].max()) * 3 for batch in batches)
    assert 1 - sum(int(batch["length"].sum()) for batch in batches) / padded < 0.1
