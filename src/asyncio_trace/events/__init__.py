"""The ground floor: what a tracer can say, as records of integers.

A trace is a stream of records. The tracer makes them, a recording file keeps them, the model reads them; none of the three
knows the others. Everything here needs the standard library only.
"""
