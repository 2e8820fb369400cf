"""From raw data to one report, in a few minutes on two cores: every step is a job, shown as one would type it.

First brain scans, then document pages, then a study by two strategies and one by a plan. Started again, it goes on
where it stopped and keeps what is finished.
"""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

from dataclasses import dataclass
from pathlib import Path

import demo_brats
import demo_documents
import demo_study
from demo_steps import Step, Steps

from app.errors import UsageError


@dataclass(frozen=True)
class Args:
    runs: str = "runs"
    """Folder for everything the demo makes: RUNS/demo."""
    workers: int = 2
    """Workers that train together; 1 on a machine with one core."""
    quick: bool = False
    """A few cases, pages and epochs, to see that everything runs; what it finds is not judged."""
    fresh: bool = False
    """Delete what an earlier demo left and start anew."""


def main(arguments: Args) -> None:
    import shutil

    if arguments.workers < 1:
        raise UsageError(f"--workers: got {arguments.workers}, expected 1 or more")
    run = Path(arguments.runs) / "demo"
    if arguments.fresh and run.exists():
        shutil.rmtree(run)
    walk(run, arguments.workers, arguments.quick)


def walk(run: Path, num_workers: int, quick: bool) -> None:
    """The whole way, a job after the other."""
    from app.console import say

    show = Steps(demo_brats.NUM_STEPS + demo_documents.NUM_STEPS + demo_study.NUM_STEPS + 1)
    demo_brats.walk(demo_brats.QUICK if quick else demo_brats.FULL, run, num_workers, show)
    demo_documents.walk(demo_documents.QUICK if quick else demo_documents.FULL, run / "documents", show)
    epochs = demo_study.QUICK if quick else demo_study.FULL
    demo_study.walk(epochs, run / "data" / "store", run / "study", num_workers, show)
    show.run(Step("Write the report on scans and pages", ["report", "--run", str(run)]))
    say("")
    say(f"The reports: {(run / 'report.html').resolve()}")
    pages = [run / "study" / name for name in ("report.html", "plan.html", f"{demo_study.PLANNED}/report.html")]
    say(f"and, on the studies: {', '.join(str(page.resolve()) for page in pages)}")
    say(f"Everything took {show.elapsed_s():.0f} s.")


if __name__ == "__main__":
    from app.command_line import run

    run(Args, main)
