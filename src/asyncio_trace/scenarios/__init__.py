"""Small asyncio programs, each showing one thing that an event loop does.

They are plain programs: they know nothing of the tracer and run under plain ``python -m asyncio_trace.scenarios.gather`` too.
"""
