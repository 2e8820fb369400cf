"""The page of a plan: its numbers, its timeline, and where more workers stop paying."""

from dataclasses import replace

from measured_records import LIKE, record
from page_reader import Page

from app.experiment import Study
from app.planning.cost import CostModel
from app.planning.forecast import Forecast, choose, forecasts
from app.planning.measured import profile_of
from app.planning.schedule import expected_record
from app.reporting.plan.page import last_that_pays, plan_page

STUDY = Study("s", tuple(replace(LIKE, name=name) for name in "abc"))
PROFILE = profile_of([], [record(step_s=4.0), record(k=2, step_s=2.4)])


def test_the_page_has_every_candidate_the_timeline_and_the_curves() -> None:
    found = [one for num in (1, 2) for one in forecasts(STUDY, PROFILE, num)]
    chosen, model = choose(found), CostModel(PROFILE)
    by_name = {e.name: e for e in STUDY.experiments}
    expected = expected_record(chosen.plan, lambda name, *where: model.cost(by_name[name], *where))
    html = plan_page(found, chosen, expected, price_per_hour=3.0)
    page = Page(html)
    assert page.headings == ["candidates", "timeline", "what-if"]
    rows = page.tables["What each takes"]
    assert len(rows) == 1 + len(found)
    assert [row[:2] for row in rows[1:]] == [[one.plan.strategy, str(one.plan.num_workers)] for one in found]
    assert f"{chosen.worker_hours * 3:.2f}" in page.words
    assert all(f"{trial.start_s:.1f} to {trial.end_s:.1f} s" in html for trial in expected.trials)
    assert all(not address or address == "data:," for address in page.addresses)


def test_where_more_workers_stop_paying() -> None:
    one = forecasts(STUDY, PROFILE, 1)[0]

    def best(*times: tuple[int, float]) -> list[Forecast]:
        return [replace(one, plan=replace(one.plan, num_workers=n), makespan_s=s) for n, s in times]

    assert last_that_pays(best((1, 100.0), (2, 60.0), (4, 58.0), (8, 57.0))) == 2
    assert last_that_pays(best((1, 100.0), (2, 60.0), (4, 40.0))) == 4
    assert last_that_pays(best((1, 100.0), (4, 91.0))) == 1  # two doublings save 5 % each or 9.75 % in all
