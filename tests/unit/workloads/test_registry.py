"""The registry: every line declares what its workload is, and jobs offer what is declared."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from app.errors import UsageError
from app.workloads import registry
from app.workloads.base import Workload
from app.workloads.declaration import EvaluateFlags

ROOT = Path(__file__).parents[3]
SUBCOMMANDS = {
    "synthesize": ["brats", "rvl-cdip", "tobacco"],
    "prepare": ["brats", "documents"],
    "train": ["brats", "document-image", "document-text"],
    "evaluate": ["brats", "documents", "documents-ensemble"],
    "predict": ["brats", "documents"],
}


@pytest.mark.parametrize("job", get_args(registry.Job))
def test_the_subcommands_of_a_job(job: registry.Job) -> None:
    assert list(registry.subcommands(job)) == SUBCOMMANDS[job]


@pytest.mark.parametrize("name", registry.WORKLOADS)
def test_a_declaration_is_its_workload_s(name: str) -> None:
    declared, workload = registry.find_declaration(name), registry.find_workload(name)
    assert declared is not None
    assert Workload in type(workload).__mro__
    assert workload.name == name
    assert [flags.workload for flags in declared.train.values()] == [name]
    for flags in declared.evaluate.values():
        assert not issubclass(flags, EvaluateFlags) or name in flags.workloads
    assert workload.score in {family.name for family in declared.scores}
    assert next(f for f in declared.scores if f.name == workload.score).better == "higher"
    for place in (declared.check, declared.export, declared.num_cases):
        assert place is None or callable(registry._load(place))


def test_a_workload_outside_of_the_table_is_named_by_its_place() -> None:
    place = "vectors.declaration:VECTORS"
    assert place in registry.subcommands("train", [place, "--store", "s"])
    assert place not in registry.subcommands("train", ["brats", place])
    assert registry.find_workload(place).name == "vectors"
    assert registry.find_check(place).__name__ == "check"
    bare = "vectors.workload:VectorWorkload"
    assert registry.find_declaration(bare) is None
    assert registry.find_workload(bare).name == "vectors"


def test_recipes_are_their_workloads() -> None:
    assert {registry.find_recipe(name)().name for name in ("distmis-grid", "ferrando2020-image")} == {
        "distmis-grid",
        "ferrando2020-image",
    }
    own = registry.find_recipe("hippocampus.declaration:HIPPOCAMPUS/hippocampus-rates")(epochs=2)
    assert [(trial.optimizer.learning_rate, trial.epochs) for trial in own.experiments] == [
        (1e-3, 2),
        (3e-3, 2),
        (1e-2, 2),
    ]
    with pytest.raises(UsageError, match="got 'distmis-gird'; did you mean 'distmis-grid'"):
        registry.find_recipe("distmis-gird")
    with pytest.raises(UsageError, match="VECTORS/any"):
        registry.find_recipe("vectors.declaration:VECTORS/any")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("brat", "unknown workload 'brat': did you mean 'brats'"),
        (
            "nowhere.declaration:NONE",
            "nowhere.declaration:NONE: there is no module nowhere; is its folder in PYTHONPATH?",
        ),
        ("vectors.:NONE", "got 'vectors.:NONE', expected MODULE:DECLARATION"),
        (":NONE", "got ':NONE', expected MODULE:DECLARATION"),
        ("s3://bucket/run", "got 's3://bucket/run', expected MODULE:DECLARATION"),
        ("vectors.declaration:", "got 'vectors.declaration:', expected MODULE:DECLARATION"),
        ("vectors.declaration:NONE", "vectors.declaration:NONE: the module vectors.declaration has no NONE"),
    ],
)
def test_what_is_not_there_is_told(place: str, told: str) -> None:
    with pytest.raises(UsageError, match=told.replace("?", r"\?")):
        registry.find_workload(place)


def test_a_workload_that_declares_no_export_says_so() -> None:
    with pytest.raises(UsageError, match="the workload document_text declares no export"):
        registry.find_export("document_text")


def test_help_needs_no_torch() -> None:
    """Of every job, all flags of all workloads."""
    script = (
        "import sys; from typing import get_args; from app.workloads import registry\n"
        "for job in get_args(registry.Job): registry.subcommands(job)\n"
        "print(sorted({'torch', 'ray', 'monai', 'timm', 'transformers', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
