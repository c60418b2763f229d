"""Recorded sessions: written, recovered, and read again as instants or trials."""
