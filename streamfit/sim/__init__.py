"""A simulated person, cameras and detector, with the truth."""
