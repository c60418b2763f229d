"""What programs that send to a daemon need, and no more: ZeroMQ, MessagePack and NumPy."""

from streamfit.client.detector import Detector

__all__ = ["Detector"]
