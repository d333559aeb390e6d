"""Opening the outside rooms from settings: one module a neighbour."""
