"""A job that takes its process with it, for the test of what survives that."""

import os

from foleycli.timeline.batch import Outcome, Progress
from foleycli.timeline.manifest import Job


def do_or_die(job: Job, progress: Progress) -> Outcome:
    if job.clip.stem == "deadly":
        os._exit(9)
    return Outcome(str(job.clip), str(job.out), "made")
