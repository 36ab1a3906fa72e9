"""Between the engine and the cluster: one thread hands jobs to workers, hears of them, and ends what must end.

It knows tickets (a job's attempt at one worker) and not what jobs are. At most one job a worker is handed over, so that
a worker that dies takes nobody else along, and a job that had not begun when its worker died is handed over again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from dashboard import logs, telling, work
from dashboard.cluster import Cluster, EngineError
from dashboard.job import Job

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)
TICK = 0.2  # seconds between looks at the clock
AGAIN = 5.0  # seconds after which a worker that was told to end, and has not, is told again
PATIENCE = 2.0  # seconds that a job that was told to end has for it
STOPPING = 60.0  # seconds for which a worker is asked to stop where it is
COUNTING = 2.0  # seconds between two questions for the number of workers
MEMORY_TOPIC = "worker-restart-memory"  # on which a nanny tells of a worker that it has ended


@dataclass(eq=False)
class Attempt:
    """A job at a worker. ``worker`` is the address of the one that has taken it, empty until then; it has ``begun`` when
    that worker has loaded the plugins. ``leave_by`` is when it must have ended, ``killed`` when its worker was told to."""

    job: Job
    ticket: str
    future: Any = None
    worker: str = ""
    begun: bool = False
    leave_by: float = 0.0
    killed: float = 0.0


class Owner(Protocol):
    """What the engine is to its dispatcher. All of it is called in the dispatcher's thread."""

    def is_ours(self, ticket: str) -> bool: ...
    def next_attempt(self, running: list[Job], most: int) -> Attempt | None: ...
    def heard(self, attempt: Attempt, event: dict[str, Any]) -> None: ...
    def received(self, attempt: Attempt, receipt: dict[str, Any]) -> None: ...
    def died(self, attempt: Attempt, why: str) -> None: ...
    def lost(self, attempt: Attempt) -> None: ...
    def ticked(self, attempts: list[Attempt]) -> None: ...


