"""Whether strategies agree: scores, intervals over cases, and why a row of Same result differs."""

import json

from made_study import cases_csv, study, study_files, trial_name
from study_pages import Folders, folders, report_of, with_record


def test_strategies_that_disagree_are_a_warning() -> None:
    given = folders() | {"/runs/c": study_files(study("data-parallel", 4, shift=-0.02))}
    page, report = report_of(given)
    assert report.data["disagreements"] == 16  # dice and dice_WT of each trial; the distance in mm is not judged
    assert page.problems[0] == (
        f"{trial_name(0)}: Dice over the regions (validation) is 0.550 experiment-parallel, 0.550 hybrid:2, "
        "0.530 data-parallel: a difference of 0.0200, more than 0.01 (batch norm over the samples on one worker: "
        "4 experiment-parallel, 2 hybrid:2, 1 data-parallel)."
    )
    assert page.problems[5] == "11 more scores differ: see Same result."
    assert "The strategies disagree in 16 of 24 scores." in page.words
    rows = page.tables["Scores under each strategy"]
    why = "batch norm over the samples on one worker: 4 experiment-parallel, 2 hybrid:2, 1 data-parallel"
    assert rows[1] == [trial_name(0), "Dice", "0.550", "0.550", "0.530", "0.0200", f"differ{why}"]
    assert rows[5] == [trial_name(4), "Dice", "0.600", "0.600", "0.580", "0.0200", "differ"]  # instance norm: unknown
    tolerant, _ = report_of(given, tolerance=0.05)
    assert tolerant.problems == []


def evaluated_on_test(shift: float) -> Folders:
    """The first trial under two strategies, of which one is lower by `shift` in each of 20 cases."""
    given = folders()
    folder = f"trials/{trial_name(0)}/evaluation/test"
    for run, moved in (("/runs/a", 0.0), ("/runs/c", -shift)):
        mean = 0.545 + moved
        given[run][f"{folder}/cases.csv"] = cases_csv(0, moved).encode()
        given[run][f"{folder}/summary.json"] = json.dumps({"scores": {"dice": {"mean": mean}}}).encode()
    return given


def test_with_scores_by_case_the_interval_decides() -> None:
    page, report = report_of(evaluated_on_test(0.04))
    assert report.data["disagreements"] == 1
    (problem,) = page.problems
    assert problem == (
        f"{trial_name(0)}: Dice over the regions (test) is 0.545 experiment-parallel, 0.505 data-parallel: the "
        "interval of the difference over 20 cases, 0.0400 to 0.0400, is beyond 0.01 (batch norm over the samples on "
        "one worker: 4 experiment-parallel, 1 data-parallel)."
    )
    assert "disagree in 1 of 25 scores; why is said in each row of Same result." in page.words
    assert "with an error of at most 5 % over the 1 test of this page together (Holm)" in page.words


def test_a_difference_within_the_tolerance_is_equivalent_and_few_cases_are_undecided() -> None:
    page, report = report_of(evaluated_on_test(0.004))
    assert report.data["disagreements"] == 0 and page.problems == []
    assert "The same trial reached equivalent scores under each strategy." in page.words
    given = evaluated_on_test(0.004)
    for run, scores in (("/runs/a", (0.5, 0.6)), ("/runs/c", (0.5, 0.9))):
        table = "case,dice\n" + "".join(f"{number},{score}\n" for number, score in enumerate(scores))
        given[run][f"trials/{trial_name(0)}/evaluation/test/cases.csv"] = table.encode()
    page, report = report_of(given)
    assert report.data["undecided"] == 1
    rows = page.tables["Scores under each strategy"]
    assert [row[-1] for row in rows if row[1] == "Dice (test)"] == ["undecided: 2 cases are too few"]
    assert "1 of 25 scores are undecided, for lack of cases" in page.words


