"""The demonstration: detector, daemon and consumer as processes."""
