"""What may change in a project without one's own doing: a small value to compare, cheap enough to ask for every second."""

BUSY_SECONDS = 0.05

Glance = tuple


def glance(project, *, fits: bool = True) -> Glance:
    """Return a value that differs once anybody, in this process or another, has changed what is seen of the project.

    fits: a metric that was fitted anew is a change too, though nobody has committed anything. Takes up what other processes have
    committed, unless the project is busy just now; then the next call does.
    """
    if project.lock.acquire(timeout=BUSY_SECONDS):
        try:
            project.catch_up()
        finally:
            project.lock.release()
    view, samples = project.class_view(), tuple(record.id for record in project.samples())
    shown = tuple(tuple(view[part]) for part in sorted(view))
    if project.memory is None:
        return samples, shown, project.task
    return samples, shown, project.task, len(project.history()), project.version, project.live.fitted_on if fits else ""