class Dispatcher:
    """The thread and its books. It is started by the first :meth:`wake`."""

    def __init__(self, cluster: Cluster, owner: Owner, most: int | None = None) -> None:
        self.cluster, self.owner, self.most = cluster, owner, most
        self.running: dict[str, Attempt] = {}
        self.wants = False  # whether anything waits
        self.state = "idle"
        self.killed = 0
        self._inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._errands = ThreadPoolExecutor(8, thread_name_prefix="errands")
        self._killers = ThreadPoolExecutor(4, thread_name_prefix="killers")
        self._memory: dict[str, float] = {}  # worker → bytes, of those that were ended for it
        self._doomed: dict[str, str] = {}  # worker → the ticket for which it was last told to end
        self._counted, self.slots = 0.0, 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    # For the engine, from any thread --------------------------------------------------------------------------

    def wake(self) -> None:
        """Something has changed: look."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, daemon=True, name="dispatcher")
                self._thread.start()
        self._inbox.put(("wake", None))

    def ask(self, attempt: Attempt, what: str) -> None:
        """Tell a job to end a phase, or (``telling.LEAVE``) to end; one that does not heed that is killed."""
        if what == telling.LEAVE:
            attempt.leave_by = time.monotonic() + PATIENCE
        self._errands.submit(self._asked, attempt, what)

    def kill(self, attempt: Attempt) -> None:
        """End the worker that this job is at, whatever it does. Nothing, where the job is there no more."""
        if self.running.get(attempt.ticket) is not attempt:
            return
        now = time.monotonic()
        if not attempt.killed:
            self.killed += 1
            logs.event("worker killed", kind=str(attempt.job.request.get("kind")))
        if now - attempt.killed > AGAIN:
            attempt.killed = now
            self._killers.submit(self._killed, attempt)

    def stack(self, attempt: Attempt) -> str:
        """Where the job is now, as far as its worker says within a second."""
        return str(self._on_worker(attempt.worker, work.stack, attempt.ticket) or "")

    def close(self) -> None:
        """Let go of the cluster. Only tests do: a server's ends with its process."""
        self._inbox.put(("close", None))
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join(10)
        self.cluster.drop()

    # The thread -----------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            try:
                what, item = self._inbox.get(timeout=TICK)
            except queue.Empty:
                what, item = "tick", None
            if what == "close":
                return
            try:
                self._take(what, item)
                if self.running or self.wants or self.state == "lost":
                    self._look()
            except Exception:  # a fault of ours: the next job is not to suffer from it
                log.exception("The dispatcher stumbled")

    def _take(self, what: str, item: Any) -> None:
        if what == "event":
            ticket, what = str(item.get("ticket")), item["what"]
            speaking = self.running.get(ticket)
            if speaking is not None:
                if what == "taken":
                    speaking.worker = str(item["worker"])
                speaking.begun = speaking.begun or what == "begun"
                self.owner.heard(speaking, item)
            elif what == "taken" and self.owner.is_ours(ticket):  # nobody waits for it any more
                self._errands.submit(self._on_worker, str(item["worker"]), work.want, ticket, telling.LEAVE)
        elif what == "memory":
            self._memory[str(item.get("worker"))] = float(item.get("rss", 0))
        elif what == "done":
            ended: Attempt = item[0]
            if self.running.get(ended.ticket) is ended:
                self._ended(ended, item[1], item[2])

    def _ended(self, attempt: Attempt, receipt: dict[str, Any] | None, error: BaseException | None) -> None:
        del self.running[attempt.ticket]
        if receipt is not None:
            if self._doomed.get(attempt.worker, attempt.ticket) != attempt.ticket:
                del self._doomed[attempt.worker]  # it was not ended after all
            self.owner.received(attempt, receipt)
        elif self._doomed.pop(attempt.worker, attempt.ticket) != attempt.ticket:
            self.owner.lost(attempt)  # what ended it was meant for the job before it, which had just ended
        elif attempt.killed or (attempt.begun and type(error).__name__ == "KilledWorker"):
            taken = self._memory.pop(attempt.worker, 0.0)
            used = f" It had taken {taken / 1e6:,.0f} MB." if taken else ""
            self.owner.died(attempt, f"The worker process that computed it has ended.{used}")
        else:  # its worker died before it began, or the whole engine is gone: another one takes it
            self.owner.lost(attempt)

    def _look(self) -> None:
        if self.cluster.current is not None and not self.cluster.connected:
            self._engine_lost()
        attempts = list(self.running.values())
        now = time.monotonic()
        for attempt in attempts:
            if attempt.killed or (attempt.leave_by and now > attempt.leave_by):
                self.kill(attempt)
        self.owner.ticked(attempts)
        if self.wants or (self.state == "lost" and not self.cluster.embedded):
            self._hand_over()  # also where nobody waits: that a scheduler is back is said then
        elif self.state == "lost":
            self.state = "idle"  # our own is started when the next run is asked for

    def _hand_over(self) -> None:
        try:
            client = self.cluster.current or self._connect()
            if time.monotonic() - self._counted > COUNTING:
                self.slots, self._counted = self.cluster.workers(), time.monotonic()
            if not self.slots:
                raise EngineError("It has no workers.")
        except EngineError as error:
            if self.state != "lost":
                log.warning("%s", error)
            self.state = "lost"
            return
        self.state = "ready"
        slots = self.slots if self.most is None else min(self.most, self.slots)
        while len(self.running) < slots:
            attempt = self.owner.next_attempt([a.job for a in self.running.values()], slots)
            if attempt is None:
                return
            self.running[attempt.ticket] = attempt
            request = json.dumps({**attempt.job.request, "ticket": attempt.ticket})
            attempt.future = client.submit(work.perform, request, key=attempt.ticket, pure=False)
            attempt.future.add_done_callback(lambda future, a=attempt: self._done(a, future))

    def _connect(self) -> Client:
        if self.state == "idle":
            self.state = "starting"
        client = self.cluster.client()
        try:
            client.subscribe_topic(telling.TOPIC, lambda event: self._inbox.put(("event", event[1])))
            client.subscribe_topic(MEMORY_TOPIC, lambda event: self._inbox.put(("memory", event[1])))
        except Exception as error:  # without events every run would seem silent
            self.cluster.drop()
            raise EngineError(f"The engine does not answer: {error}") from error
        return client

    def _done(self, attempt: Attempt, future: Any) -> None:
        """In a thread of the client's: what a future ended with."""
        receipt, error = None, None
        try:
            receipt = future.result(timeout=10)
        except BaseException as raised:
            error = raised
        self._inbox.put(("done", (attempt, receipt, error)))

    def _engine_lost(self) -> None:
        """The scheduler is gone, and its workers with it: what ran there is handed over to the next one."""
        self.state = "lost"
        logs.event("engine lost", running=len(self.running))
        attempts = list(self.running.values())
        self.running.clear()
        self.cluster.drop()
        self._counted = 0.0
        for attempt in attempts:
            self.owner.lost(attempt)

    # Errands, each in a thread of its own, since a scheduler that is gone does not answer ---------------------

    def _on_worker(self, worker: str, function: Callable[..., Any], *args: Any, nanny: bool = False) -> Any:
        client = self.cluster.current
        if not worker or client is None or not self.cluster.connected:
            return None
        with contextlib.suppress(Exception):  # the worker, or all of the engine, may be gone by now
            answer = client.sync(
                client._run,
                function,
                *args,
                workers=[worker],
                nanny=nanny,
                on_error="ignore",
                callback_timeout=2,
            )
            return next(iter(answer.values()), None)
        return None

    def _asked(self, attempt: Attempt, what: str) -> None:
        end, wait = time.monotonic() + (PATIENCE if what == telling.LEAVE else STOPPING), 0.05
        while self.running.get(attempt.ticket) is attempt and time.monotonic() < end:
            if self._on_worker(attempt.worker, work.want, attempt.ticket, what):
                return
            time.sleep(wait)  # no worker has taken it yet, or it does not answer
            wait = min(2 * wait, 1.0)

    def _killed(self, attempt: Attempt) -> None:
        if self.running.get(attempt.ticket) is not attempt:
            return
        if attempt.worker:
            self._doomed[attempt.worker] = attempt.ticket
            self._on_worker(attempt.worker, work.kill, nanny=True)
        elif attempt.future is not None:
            with contextlib.suppress(Exception):
                attempt.future.cancel(force=True)
