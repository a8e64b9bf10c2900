# SPDX-License-Identifier: Apache-2.0
"""What the measurements share: servers pinned to cores, load by wrk, CPU time of a process and its children, and rounds
in which ours and the peer take turns, so that a machine whose speed drifts drifts for both."""
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/bench"
PACKAGES = BUILD / "packages"  # tools/bench makes them
CACHE = pathlib.Path(os.environ.get("SERIN_CACHE", pathlib.Path.home() / ".cache/serin"))
os.environ.setdefault("SERIN", str(BUILD / "serin"))
sys.path.insert(0, str(ROOT / "tests/system"))
from worker import Worker  # noqa: E402  (it reads SERIN)

# The last core makes the load, the others serve: with two cores one each.
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, LOAD_CORES = (CORES[:-1], CORES[-1:]) if len(CORES) > 1 else (CORES, CORES)
TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Request:
    """A POST that is sent over and over."""
    path: str
    body: bytes
    headers: dict = dataclasses.field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclasses.dataclass
class Load:
    """What a server did under load."""
    per_second: float
    cpu_us: float  # of the server and its children, a request
    p50_us: float
    p99_us: float


def children_of(pid):
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())


def cpu_seconds(pid):
    """User and system time of a process and of all below it."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK + sum(cpu_seconds(child) for child in children_of(pid))


def wrk(port, request, seconds, connections):
    with tempfile.NamedTemporaryFile() as body:
        body.write(request.body)
        body.flush()
        fields = [part for field in request.headers.items() for part in field]
        out = subprocess.run(
            ["taskset", "-c", ",".join(map(str, LOAD_CORES)), "wrk", "-t1", f"-c{connections}", f"-d{seconds}",
             "--timeout", "30", "-s", ROOT / "bench/wrk.lua", f"http://127.0.0.1:{port}{request.path}", "--", body.name,
             *fields], capture_output=True, text=True, check=True).stdout
    seen = json.loads(out.splitlines()[-1])
    if seen["failed"] or not seen["requests"]:
        raise RuntimeError(f"{request.path}: {seen['failed']} of {seen['requests']} requests failed:\n{out}")
    return seen


def load(pid, port, request, seconds, connections):
    before = cpu_seconds(pid)
    seen = wrk(port, request, seconds, connections)
    cpu = cpu_seconds(pid) - before
    return Load(seen["requests"] / seen["seconds"], cpu / seen["requests"] * 1e6, seen["p50_us"], seen["p99_us"])


def paced(port, request, seconds, connections, rate):
    """Times until the answer's end, in µs, sorted, of requests at `rate` a second over all connections. h2load sends by
    its clock, so a slow server is not asked less; one that does not keep up raises."""
    with tempfile.TemporaryDirectory() as folder:
        body, log = pathlib.Path(folder, "body"), pathlib.Path(folder, "log")
        body.write_bytes(request.body)
        fields = [f"--header={name}: {value}" for name, value in request.headers.items()]
        subprocess.run(
            ["taskset", "-c", ",".join(map(str, LOAD_CORES)), "h2load", "--h1", f"-c{connections}", "-t1", f"-D{seconds}",
             "--warm-up-time=1", f"--rps={rate / connections}", f"--data={body}", f"--log-file={log}", *fields,
             f"http://127.0.0.1:{port}{request.path}"], capture_output=True, check=True)
        rows = [line.split("\t") for line in log.read_text().splitlines()]
    if failed := [row for row in rows if row[1] != "200"]:
        raise RuntimeError(f"{request.path}: {len(failed)} of {len(rows)} requests failed")
    if len(rows) < 0.95 * rate * seconds:
        raise RuntimeError(f"{request.path}: {len(rows) / seconds:.0f} requests/s of {rate:.0f}")
    return sorted(int(row[2]) for row in rows)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def post(port, request, timeout=30):
    """One request; anything but 200 raises."""
    made = urllib.request.Request(f"http://127.0.0.1:{port}{request.path}", request.body, request.headers)
    with urllib.request.urlopen(made, timeout=timeout) as answer:
        return answer.read()


@contextlib.contextmanager
def pinned(cores):
    """What is started within runs on these cores; this process only meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def worker(package, *options, cores=SERVER_CORES):
    """Our worker, ready."""
    with pinned(cores):
        made = Worker(package, *options)
    try:
        yield made.wait_ready()
    finally:
        made.stop()


@contextlib.contextmanager
def server(command, port, probe, within=120, **options):
    """Somebody's server, once it answers `probe`; ended with all its children."""
    with tempfile.TemporaryFile() as log:
        with pinned(SERVER_CORES):
            process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0, **options)
        try:
            deadline = time.monotonic() + within
            while True:
                try:
                    probe(port)
                    break
                except (OSError, urllib.error.URLError):
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise RuntimeError(f"{command[0]} did not start:\n" + log.read().decode()[-4000:]) from None
                    time.sleep(0.1)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def listening(port):
    socket.create_connection(("127.0.0.1", port), timeout=1).close()


def in_turn(rounds, subjects):
    """Calls each of `subjects` (name to function) once a round; the results by name."""
    seen = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, measure in subjects.items():
            seen[name].append(measure())
    return seen


def spread(values, digits=0):
    """The median, and in brackets the least and the most."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def ratios(ours, theirs):
    """Ours over theirs, round by round."""
    return [a / b for a, b in zip(ours, theirs)]


def claim(text, value, bound, at_least=False, digits=2):
    """The one line that says whether a target is met."""
    met = value >= bound if at_least else value <= bound
    print(f"{'met   ' if met else 'MISSED'} {text}: {value:,.{digits}f}, {'at least' if at_least else 'at most'} {bound:g}",
          flush=True)


def machine():
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown processor")
    return f"{len(CORES)} cores, {model}, load {os.getloadavg()[0]:.1f}"
