#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""store.py IMPL SERVER KVLOAD LOAD [N]: measure one key-value store.

Starts the server on the first CPU and its clients on the second, and prints
lines of `name impl value unit`.  LOAD is bench (redis-benchmark), fresh (the
same, a connection for each request), light (kvload in a closed loop), or what goes on while kvload sends GETs at a fixed
rate: rest, keys, flush, big.  `scale N` has the server on the first N CPUs and
a kvload on each of the others.
"""

import contextlib
import csv
import os
import signal
import socket
import subprocess
import sys
import time

CLIENTS = 50
PROBE_CONNS, PROBE_RATE, PROBE_SECONDS = 10, 1000, 4
MILLION = 1000000

REDIS = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]


def cpus():
    """The server's N CPUs and the clients'."""
    have = sorted(os.sched_getaffinity(0))
    n = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    return have[:n], have[n:] or have


def command(on, argv, **options):
    return subprocess.Popen(argv, **options, preexec_fn=lambda:
                            os.sched_setaffinity(0, on))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_up(port, server):
    for _ in range(200):
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", port), 1) as s:
                s.sendall(b"PING\r\n")
                if s.recv(64) == b"+PONG\r\n":
                    return
        if server.poll() is not None:
            sys.exit(f"store: the server ended, status {server.returncode}")
        time.sleep(0.05)
    sys.exit("store: the server does not answer")


@contextlib.contextmanager
def serving(impl, path):
    port = free_port()
    argv = [path, "--port", str(port), "--bind", "127.0.0.1"] + (
        REDIS if impl == "redis" else ["--cpus", str(len(cpus()[0]))])
    server = command(cpus()[0], argv, stdout=subprocess.DEVNULL, cwd="/tmp")
    try:
        wait_until_up(port, server)
        yield str(port)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            sys.exit("store: the server did not end on SIGTERM")


def clients(on, argv):
    """Run the same on each of these CPUs at once; what each printed."""
    processes = [command([cpu], argv, stdout=subprocess.PIPE, text=True)
                 for cpu in on]
    outputs = [process.communicate()[0] for process in processes]
    for process in processes:
        if process.returncode != 0:
            sys.exit(f"store: {argv[0]} ended with {process.returncode}")
    return outputs


def client(argv):
    return clients(cpus()[1][-1:], argv)[0]


def numbers(output):
    """What kvload printed, `key value key value`, as a dictionary."""
    words = output.split()
    return dict(zip(words[::2], map(float, words[1::2])))


def kvload(path, port, *args):
    return numbers(client([path, port] + [str(a) for a in args]))


def load_bench(report, port, _):
    for depth, count in ((1, 150000), (16, 1500000)):
        output = client(["redis-benchmark", "-h", "127.0.0.1", "-p", port,
                         "-t", "set,get", "-c", str(CLIENTS), "-P",
                         str(depth), "-n", str(count), "-r", "100000",
                         "--csv"])
        for row in csv.reader(output.splitlines()):
            if row[0] in ("SET", "GET"):
                report(f"kv-{row[0].lower()}-p{depth}",
                       float(row[1]) / 1e3, "kreq/s")


def load_fresh(report, port, _):
    """A connection for each request; as many as a port has others to offer."""
    output = client(["redis-benchmark", "-h", "127.0.0.1", "-p", port, "-t",
                     "set", "-c", str(CLIENTS), "-k", "0", "-n", "15000",
                     "--csv"])
    for row in csv.reader(output.splitlines()):
        if row[0] == "SET":
            report("kv-fresh", float(row[1]) / 1e3, "kreq/s")


def load_light(report, port, path):
    kvload(path, port, "fill", 100000)
    for op in ("set", "get"):
        result = kvload(path, port, "load", op, 100000, CLIENTS, 1, 2)
        report(f"kv-light-{op}", result["rate"] / 1e3, "kreq/s")


def load_scale(report, port, path):
    kvload(path, port, "fill", 100000)
    server, others = cpus()
    outputs = clients(others, [path, port, "load", "get", "100000",
                               str(CLIENTS), "16", "2"])
    report(f"kv-{len(server)}",
           sum(numbers(output)["rate"] for output in outputs) / 1e3,
           "kreq/s")


def load_probe(heavy, report, port, path):
    kvload(path, port, "fill", MILLION)
    result = kvload(path, port, "probe", MILLION, PROBE_CONNS, PROBE_RATE,
                    PROBE_SECONDS, "none" if heavy == "rest" else heavy)
    if heavy != "rest" and result["heavy"] < 1:
        sys.exit(f"store: no {heavy} was answered")
    if heavy == "flush":
        report("kv-flush-max", result["max_us"] / 1e3, "ms")
        return
    report(f"kv-{heavy}-p99", result["p99_us"] / 1e3, "ms")
    if heavy != "rest":
        report(f"kv-{heavy}-rate", result["heavy"] / PROBE_SECONDS, "1/s")


def main():
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    impl, server, generator, load = sys.argv[1:5]

    def report(name, value, unit):
        print(name, impl, f"{value:.6g}", unit, flush=True)

    with serving(impl, server) as port:
        if load == "bench":
            load_bench(report, port, generator)
        elif load == "fresh":
            load_fresh(report, port, generator)
        elif load == "light":
            load_light(report, port, generator)
        elif load == "scale":
            load_scale(report, port, generator)
        else:
            load_probe(load, report, port, generator)


if __name__ == "__main__":
    main()
