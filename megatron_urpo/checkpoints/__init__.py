"""Checkpoints of a run: what is saved, a directory that is whole or absent, its files.

run -> store -> files
"""
