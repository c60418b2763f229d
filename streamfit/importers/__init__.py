"""What other software writes: calibrations, detections and marker sets, read into our own terms."""
