"""How a system call sleeps: the life of a handler's generator.

A handler that has to wait returns a generator; each value it yields is one Sleep.  The machine
calls ``begin`` with it, ``resume`` when the scheduler picks the task again, and either gives the
result of the call, or None while there is none: the task is asleep, or dead.

A sleep ends in one of three ways: a wake-up (True is sent in), the deadline (False), or an
interruption (Interrupted is thrown in).  A wake-up wins over a signal that came meanwhile, so that
nothing handed to a sleeper is lost; the signal then interrupts its next sleep, or is taken when the
call returns.  See kernel.wait for the rules generators keep.

Linux analogue: ``schedule()`` inside a system call, and ``signal_pending`` after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernel.abi.errors import ERESTARTSYS, KernelError, Restart
from kernel.task.exit import exit_task
from kernel.task.siginfo import SigInfo
from kernel.task.signals import doomed, pending_signal, send_to_task
from kernel.wait import Interrupted

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking, Sleep


def begin(task: Task, generator: Blocking[Any], deadline: int | None = None) -> int | None:
    """Run a handler's generator up to its first sleep: the result, or None if it sleeps.

    ``deadline``: when that sleep ends, if it is one that does; of a call that began before.
    """
    try:
        sleep = next(generator)
    except StopIteration as stop:
        return _finished(task, stop)
    except KernelError as error:
        return failed(task, error)
    if deadline is not None and sleep.deadline is not None:
        sleep = sleep._replace(deadline=deadline)
    return _sleep(task, generator, sleep)


def resume(task: Task) -> int | None:
    """Go on with a sleeping call whose task was scheduled: the result, or None (asleep or dead)."""
    generator = task.generator
    waiter = task.waiter
    assert generator is not None
    assert waiter is not None
    for observer in task.kernel.events:
        observer.resumed(task)
    if doomed(task):
        _die(task)
        return None
    task.generator = task.waiter = task.sleep = None
    if not waiter.woken and not task.timed_out:
        return _interrupt(task, generator)
    try:
        sleep = generator.send(waiter.woken)
    except StopIteration as stop:
        return _finished(task, stop)
    except KernelError as error:
        return failed(task, error)
    return _sleep(task, generator, sleep)


def _die(task: Task) -> None:
    """Killed while it slept: the call never returns."""
    abort(task)
    if task.call is not None:
        for observer in task.kernel.events:
            observer.no_return(task, task.call[0], task.call[1:])
    exit_task(task, task.group.status)


def _finished(task: Task, stop: StopIteration) -> int:
    task.killable_only = False
    task.error_reason = ""
    return stop.value  # type: ignore[no-any-return]  # the handler's own result


def _sleep(task: Task, generator: Blocking[Any], sleep: Sleep) -> int | None:
    stop = doomed(task) if task.killable_only else pending_signal(task)
    if stop:
        return _interrupt(task, generator)
    task.generator = generator
    task.kernel.scheduler.block(task, sleep)
    for observer in task.kernel.events:
        observer.asleep(task)
    return None


def _interrupt(task: Task, generator: Blocking[Any]) -> int | None:
    """Let the generator finish: with what it did so far, or with an ERESTART code."""
    try:
        generator.throw(Interrupted())
    except StopIteration as stop:
        return _finished(task, stop)
    except Interrupted:
        return failed(task, ERESTARTSYS("a signal came"))
    except KernelError as error:
        return failed(task, error)
    raise RuntimeError(f"{generator} slept again after it was interrupted")


def settle(task: Task) -> int | None:
    """Interrupt a sleep although there is no signal: the call's result, as in ``resume``.

    None: the task does not sleep so that a signal could wake it, or was woken already.
    """
    generator, waiter = task.generator, task.waiter
    if generator is None or waiter is None or waiter.woken or task.timed_out:
        return None
    if task.killable_only:
        return None
    task.kernel.scheduler.unblock(task)
    task.generator = task.waiter = task.sleep = None
    return _interrupt(task, generator)


def failed(task: Task, error: KernelError) -> int:
    """The result of a call that raised; the one place that knows what an error brings with it.

    The dispatcher calls it for handlers that raise at once, too.
    """
    task.killable_only = False
    # Only observers read it, and only they pay for putting it together.
    task.error_reason = error.reason if task.kernel.events else error.words
    if error.signal:
        send_to_task(task, SigInfo.user(error.signal, task.tgid, task.cred.ruid))
    if isinstance(error, Restart):
        task.interrupted = error
        task.work = True
    return -error.errno


def abort(task: Task) -> None:
    """End a sleeping call without a result: the task dies, or the call will be entered anew.

    A wake-up that only one sleeper gets is passed on if this one cannot use it any more.
    """
    generator, waiter = task.generator, task.waiter
    task.generator = task.waiter = task.sleep = None
    task.killable_only = False
    if task.timer is not None:
        task.kernel.timers.cancel(task.timer)
        task.timer = None
    if waiter is not None:
        waiter.remove()
    if generator is not None:
        generator.close()
    if waiter is not None and waiter.woken and waiter.exclusive:
        for queue in waiter.queues:
            queue.wake()
