"""Where blocks are computed: one after the other, on all local devices, or on a Dask cluster.

Whoever computes them, blocks come back in the order in which they were asked for, so that the sums
made of them are the same everywhere: to the last bit on processors of one kind.
"""

import asyncio
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Self, TypeAlias
from urllib.parse import urlsplit

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jax.typing import ArrayLike

from uncertainty.arrays import in_float64
from uncertainty.errors import InputError, nearest, require_known
from uncertainty.files import LOADED_AS
from uncertainty.sampling.blocks import (
    Block,
    Net,
    Plan,
    Work,
    collect,
    nets_of,
    reduce_draws,
    run_block,
)
from uncertainty.sampling.reducers import Carry, State

if TYPE_CHECKING:
    from distributed import Client, Future


_PATIENCE_S = 4
_SCHEMES = ("tcp", "tls", "ucx", "ws", "wss")
_CERTIFICATES = "it needs certificates, which Dask reads from its settings (distributed.comm.tls)"
_LACKS = {
    "tls": _CERTIFICATES,
    "wss": _CERTIFICATES,
    "ucx": "it needs UCX, which the package distributed-ucxx brings",
}


class Executor(ABC):
    """Computes the blocks of a plan; a context in which it holds what it needs."""

    name: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @abstractmethod
    def run(self, plan: Plan, blocks: Iterable[Block]) -> Iterator[State]:
        """Give the state of each block, in their order."""


ExecutorLike: TypeAlias = "Executor | Client | str | None"


class Serial(Executor):
    """One block after the other, in this process."""

    name = "serial"

    def run(self, plan: Plan, blocks: Iterable[Block]) -> Iterator[State]:
        """Compute when asked for the next."""
        return (run_block(plan, block) for block in blocks)


class Devices(Executor):
    """As many blocks at a time as JAX has local devices, one on each."""

    name = "devices"

    def run(self, plan: Plan, blocks: Iterable[Block]) -> Iterator[State]:
        """Compute a batch when its first is asked for."""
        devices, remaining = len(jax.local_devices()), iter(blocks)
        while batch := list(islice(remaining, devices)):
            idle = [Block(0, 0)] * (devices - len(batch))
            yield from self._batch(plan, [*batch, *idle])[: len(batch)]

    @in_float64
    def _batch(self, plan: Plan, batch: list[Block]) -> list[State]:
        nets = [nets_of(plan, block) for block in batch]
        starts = np.array([block.start for block in batch])
        counts = np.array([block.count for block in batch])
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *nets)
        found = _over_devices()(plan.work, *stacked, starts, counts)
        carries: tuple[Carry, ...] = jax.device_get(found)
        return [
            collect(plan, jax.tree.map(lambda leaf, i=i: leaf[i], carries))
            for i in range(len(batch))
        ]


@lru_cache(maxsize=1)
def _over_devices() -> "jax.stages.Wrapped":
    """`reduce_draws` for one block a device."""

    def one(
        work: Work, outer: Net, inner: Net, start: ArrayLike, count: ArrayLike
    ) -> tuple[Carry, ...]:
        own = jax.tree.map(lambda leaf: leaf[0], (outer, inner, start, count))
        found: tuple[Carry, ...] = jax.tree.map(lambda leaf: leaf[None], reduce_draws(work, *own))
        return found

    # JAX leaves this class untyped.
    each, all_ = (PartitionSpec(*axes) for axes in (("device",), ()))  # type: ignore[no-untyped-call]  # see above
    mesh = Mesh(np.array(jax.local_devices()), ("device",))
    split = jax.shard_map(
        one, mesh=mesh, in_specs=(all_, each, each, each, each), out_specs=each, check_vma=False
    )
    return jax.jit(split)


class OnDask(Executor):
    """A Dask cluster: one that is given, one at an address, or a local one for this run.

    Dask places the blocks, moves those of a worker that dies to the others, and starts a new one
    where a nanny watches over it.
    """

    name = "dask"
    _AHEAD = 4

    def __init__(self, target: "Client | str" = "") -> None:
        self._target = target
        self._held = ExitStack()

    def __enter__(self) -> Self:
        self._client = self._held.enter_context(self._opened())
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def run(self, plan: Plan, blocks: Iterable[Block]) -> Iterator[State]:
        """Keep some blocks a thread under way, and give the oldest when it is done."""
        import cloudpickle
        from distributed import KilledWorker

        # A model from a file: workers cannot import it, so it travels with its code.
        if LOADED_AS in sys.modules:
            cloudpickle.register_pickle_by_value(sys.modules[LOADED_AS])
        # The plan travels as the result of a task, so that it can be made again if lost. Dask
        # itself would name the module of its model, and not send it.
        packed = cloudpickle.dumps(plan)
        shared = self._client.submit(cloudpickle.loads, packed, pure=False)
        remaining = iter(blocks)
        pending: deque[Future[State]] = deque()
        while True:
            threads = max(sum(self._client.nthreads().values()), 1)
            pending.extend(
                self._client.submit(run_block, shared, block, pure=False)
                for block in islice(remaining, max(self._AHEAD * threads - len(pending), 0))
            )
            if not pending:
                return
            try:
                state = pending.popleft().result()
            except (OSError, CancelledError, KilledWorker) as error:
                text = "the Dask cluster is gone; with a checkpoint, the same run goes on from it"
                raise InputError.of("<executor>", text) from error
            yield state

    @contextmanager
    def _opened(self) -> "Iterator[Client]":
        if not isinstance(self._target, str):
            yield self._target
            return
        try:
            from distributed import Client, LocalCluster
        except ModuleNotFoundError as error:
            text = "Dask is not installed; the extra 'dask' of this package brings it"
            raise InputError.of("<executor>", text) from error
        if not self._target:
            cluster = LocalCluster(threads_per_worker=1, dashboard_address=None)
            with cluster, Client(cluster) as client:
                yield client
            return
        _ask_who(self._target)
        with Client(self._target, timeout=_PATIENCE_S) as client:
            yield client


def _ask_who(address: str) -> None:
    """Make sure that a scheduler answers: a client that finds none waits, and complains late."""
    from distributed.core import rpc

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


def executor_of(stated: ExecutorLike) -> Executor:
    """Read an executor: its name, the address of a Dask scheduler, or a Dask client.

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> executor_of("devices").name
    'devices'
    """
    if isinstance(stated, Executor):
        return stated
    if not isinstance(stated, str | None):
        return OnDask(stated)
    named = {"serial": Serial, "devices": Devices, "dask": OnDask}
    if stated is None or stated in named:
        return named[stated or "serial"]()
    if "://" not in stated:
        hint = f"; did you mean 'tcp://{stated}'?" if ":" in stated else nearest(stated, named)
        near = hint if "did you mean" in hint else ""
        text = "must be serial, devices, dask or an address such as tcp://host:8786"
        raise InputError.of("<executor>", f"{text} (got {stated!r}{near})")
    require_known("executor", stated.partition("://")[0].lower(), _SCHEMES)
    try:
        address = urlsplit(stated)
        whole = address.hostname and address.port and stated.isprintable() and " " not in stated
    except ValueError:  # a port of letters, or above 65535; a bracket left open
        whole = False
    if not whole:
        text = f"{stated!r} is not the address of a scheduler, such as tcp://host:8786"
        raise InputError.of("<executor>", text)
    return OnDask(stated)
