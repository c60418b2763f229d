"""What the daemon says of itself: status, alarms and metrics."""
