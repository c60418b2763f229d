"""The window of control points as compiled functions: what it holds, its steps, and what leaves it."""
