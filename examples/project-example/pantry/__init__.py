"""The pantry's API: what is in stock, and how much of it."""
