"""The command ``igc``: one module per command group, imported when its command runs."""
