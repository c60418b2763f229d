"""ZeroMQ: who is at the other end, keys, and which addresses are local."""
