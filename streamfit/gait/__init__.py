"""Gait, live: foot strikes, foot offs and steps from the fitted trajectory of one person."""

from streamfit.gait.events import Contacts, FootEvent, Side, Step
from streamfit.gait.foot_points import Feet
from streamfit.gait.gait import Course, Gait

__all__ = ["Contacts", "Course", "Feet", "FootEvent", "Gait", "Side", "Step"]
