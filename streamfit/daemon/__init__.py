"""The daemon: an asyncio process around the engine."""
