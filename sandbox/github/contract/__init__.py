"""Extracts of GitHub's published API description, and what they are made from (see `update.py`)."""
