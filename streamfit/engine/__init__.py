"""Messages in, answers out: the live fit of a session, without sockets and without asyncio."""
