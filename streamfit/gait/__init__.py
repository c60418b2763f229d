"""Gait, live: foot strikes, foot offs and steps from the fitted trajectory of one person."""

from streamfit.gait.analyser import Gait
from streamfit.gait.foot_points import Feet
from streamfit.gait.types import Contacts, FootEvent, Side, Step

__all__ = ["Contacts", "Feet", "FootEvent", "Gait", "Side", "Step"]
