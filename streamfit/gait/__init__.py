"""Gait, live: foot strikes, foot offs and steps from the fitted trajectory of one person."""

from streamfit.gait.analyser import Course, Gait
from streamfit.gait.foot_points import Feet
from streamfit.gait.types import Contacts, FootEvent, Side, Step

__all__ = ["Contacts", "Course", "Feet", "FootEvent", "Gait", "Side", "Step"]
