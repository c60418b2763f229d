"""Bytes to types and back: the messages of the wire, without I/O."""
