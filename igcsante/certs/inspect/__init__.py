"""Whatever a file holds, in words: its parts, what they may be used for, what looks wrong."""
