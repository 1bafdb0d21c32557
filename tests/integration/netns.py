# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces and processes in them. Knows nothing of Redis or svipd."""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1


def now():
    """Seconds on the one clock that everything here is measured with (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_until(condition, timeout, what="the condition", every=0.02):
    """Calls condition() until it is true; returns its value. AssertionError after `timeout` seconds.

    An OSError counts as "not yet". `what` may be a function: it is called for the message only.
    """
    end = now() + timeout
    while True:
        with contextlib.suppress(OSError):
            value = condition()
            if value:
                return value
        if now() >= end:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {timeout:g} s: {text}")
        time.sleep(every)


def setns(name):
    """Moves the calling thread into the named namespace."""
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {name}")
    finally:
        os.close(fd)


@contextlib.contextmanager
def inside(name):
    """Sockets opened in this block belong to the namespace, for as long as they live."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(name)
        yield
    finally:
        libc.setns(back, CLONE_NEWNET)
        os.close(back)


def _enter(name):
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if name:
        setns(name)


def spawn(ns, argv, log, env=None, cwd=None):
    """Starts a program in a namespace and a session of its own; output is appended to the file `log`."""
    with open(log, "ab") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd,
                                preexec_fn=lambda: _enter(ns), start_new_session=True)


def run(ns, *argv, text=None, check=True, timeout=20):
    """Runs a short program in a namespace; returns its output. RuntimeError when it fails and `check`."""
    done = subprocess.run(argv, input=text, text=True, capture_output=True, timeout=timeout,
                          preexec_fn=lambda: _enter(ns))
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def ip(*lines, ns=None, check=True):
    """A batch of ip(8) commands in one process."""
    return run(ns, "ip", *([] if check else ["-force"]), "-batch", "-", text="\n".join(lines) + "\n", check=check)


def group_alive(group):
    """Does the process group that spawn() made still have members that run? (The dead may wait to be reaped.)"""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
            state, _, member_of = f.read().rpartition(")")[2].split()[:3]
            if int(member_of) == group and state not in "ZX":
                return True
    return False


def end_process(popen, sig=signal.SIGKILL, timeout=10):
    """Signals a process that spawn() made and waits for it; returns the exit status. Then ends what it has left."""
    try:
        if popen.poll() is None:
            popen.send_signal(sig)
        status = popen.wait(timeout)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait(timeout)
        raise AssertionError(f"{popen.args[0]} (pid {popen.pid}) did not end within {timeout} s") from None
    finally:
        end = now() + 2
        while sig != signal.SIGKILL and group_alive(popen.pid) and now() < end:
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
    return status


class Child:
    """A loop of our own in a process of its own, in a namespace.

    work(child) runs there. It waits with child.wait(), appends records to child.records, and returns when
    child.wait() says so. In the parent, fetch() returns all records made until now, in order; it asks the
    child first, so nothing that has arrived there is missed.
    """

    def __init__(self, ns, work, realtime=False):
        self.records = []
        self._end, other = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                self._begin(ns, other, realtime)
                work(self)
                status = 0
            except BaseException as error:  # the parent is told, whatever it is
                with contextlib.suppress(OSError):
                    self._reply({"error": repr(error)})
            finally:
                os._exit(status)
        other.close()
        self._end.settimeout(20)

    def _begin(self, ns, other, realtime):
        for sig in (signal.SIGINT, signal.SIGHUP):
            signal.signal(sig, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._end.close()
        self._end = other
        fd = other.fileno()
        os.closerange(3, fd)
        os.closerange(fd + 1, 4096)
        _enter(ns)
        if realtime:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._asked = False

    # In the child.

    def watch(self, sock, mask=select.POLLIN):
        self._poll.register(sock, mask)

    def forget(self, sock):
        self._poll.unregister(sock)

    def wait(self, timeout=None):
        """Waits for watched sockets; returns their descriptors, or None when it is time to end.

        An order of the parent is answered when nothing else is ready, so that all that came before is in.
        """
        while True:
            ready = dict(self._poll.poll(0 if self._asked else None if timeout is None else max(0, timeout * 1000)))
            order = ready.pop(self._end.fileno(), None)
            if self._asked and not ready:
                self._asked = False
                n = len(self.records)  # a thread of work() may add some meanwhile
                self._reply({"records": self.records[:n]})
                del self.records[:n]
                return []
            if order is None or self._asked:
                return list(ready)
            if self._end.recv(1) != b"g":
                return None
            self._asked = True
            if ready:
                return list(ready)

    def _reply(self, answer):
        data = json.dumps(answer).encode()
        self._end.setblocking(True)
        self._end.sendall(struct.pack("!I", len(data)) + data)

    # In the parent.

    def fetch(self):
        """All records until now. RuntimeError when the child has died."""
        if self.pid is None:
            return self.records
        try:
            self._end.sendall(b"g")
            size = struct.unpack("!I", self._read(4))[0]
            answer = json.loads(self._read(size))
        except OSError as error:
            raise RuntimeError(f"an observer has died: {error}") from None
        if "error" in answer:
            raise RuntimeError(f"an observer has failed: {answer['error']}")
        self.records += answer["records"]
        return self.records

    def _read(self, size):
        data = b""
        while len(data) < size:
            more = self._end.recv(size - len(data))
            if not more:
                raise OSError("end of file")
            data += more
        return data

    def stop(self):
        """Takes the last records and ends the child."""
        if self.pid is None:
            return
        with contextlib.suppress(RuntimeError):
            self.fetch()
        self.kill()

    def kill(self):
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None
            self._end.close()
