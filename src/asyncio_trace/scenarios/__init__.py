"""Small asyncio programs, each showing one thing that an event loop does.

They are plain programs: they know nothing of the tracer and run under plain ``python -m asyncio_trace.scenarios.gather`` too.

Each declares in `FINDINGS` what a tracer should find wrong with it, if anything: the rule, the function, and the line in it at
fault (or several lines, of which it is one).
"""
