"""A call that waits, in a thread of its own, for a coroutine."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

from . import _async

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    _Result = TypeVar("_Result")


async def run(call: Callable[[], _Result], end: Callable[[], object]) -> _Result:
    """Return or raise what `call` does; `end` lets it end soon, when nobody waits any more.

    Not one that has ended already, as others know: it would be another's that it ends.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []
    wake, wait = _in_trio() if _async.is_in_trio() else _in_asyncio()

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # the coroutine's to raise
            errors.append(error)
        with contextlib.suppress(RuntimeError):  # the loop is over
            wake()

    thread = threading.Thread(target=work, name="zinc-wait")
    with contextlib.suppress(RuntimeError):  # beside the main interpreter there are none
        thread.daemon = True
    thread.start()
    try:
        await wait()
    except BaseException:
        if not results and not errors:
            with contextlib.suppress(ValueError):  # closed
                end()
        raise
    if errors:
        raise errors[0]
    return results[0]


def _in_asyncio() -> tuple[Callable[[], object], Callable[[], Awaitable[object]]]:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    return lambda: loop.call_soon_threadsafe(event.set), event.wait


def _in_trio() -> tuple[Callable[[], object], Callable[[], Awaitable[object]]]:
    trio = sys.modules["trio"]
    event = trio.Event()
    token = trio.lowlevel.current_trio_token()
    return lambda: token.run_sync_soon(event.set), event.wait
