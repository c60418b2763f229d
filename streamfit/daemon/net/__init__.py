"""The daemon's sockets: bounded, authenticated, and never in the way of the fit."""
