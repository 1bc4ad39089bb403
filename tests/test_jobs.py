"""Jobs: progress, states, cancel, one of a key at a time, nothing left at the end."""

import threading

import pytest

from parmesan_engine.errors import LimitError
from parmesan_engine.jobs import KEPT, Jobs, StoppedError


@pytest.fixture
def jobs():
    pool = Jobs(workers=1)
    yield pool
    pool.close()


class Held:
    """Work that waits at a gate after its first report, then reports again."""

    def __init__(self):
        self.inside, self.gate = threading.Event(), threading.Event()

    def __call__(self, job):
        job.report(0.25, "at the gate")
        self.inside.set()
        self.gate.wait(30)
        job.report(0.5)
        return "through"


def test_progress_text_and_result_are_seen_from_outside(jobs):
    work = Held()
    job = jobs.start("a", work, text="beginning")
    assert work.inside.wait(30)
    assert (job.state, job.active, job.fraction, job.text, job.result) == ("running", True, 0.25, "at the gate", None)
    work.gate.set()
    job.wait(30)
    assert (job.state, job.active, job.fraction, job.result, job.error) == ("done", False, 0.5, "through", None)


def test_cancel_stops_at_the_next_report(jobs):
    work = Held()
    job = jobs.start("a", work)
    assert work.inside.wait(30)
    job.cancel()
    work.gate.set()
    assert job.wait(30).state == "cancelled"
    assert (job.result, job.error, job.fraction) == (None, None, 0.25)


def test_a_job_that_waits_can_be_cancelled_and_never_runs(jobs):
    first, ran = Held(), []
    jobs.start("a", first)
    waiting = jobs.start("b", ran.append)
    assert waiting.state == "waiting"
    waiting.cancel()
    first.gate.set()
    assert waiting.wait(30).state == "cancelled" and jobs.get("a").wait(30).state == "done" and ran == []


def test_an_error_is_kept_with_its_job(jobs):
    def fail(job):
        raise LimitError("less", "more", "take less")

    job = jobs.start("a", fail).wait(30)
    assert job.state == "failed" and isinstance(job.error, LimitError) and job.result is None


def test_one_active_job_of_a_key(jobs):
    work, other = Held(), Held()
    first = jobs.start("a", work)
    assert jobs.start("a", other) is first and jobs.active() == [first]
    work.gate.set()
    first.wait(30)
    other.gate.set()
    second = jobs.start("a", other)
    assert second is not first and jobs.get("a") is second and second.wait(30).result == "through"


def test_parts_share_the_bar(jobs):
    seen = []

    def work(job):
        for part in (job.part(0, 0.5, "first"), job.part(0.5, 1, "second")):
            for fraction in (0, 1):
                part(fraction)
                seen.append((job.fraction, job.text))
        job.report(7)

    assert jobs.start("a", work).wait(30).fraction == 1
    assert seen == [(0, "first"), (0.5, "first"), (0.5, "second"), (1, "second")]


def test_finished_jobs_are_forgotten_in_the_end(jobs):
    for number in range(KEPT + 3):
        jobs.start(str(number), lambda job: None).wait(30)
    jobs.start("last", lambda job: None).wait(30)
    assert jobs.get("0") is None and jobs.get("last").state == "done"


def test_drop_cancels_and_forgets(jobs):
    work = Held()
    job = jobs.start("a", work)
    assert work.inside.wait(30)
    jobs.drop("a")
    work.gate.set()
    assert jobs.get("a") is None and job.wait(30).state == "cancelled"
    jobs.drop("unknown")


def test_close_stops_what_runs_and_what_waits():
    pool, work = Jobs(workers=1), Held()
    running, waiting = pool.start("a", work), pool.start("b", work)
    assert work.inside.wait(30)
    threading.Timer(0.05, work.gate.set).start()
    pool.close()
    assert running.state == waiting.state == "cancelled" and pool.active() == []


def test_stopped_is_an_error_like_the_others():
    assert str(StoppedError()).startswith("expected work that runs to its end; got a request to cancel")
