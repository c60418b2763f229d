"""The sessions of the daemon, and what must outlive a crash."""