def test_scores_of_other_numerics_are_not_compared() -> None:
    made = study("data-parallel", 4, shift=-0.02)
    for number in (0, 5):
        made = with_record(made, number, numerics={"precision": "bf16", "channels_last": True})
    given = {"/runs/a": study_files(study("experiment-parallel", 1, shift=-0.02)), "/runs/c": study_files(made)}
    page, report = report_of(given)
    both = "fp32 experiment-parallel, bf16+channels_last data-parallel"
    assert page.words.index("The scores of these runs are not comparable: 2 of 8 trials") < page.words.index("took")
    assert "The other trials reached identical scores under each strategy." in page.words
    assert page.problems[0] == (
        f"Precision and memory layout were not the same under each strategy ({trial_name(0)}: {both}; "
        f"{trial_name(5)}: {both}), so the scores of these trials are not comparable. Run the study again under "
        "another --name, with --numerics and the folder of the run that it is to be compared with."
    )
    rows = page.tables["Scores under each strategy"]
    verdicts = {(row[0], row[1]): row[-1] for row in rows[1:]}
    assert verdicts[trial_name(0), "Dice"] == verdicts[trial_name(5), "Dice"] == f"not comparable{both}"
    assert verdicts[trial_name(1), "Dice"] == "identical"
    assert report.data["not_comparable"] == {trial_name(0): both, trial_name(5): both}
    assert report.data["disagreements"] == 0


def test_other_times_measured_are_no_other_numerics() -> None:
    made = study("data-parallel", 4)
    numerics = {"precision": "fp32", "channels_last": False, "measured_s": {"fp32": 0.25}}
    page, report = report_of(
        {
            "/runs/a": study_files(study("experiment-parallel", 1)),
            "/runs/c": study_files(with_record(made, 0, numerics=numerics)),
        }
    )
    assert report.data["not_comparable"] == {} and page.problems == []
    assert {row[-1] for row in page.tables["Scores under each strategy"][1:]} == {"identical"}


def test_a_row_that_differs_says_why() -> None:
    name = trial_name(4)  # instance norm
    ours, theirs = study("experiment-parallel", 1), study("data-parallel", 4, shift=-0.02)
    record = ours.trials[4].record
    assert record is not None
    experiment = {**record.experiment, "task": {"norm": "instance", "dropout": 0.2}}
    ours = with_record(ours, 4, experiment=experiment)
    theirs = with_record(theirs, 4, experiment=experiment, device="NVIDIA H100", global_batch_size=16)
    page, _ = report_of({"/runs/a": study_files(ours), "/runs/c": study_files(theirs)})
    (row,) = [row for row in page.tables["Scores under each strategy"] if row[:2] == [name, "Dice"]]
    assert row[-1] == (
        "differtrained on CPU experiment-parallel, NVIDIA H100 data-parallel; global batch of 4 experiment-parallel, "
        "16 data-parallel; each worker draws its own dropout"
    )
    (kinds,) = [line for line in page.problems if "kinds of device" in line]
    assert kinds.startswith("data-parallel: trials ran on 2 kinds of device (CPU, NVIDIA H100)")


def test_a_row_that_differs_in_bf16_names_its_rounding() -> None:
    numerics = {"precision": "bf16", "channels_last": True, "measured_s": {}}
    runs = [
        with_record(made, 4, numerics=numerics)
        for made in (study("experiment-parallel", 1), study("data-parallel", 4, shift=-0.02))
    ]
    page, _ = report_of({f"/runs/{number}": study_files(made) for number, made in enumerate(runs)})
    rows = {row[0]: row[-1] for row in page.tables["Scores under each strategy"] if row[1:2] == ["Dice"]}
    assert "bf16 keeps 8 bits of each number" in rows[trial_name(4)]
    assert not any("bf16" in text for name, text in rows.items() if name != trial_name(4))


def test_two_kinds_of_device_are_said_of_one_run_too() -> None:
    made = with_record(study("experiment-parallel", 1), 3, device="NVIDIA H100")
    (line,) = report_of({"/runs/a": study_files(made)})[0].problems
    assert line == (
        "experiment-parallel: trials ran on 2 kinds of device (CPU, NVIDIA H100); precision and memory layout are "
        "chosen for each kind, so trials may differ by that too."
    )
