"""Use trained models on raw data: labels and pictures of brain scans, classes and a sheet of document pages."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

from app.command_line import absolute
from app.workloads.declaration import PredictFlags


def main(arguments: PredictFlags) -> None:
    from app.data import files
    from app.execution.engine import JobEngine

    _check(arguments)
    for folder in (arguments.out, arguments.export):
        if folder is not None:
            files.check_folder(absolute(folder))
    arguments.check()
    if arguments.export is not None:
        model, workload = arguments.exported()
        export(absolute(model), workload, absolute(arguments.export))
    if arguments.input:
        arguments.predict(JobEngine(arguments.launcher, arguments.workers))


def export(model: str, workload: str, folder: str) -> None:
    from app.console import say
    from app.data import files
    from app.execution.models.model import export_facts, load_model_of, weights_file
    from app.workloads.exporting import export_model
    from app.workloads.registry import find_export

    opened = load_model_of(model, workload)
    form = find_export(workload)(opened.task)
    say(f"exporting {model} ({sum(p.numel() for p in opened.network.parameters()):,} parameters)")
    weights = files.read_bytes(weights_file(model))
    difference = export_model(form, opened.network, weights, export_facts(opened), folder)
    say(f"{folder}: weights.pt, model.json, model.onnx (ONNX Runtime differs from torch by {difference:.1g} at most)")


def _check(arguments: PredictFlags) -> None:
    from app.errors import UsageError

    if arguments.workers < 1:
        raise UsageError(f"--workers: got {arguments.workers}, expected 1 or more")
    if not arguments.input and arguments.export is None:
        raise UsageError(
            f"nothing to do: give {arguments.items} with --input and a folder with --out, or a folder with --export"
        )
    if arguments.input and arguments.out is None:
        raise UsageError("--out is missing: the folder for what is predicted")


if __name__ == "__main__":
    from functools import partial

    from app.command_line import run
    from app.workloads.registry import subcommands

    run(partial(subcommands, "predict"), main, description=__doc__)
