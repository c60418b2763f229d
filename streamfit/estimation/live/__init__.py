"""The fixed-lag smoother that follows one person, an instant at a time."""
