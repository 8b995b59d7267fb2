"""Where blocks are computed: one after the other, on all local devices, or by an executor.

An executor is of the protocol of `concurrent.futures`, as a Dask client is: it takes blocks by its
``submit``. Whoever computes them, states come back in the order of the blocks, so that the sums
made of them are the same everywhere: to the last bit on processors of one kind.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice, repeat
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import jax

from uncertainty.errors import DISTRIBUTION, InputError, nearest, require_known
from uncertainty.files import LOADED_AS
from uncertainty.sampling.blocks import Plan, State, run_block

if TYPE_CHECKING:
    from distributed import Client

ExecutorLike: TypeAlias = "Executor | Client | str | None"
States: TypeAlias = Callable[[Plan, Sequence[range]], Iterator[State]]

_AHEAD = 4  # blocks a worker: none waits for work, and memory stays bounded
_NAMES = ("serial", "devices", "dask")
_PATIENCE_S = 4  # for the answer of a scheduler: Dask itself waits half a minute
_SCHEMES = ("tcp", "tls", "ucx", "ws", "wss")
_CERTIFICATES = "it needs certificates, which Dask reads from its settings (distributed.comm.tls)"
_LACKS = {
    "tls": _CERTIFICATES,
    "wss": _CERTIFICATES,
    "ucx": "it needs UCX, which the package distributed-ucxx brings",
}


def executor_name(executor: ExecutorLike) -> str:
    """Check an executor, and give the name by which results know it.

    Examples
    --------
    >>> executor_name(None), executor_name("tcp://host:8786")
    ('serial', 'dask')
    """
    if executor is None or executor in _NAMES:
        return str(executor or "serial")
    if isinstance(executor, Executor):
        return type(executor).__name__
    if not isinstance(executor, str):
        if hasattr(executor, "scheduler") and hasattr(executor, "submit"):
            return "dask"
        text = f"must be a name, an address, an executor or a Dask client (got {executor!r:.40})"
        raise InputError.of("<executor>", text)
    if "://" not in executor:
        hint = (
            f"; did you mean 'tcp://{executor}'?" if ":" in executor else nearest(executor, _NAMES)
        )
        near = hint if "did you mean" in hint else ""
        text = "must be serial, devices, dask or an address such as tcp://host:8786"
        raise InputError.of("<executor>", f"{text} (got {executor!r}{near})")
    require_known("executor", executor.partition("://")[0].lower(), _SCHEMES)
    try:
        address = urlsplit(executor)
        whole = address.hostname and address.port and executor.isprintable() and " " not in executor
    except ValueError:  # a port of letters, or above 65535; a bracket left open
        whole = False
    if not whole:
        text = f"{executor!r} is not the address of a scheduler, such as tcp://host:8786"
        raise InputError.of("<executor>", text)
    return "dask"


@contextmanager
def opened(executor: ExecutorLike) -> Iterator[States]:
    """Give what computes the states of blocks, in their order, while the context lasts."""
    name = executor_name(executor)
    with ExitStack() as held:
        if name == "serial":
            yield lambda plan, blocks: map(run_block, repeat(plan), blocks)
        elif name == "devices":
            devices = jax.local_devices()
            pool = held.enter_context(ThreadPoolExecutor(len(devices)))
            free: SimpleQueue[jax.Device] = SimpleQueue()
            for device in devices:
                free.put(device)

            def on_a_free_device(plan: Plan, block: range) -> State:
                device = free.get()
                try:
                    with jax.default_device(device):
                        return run_block(plan, block)
                finally:
                    free.put(device)

            yield lambda plan, blocks: _in_order(
                lambda block: pool.submit(on_a_free_device, plan, block),
                blocks,
                lambda: len(devices),
            )
        elif isinstance(executor, Executor):
            # The protocol does not say how many workers an executor has.
            yield lambda plan, blocks: _in_order(
                lambda block: executor.submit(run_block, plan, block),
                blocks,
                lambda: os.cpu_count() or 1,
            )
        else:
            client = (
                held.enter_context(_client(executor)) if isinstance(executor, str) else executor
            )
            yield lambda plan, blocks: _on_dask(client, plan, blocks)


def _in_order(
    submit: Callable[[range], "Future[State]"], blocks: Sequence[range], workers: Callable[[], int]
) -> Iterator[State]:
    """Keep some blocks a worker under way, and give the oldest when it is done.

    Executors' own ``map`` would start all at once, and keep states faster than they are merged.
    """
    remaining, pending = iter(blocks), deque[Future[State]]()
    try:
        while True:
            more = max(_AHEAD * workers() - len(pending), 0)
            pending.extend(submit(block) for block in islice(remaining, more))
            if not pending:
                return
            yield pending.popleft().result()
    finally:
        for future in pending:  # of a run that was interrupted
            future.cancel()


def _on_dask(client: "Client", plan: Plan, blocks: Sequence[range]) -> Iterator[State]:
    """Compute blocks on a cluster.

    Dask places them, moves those of a worker that dies to the others, and starts a new one where a
    nanny watches over it.
    """
    import cloudpickle
    from distributed import KilledWorker

    # A model from a file: workers cannot import it, so it travels with its code.
    if LOADED_AS in sys.modules:
        cloudpickle.register_pickle_by_value(sys.modules[LOADED_AS])
    # The plan travels as the result of a task, so that it can be made again if lost. Dask itself
    # would name the module of its model, and not send it.
    shared = client.submit(cloudpickle.loads, cloudpickle.dumps(plan), pure=False)
    submit = partial(client.submit, run_block, shared, pure=False)
    try:
        # No cluster has no threads for long: workers may join.
        yield from _in_order(submit, blocks, lambda: max(sum(client.nthreads().values()), 1))
    except (OSError, CancelledError, KilledWorker) as error:
        text = "the Dask cluster is gone; start it and run again (from a checkpoint, if kept)"
        raise InputError.of("<executor>", text) from error


@contextmanager
def _client(address: str) -> "Iterator[Client]":
    """Connect to the scheduler at an address, or to a local cluster where it is ``dask``."""
    try:
        from distributed import Client, LocalCluster
        from distributed.core import rpc
    except ModuleNotFoundError as error:
        text = f"Dask is not installed: pip install '{DISTRIBUTION}[dask]'"
        raise InputError.of("<executor>", text) from error
    if address == "dask":
        cluster = LocalCluster(threads_per_worker=1, dashboard_address=None)
        with cluster, Client(cluster) as client:
            yield client
        return

    # A client that finds no scheduler waits, and complains late: ask first who listens.
    async def identity() -> object:
        async with rpc(address, timeout=_PATIENCE_S) as other:
            return (await asyncio.wait_for(other.identity(), _PATIENCE_S))["type"]

    try:
        # In a thread of its own: a notebook has a loop that runs.
        with ThreadPoolExecutor(1) as pool:
            who = pool.submit(asyncio.run, identity()).result()
    except Exception as error:  # of whatever listens there, and of what TLS or UCX lacks
        why = _LACKS.get(urlsplit(address).scheme, "is it running, and the port right?")
        text = f"no Dask scheduler answers at {address}: {why}"
        raise InputError.of("<executor>", text) from error
    if who != "Scheduler":
        text = f"at {address} is a Dask {str(who).lower()}: give the address of its scheduler"
        raise InputError.of("<executor>", text)
    with Client(address, timeout=_PATIENCE_S) as client:
        yield client
