"""Between a trial's driver and a group's workers: one command at a time, and of several failures the one that says
most."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from app.execution.trials import desk
from app.execution.trials.desk import ADVANCE, Desk, Verdict, telling
from app.run_folder.contents import Failure

NAN = Failure("final", "the loss is nan")
MEMORY = Failure("final", "out of memory", "ResourceError")
NOTICED, DEATH = Failure("error", "connection closed by peer"), Failure("death", "a worker died")


def together(*tasks: Coroutine[Any, Any, Any]) -> list[Any]:
    async def both() -> list[Any]:
        return list(await asyncio.wait_for(asyncio.gather(*tasks), 20))

    return asyncio.run(both())


def test_the_cause_is_told_before_what_others_noticed_of_it() -> None:
    assert telling([NOTICED, DEATH]) == DEATH
    assert telling([NOTICED, NAN, DEATH]) == NAN
    assert telling([NOTICED]) == NOTICED


def test_every_worker_gets_each_command_and_worker_0_answers() -> None:
    async def run() -> list[Any]:
        d = Desk(2)

        async def worker(rank: int) -> list[Any]:
            got, last = [], 0
            for _ in range(2):
                last, command = await d.next(last)
                got.append(command)
                if rank == 0:
                    await d.answer(last, {"epoch": last})
            return got

        tasks = [asyncio.create_task(worker(rank)) for rank in range(2)]
        verdicts = []
        for number in range(2):
            verdicts.append(await d.give((ADVANCE, (number,))))
            await asyncio.sleep(0.01)
        return [verdicts, *[await task for task in tasks]]

    verdicts, *got = asyncio.run(run())
    assert verdicts == [Verdict({"epoch": 1}), Verdict({"epoch": 2})]
    assert got == [[(ADVANCE, (0,)), (ADVANCE, (1,))]] * 2


def failing(*failures: Failure | None, num_workers: int = 2) -> tuple[Verdict, list[Any], Verdict]:
    """What the driver and the workers are told where these fail (None: one that never says a word); and what the
    driver is told of its next command."""

    async def run() -> tuple[Verdict, list[Any], Verdict]:
        d = Desk(num_workers)
        given = asyncio.create_task(d.give((ADVANCE, ())))
        last, _ = await d.next(0)
        stay = await asyncio.gather(*(d.fail(last, rank, f) for rank, f in enumerate(failures) if f is not None))
        verdict = await given
        after = asyncio.create_task(d.give((ADVANCE, ())))
        await asyncio.sleep(0.01)
        await d.answer(2, "next")
        return verdict, stay, await after

    return asyncio.run(run())


def test_workers_that_all_refuse_an_order_stay_for_the_next() -> None:
    assert failing(NAN, NAN) == (Verdict(None, NAN, True), [True, True], Verdict("next"))


@pytest.mark.parametrize(
    ("failures", "told"), [((MEMORY, MEMORY), MEMORY), ((NAN, NOTICED), NAN), ((NOTICED, None), NOTICED)]
)
def test_others_leave_and_the_group_is_gone(
    monkeypatch: pytest.MonkeyPatch, failures: tuple[Failure | None, ...], told: Failure
) -> None:
    monkeypatch.setattr(desk, "GRACE_S", 0.05)
    verdict, stay, after = failing(*failures)
    assert verdict == Verdict(None, told, False)
    assert not any(stay) and after.failure is not None and not after.workers_stay


def test_a_death_is_heard_of_while_the_others_wait() -> None:
    async def run() -> Any:
        d = Desk(2)
        given = asyncio.create_task(d.give((ADVANCE, ())))
        last, _ = await d.next(0)
        noticed = asyncio.create_task(d.fail(last, 0, NOTICED))
        await asyncio.sleep(0.01)
        await d.lose(DEATH)
        return await given, await noticed

    verdict, stays = asyncio.run(run())
    assert verdict == Verdict(None, DEATH, False) and stays is False


def test_a_group_that_was_started_beforehand_is_taken_once() -> None:
    d = Desk(1)
    assert together(d.take(), d.take()) == [True, False]
    lost = Desk(1)

    async def late() -> bool:
        await lost.lose(DEATH)
        return await lost.take()

    assert asyncio.run(late()) is False
