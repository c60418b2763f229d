"""The `streamfit` command, a file for each family of commands."""
