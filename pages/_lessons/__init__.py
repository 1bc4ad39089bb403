"""The five lessons of the page Learn: one file each, in the order in which they are taught."""

from pages._lessons import forgetting, hearing, keeping, remembering, voting
from pages._lessons.lesson import Lesson

LESSONS = (remembering.LESSON, voting.LESSON, hearing.LESSON, keeping.LESSON, forgetting.LESSON)

__all__ = ["LESSONS", "Lesson"]
