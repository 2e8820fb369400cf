"""The submit job: a user who stops following has not stopped the job, and is told so."""

from collections.abc import Callable
from types import ModuleType

import pytest

from app.command_line import run


@pytest.fixture
def job(open_job: Callable[[str], ModuleType]) -> ModuleType:
    return open_job("submit")


def test_interrupted_it_says_that_the_job_goes_on(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.execution.cluster.submit.connect", lambda _: None)
    monkeypatch.setattr("app.execution.cluster.submit.submit", lambda *_: "raysubmit_1")
    monkeypatch.setattr("app.execution.cluster.submit.follow", interrupted)
    with pytest.raises(SystemExit) as ended:
        run(job.Args, job.main, ["--", "python", "job.py"], job.__doc__)
    assert ended.value.code == 130
    assert "raysubmit_1 goes on; `ray job logs -f raysubmit_1`" in capsys.readouterr().err
