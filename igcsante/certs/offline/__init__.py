"""Bundles: all that a verdict rests on, in one file, to be checked again at the same instant."""
