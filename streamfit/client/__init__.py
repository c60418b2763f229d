"""What programs outside a daemon need, and no more: ZeroMQ, MessagePack and NumPy."""

from streamfit.client.detector import Detector
from streamfit.client.subscriber import Message, Subscriber

__all__ = ["Detector", "Message", "Subscriber"]
