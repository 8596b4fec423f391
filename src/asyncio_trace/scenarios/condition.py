"""A condition wakes its waiters to look again; who finds too little waits on.

In the trace: each delivery wakes all customers that still wait in `condition`. They take the lock one after
another, the one whose order is covered leaves, and the others start a new wait.
"""

import asyncio

from asyncio_trace.scenarios.options import Options, parse_options

FINDINGS: tuple[tuple[str, ...], ...] = ()


class Stock:
    """How many pieces there are, guarded by a condition."""

    def __init__(self) -> None:
        self.pieces = 0
        self.changed = asyncio.Condition()


async def customer(wanted: int, stock: Stock) -> None:
    """Wait until there are enough pieces, and take them."""
    async with stock.changed:
        await stock.changed.wait_for(lambda: stock.pieces >= wanted)
        stock.pieces -= wanted
        print(f"customer takes {wanted}, {stock.pieces} left")


async def supplier(deliveries: list[int], stock: Stock, options: Options) -> None:
    """Deliver pieces one lot after another, and tell everybody each time."""
    for delivered in deliveries:
        await asyncio.sleep(options.delay(0.5))
        async with stock.changed:
            stock.pieces += delivered
            print(f"supplier brings {delivered}")
            stock.changed.notify_all()


async def main(options: Options) -> None:
    """Let three customers wait for a supplier."""
    stock = Stock()
    orders = options.random.sample([1, 2, 3], 3)
    async with asyncio.TaskGroup() as group:
        for wanted in orders:
            group.create_task(customer(wanted, stock), name=f"customer-of-{wanted}")
        group.create_task(supplier([1, 1, 2, 2], stock, options), name="supplier")


if __name__ == "__main__":
    asyncio.run(main(parse_options(__doc__)))
