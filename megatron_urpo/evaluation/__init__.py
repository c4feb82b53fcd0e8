"""Held-out evaluation of the player and of the referee."""
