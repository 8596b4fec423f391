"""The native core: the hot paths of the Python core in C (`_native`, from src/asyncio_trace/native), and the Python core for
all that is rare.
"""
