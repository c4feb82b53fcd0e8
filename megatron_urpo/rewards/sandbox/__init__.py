"""A sandbox for programs that a model wrote, fast enough to start one for every test.

Outside, in the worker process: `box.Sandbox` starts one bubblewrap and talks to what runs in it.
Inside: `spawner` starts boxes, each a process tree with namespaces of its own, watches them and
tells their ends; `confine` takes a box's rights away; `programs` is what runs in it; `wire` and
`checker` carry values between an answer and its tests. What runs inside imports nothing but the
standard library, megatron_urpo.code_tests.names, and its own neighbours.
"""
