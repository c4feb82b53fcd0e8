"""The referee measured where the truth is known: inside a run, and before one.

Consumes the held-out preference tasks and the finished groups of a step, produces metrics and
alarms. Nothing that is judged here is trained on.
"""
