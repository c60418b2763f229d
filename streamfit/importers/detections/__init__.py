"""Folders of detections as one person's recording: whose pictures they are, when, in what, and of whom."""
