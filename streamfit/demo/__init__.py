"""A simulated person, cameras and detector, and the demonstration that runs on them."""
