# SPDX-License-Identifier: BSD-2-Clause
"""What `make bench` measures: the figures, their budgets, the programs."""

from collections import namedtuple

# One figure.  better: "low" or "high".  budget: a number to reach; or, with
# budget_is "ratio", how many times better than the best peer of the same run.
Figure = namedtuple("Figure", "name unit better budget budget_is what")

# One program of every implementation named: its arguments, the number of CPUs
# it may use, the figures it prints, the seconds it may take, and what the
# figures are called more than the program says.
Program = namedtuple("Program", "file args cpus impls gives limit prefix",
                     defaults=("",))

# A figure for every number of CPUs, 1, 2, 4, ..., that the machine has, from
# `least` on and as long as `share` times as many are there; args: of the
# program, {n} is the number.
Scale = namedtuple("Scale", "name unit better file args impls what least "
                   "share", defaults=(1, 1))

# The implementations, in the order of the columns.  "floor" is what the
# machine itself takes: a column, never a peer to beat.
IMPLS = {
    "lwkt": None,
    "go": "golang-go",
    "boost": "libboost-fiber-dev and g++",
    "st": "libst-dev",
    "pth": "libpth-dev",
    "pthread": None,
    "ck": "libck-dev",
    "jemalloc": "libjemalloc-dev",
    "mimalloc": "libmimalloc-dev",
    "event": "libevent-dev",
    "uv": "libuv1-dev",
    "redis": "redis-server and redis-tools",
    "floor": None,
}
NO_PEER = ("lwkt", "floor")


def low(name, unit, budget, what, budget_is="value"):
    return Figure(name, unit, "low", budget, budget_is, what)


def high(name, unit, budget, what, budget_is="value"):
    return Figure(name, unit, "high", budget, budget_is, what)


FIGURES = [
    low("yield-2", "ns", 9, "switch through the run queue, 2 threads"),
    low("yield-16", "ns", 9, "the same, 16 threads"),
    low("yield-10000", "ns", 16, "the same, 10,000 threads"),
    low("create-join", "ns", 30, "create a thread, run it, join it"),
    low("block-wakeup", "ns", 15, "block and be woken (address, or "
        "condition variable), a switch"),
    low("block-schedule", "ns", 15, "the same by the thread's handle, or "
        "semaphore"),
    low("block-cond", "ns", None, "the same by mutex and condition variable"),
    low("block-sem", "ns", None, "the same by semaphore"),
    low("lock", "ns", 1, "critical section (inline), or uncontended mutex"),
    low("lock-call", "ns", None, "critical section by function calls"),
    low("spin-1", "ns", 5, "spinlock, one CPU"),
    low("spin-2", "ns", None, "the same, wanted by two CPUs"),
    low("spin-shared-1", "ns", None, "spinlock shared, one CPU"),
    low("spin-shared-2", "ns", None, "the same, two CPUs"),
    low("token-1", "ns", 8, "token, one CPU"),
    low("token-2", "ns", None, "the same, wanted by two CPUs"),
    low("token-shared-1", "ns", None, "token shared, one CPU"),
    low("token-shared-2", "ns", None, "the same, two CPUs"),
    low("mutex-1", "ns", None, "mutex, one CPU"),
    low("mutex-2", "ns", None, "the same, wanted by two CPUs"),
    high("mutex-2x4", "M/s", 50, "takings of a mutex wanted by 4 threads on "
         "each of 2 CPUs"),
    low("mtx-1", "ns", None, "mtx (hands itself on), one CPU"),
    low("mtx-2", "ns", None, "the same, wanted by two CPUs"),
    high("mtx-2x4", "M/s", None, "the same, by 4 threads on each"),
    low("rwlock-1", "ns", None, "rwlock taken to read, one CPU"),
    low("rwlock-2", "ns", None, "the same, two CPUs"),
    low("serializer-1", "ns", None, "serializer, one CPU"),
    low("serializer-2", "ns", None, "the same, wanted by two CPUs"),
    low("cpusync-2", "ns", None, "stop two CPUs, run a function on each, go "
        "on"),
    low("cpusync-quick-2", "ns", None, "run a function on two CPUs, stopping "
        "none"),
    low("migrate-2", "ns", None, "a thread moves to the other CPU"),
    low("wakeup-bcast-1", "ns", None, "one wakeup of 10,000 threads until all "
        "have run, each"),
    low("wakeup-bcast-2", "ns", None, "the same, half of them on each of two "
        "CPUs"),
    low("fib-1", "ns", None, "fork and join by the definition of fib(n), a "
        "thread"),
    low("fib-2", "ns", None, "the same, 2 CPUs"),
    low("ring-1000", "ns", None, "a token goes round 1,000 threads, a hop"),
    low("pairs-10000", "ns", None, "10,000 pairs at once: message there and "
        "back"),
    high("select-4", "M/s", None, "values of four threads, each by a stream "
         "of its own, to one"),
    high("select-4-2", "M/s", None, "the same between two CPUs"),
    high("port-select-4", "M/s", None, "messages of four senders, each to a "
         "port of its own, to one thread, and back"),
    high("port-select-4-2", "M/s", None, "the same between two CPUs"),
    high("queue-1", "M/s", None, "items through a bounded queue, one CPU"),
    high("queue-2", "M/s", None, "the same between two CPUs"),
    low("malloc-64", "ns", None, "a block of 64 bytes taken and given back"),
    low("malloc-many", "ns", None, "10,000 blocks of 16 to 1023 bytes taken, "
        "then given back, each"),
    low("malloc-remote", "ns", None, "a block taken on one CPU and given back "
        "on the other"),
    low("msg-local", "ns", 35, "message there and back on one CPU; the server "
        "replies and waits in one call"),
    low("msg-cross", "ns", 300, "the same between two CPUs"),
    high("msg-oneway", "M/s", None, "one-way messages to another CPU"),
    high("msg-oneway-64", "M/s", None, "values, 64 a message"),
    high("stream-single", "M/s", 20, "values one way to another CPU, by the "
         "usual primitive for streams"),
    high("stream-batch", "M/s", 100, "the same, 64 at a time"),
    high("ipi-single", "M/s", 30, "functions run on another CPU"),
    high("ipi-batch", "M/s", 100, "the same, rung once for 64"),
    low("timer-p50", "us", None, "one 1 ms sleeper: lateness, median"),
    low("timer-p99", "us", None, "the same, 99 of 100"),
    low("timer-set", "ns", None, "stop and start one of 10,000 pending "
        "timers"),
    low("hogs-p50", "us", None, "one 1 ms sleeper a CPU with 2 hogs: "
        "lateness, median"),
    low("hogs-p99", "us", 200, "the same, 99 of 100"),
    low("preempt", "ns", 3300, "interrupt a thread between two instructions, "
        "call a timer, go on"),
    low("preempt-300us", "%", 1.1, "of a CPU that does so each 300 us"),
    high("sleepers-rate", "M/s", 1.9, "wake-ups of 100,000 threads that "
         "sleep 1-100 ms (1.98 is all)"),
    low("sleepers-p99", "ms", 1, "their lateness, 99 of 100"),
    low("million-time", "ns", 2500, "a million blocked threads: create, "
        "wake, finish, each"),
    low("million-bytes", "B", 4300, "their memory with page tables, each"),
    low("skynet-1", "ms", 120, "tree of threads, a million leaves, 1 CPU"),
    low("skynet-2", "ms", 70, "the same, 2 CPUs"),
    high("kv-set-p1", "kreq/s", 1.0, "redis-benchmark, 50 clients, SET",
         "ratio"),
    high("kv-get-p1", "kreq/s", 1.0, "the same, GET", "ratio"),
    high("kv-set-p16", "kreq/s", 1.2, "the same, SET, 16 under way", "ratio"),
    high("kv-get-p16", "kreq/s", 1.2, "the same, GET, 16 under way", "ratio"),
    high("kv-fresh", "kreq/s", 1.0, "the same, SET, a connection for each",
         "ratio"),
    high("kv-light-set", "kreq/s", 1.0, "light generator, 50 clients, SET",
         "ratio"),
    high("kv-light-get", "kreq/s", 1.0, "the same, GET", "ratio"),
    low("kv-rest-p99", "ms", 1.0, "GET at 1000/s, nothing else: 99 of 100",
        "ratio"),
    low("kv-keys-p99", "ms", 10, "the same while one client loops KEYS * "
        "over 1 M keys", "ratio"),
    high("kv-keys-rate", "1/s", None, "the KEYS * answered meanwhile"),
    low("kv-flush-max", "ms", 10, "the worst while FLUSHALL empties 1 M keys",
        "ratio"),
    low("kv-big-p99", "ms", 1.0, "99 of 100 while one client sets and gets "
        "100 MB", "ratio"),
    high("kv-big-rate", "1/s", None, "the 100 MB values set and got "
         "meanwhile"),
]

ALL = "lwkt go boost st pth pthread"


def lock_group(kind, impls, many=None):
    """A lock by one CPU, by two, and by many threads on each."""
    group = [Program("locks", f"{kind} {n}", n, impls, f"{kind}-{n}", 60)
             for n in (1, 2)]
    if many:
        cpus, threads = many.split()
        group.append(Program("locks", f"{kind} {many}", int(cpus), impls,
                             f"{kind}-{cpus}x{threads}", 60))
    return group


# State Threads and GNU Pth use one core, so no "cross"; GNU Pth looks at every
# waiting thread at each switch, Boost.Fiber's tree needs more than 40 s and
# pthreads end at 32,768 threads, so they are not asked for the great numbers.
#
# The programs of one group take turns: what is compared is measured within
# seconds of each other, for the machine changes from minute to minute.
GROUPS = [
    [Program("yield", "2", 1, ALL, "yield-2", 30)],
    [Program("yield", "16", 1, ALL, "yield-16", 30)],
    [Program("yield", "10000", 1, "lwkt go boost st", "yield-10000",
             60),
     Program("yield", "10000 100000", 1, "pth pthread", "yield-10000", 60)],
    [Program("create", "", 1, ALL, "create-join", 30)],
    [Program("wakeup", "", 1, "lwkt", "block-wakeup block-schedule "
             "block-cond block-sem", 30),
     Program("wakeup", "", 1, "pthread", "block-wakeup block-schedule", 30),
     Program("wakeup", "", 1, "go boost st pth", "block-wakeup", 30)],
    [Program("lock", "", 1, "lwkt", "lock lock-call", 30),
     Program("lock", "", 1, "go boost st pth pthread", "lock", 30),
     Program("floor", "1", 1, "floor", "lock timer-p50 timer-p99", 30),
     Program("timer", "", 1, ALL, "timer-p50 timer-p99", 30)],
    [Program("timerset", "", 1, "lwkt event uv", "timer-set", 30)],
    [Program("hogs", "", 2, "lwkt pthread", "hogs-p50 hogs-p99", 30)],
    [Program("preempt", "", 1, "lwkt floor", "preempt preempt-300us", 30)],
    lock_group("spin", "lwkt pthread ck"),
    lock_group("spin-shared", "lwkt ck"),
    lock_group("token", "lwkt"),
    lock_group("token-shared", "lwkt"),
    lock_group("mutex", "lwkt go pthread ck", "2 4"),
    lock_group("mtx", "lwkt", "2 4"),
    lock_group("rwlock", "lwkt go pthread ck"),
    lock_group("serializer", "lwkt"),
    [Program("cpusync", "cpusync 2", 2, "lwkt go pthread", "cpusync-2", 30),
     Program("cpusync", "cpusync-quick 2", 2, "lwkt", "cpusync-quick-2", 30),
     Program("floor", "3", 2, "floor", "cpusync-quick-2", 30)],
    [Program("migrate", "2", 2, "lwkt pthread", "migrate-2", 30)],
    [Program("bcast", "1", 1, "lwkt go boost st pthread", "wakeup-bcast-1",
             60),
     Program("bcast", "2", 2, "lwkt go pthread", "wakeup-bcast-2", 60)],
    [Program("fib", "1", 1, "lwkt go boost st pthread", "fib-1", 60),
     Program("fib", "2", 2, "lwkt go pthread", "fib-2", 60)],
    [Program("ring", "", 1, ALL, "ring-1000", 60)],
    [Program("pairs", "", 1, "lwkt go boost st pthread", "pairs-10000", 60)],
    [Program("select", "1", 1, "lwkt go pthread", "select-4", 60),
     Program("select", "2", 2, "lwkt go pthread", "select-4-2", 60),
     Program("portselect", "1", 1, "lwkt", "port-select-4", 60),
     Program("portselect", "2", 2, "lwkt", "port-select-4-2", 60)],
    [Program("queue", "1", 1, "lwkt go boost pthread", "queue-1", 30),
     Program("queue", "2", 2, "lwkt go boost pthread", "queue-2", 30)],
    [Program("malloc", "1", 1, "lwkt pthread jemalloc mimalloc",
             "malloc-64 malloc-many", 60),
     Program("malloc", "2", 2, "lwkt pthread jemalloc mimalloc",
             "malloc-remote", 60)],
    [Program("msg", "1", 1, ALL, "msg-local", 30)],
    [Program("msg", "2", 2, "lwkt", "msg-cross", 30),
     Program("floor", "2", 2, "floor",
             "msg-cross stream-single stream-batch", 30),
     Program("oneway", "1", 2, "lwkt", "msg-oneway", 30),
     Program("oneway", "64", 2, "lwkt", "msg-oneway-64", 30),
     Program("stream", "1", 2, "lwkt", "stream-single", 30),
     Program("stream", "64", 2, "lwkt", "stream-batch", 30),
     Program("ipi", "", 2, "lwkt", "ipi-single ipi-batch", 30),
     Program("msg", "2", 2, "go boost pthread", "msg-cross", 30),
     Program("stream", "1", 2, "go boost pthread", "stream-single", 30),
     Program("stream", "64", 2, "go boost pthread", "stream-batch", 30)],
    [Program("sleepers", "", 1, "lwkt go boost st",
             "sleepers-rate sleepers-p99", 60)],
    [Program("million", "", 1, "lwkt go boost st",
             "million-time million-bytes", 90),
     Program("million", "30000", 1, "pthread", "million-time million-bytes",
             90)],
    [Program("skynet", "1", 1, "lwkt go st", "skynet-1", 60),
     Program("skynet", "2", 2, "lwkt go", "skynet-2", 60)],
    [Program("kv", "bench", 2, "lwkt redis",
             "kv-set-p1 kv-get-p1 kv-set-p16 kv-get-p16", 120)],
    [Program("kv", "fresh", 2, "lwkt redis", "kv-fresh", 60)],
    [Program("kv", "light", 2, "lwkt redis", "kv-light-set kv-light-get",
             60)],
    [Program("kv", "rest", 2, "lwkt redis", "kv-rest-p99", 60)],
    [Program("kv", "keys", 2, "lwkt redis", "kv-keys-p99 kv-keys-rate", 90)],
    [Program("kv", "flush", 2, "lwkt redis", "kv-flush-max", 90)],
    [Program("kv", "big", 2, "lwkt redis", "kv-big-p99 kv-big-rate", 90)],
]

# With --scaling alone.  The store's clients need as many CPUs as its server.
SCALES = [
    Scale("yield", "M/s", "high", "scale", "yield {n}", "lwkt go pthread",
          "switches by yield, two threads on each of N CPUs"),
    Scale("wakeup", "M/s", "high", "scale", "wakeup {n}", "lwkt go pthread",
          "switches by sleep and wakeup, two threads on each of N CPUs"),
    Scale("msg", "M/s", "high", "scale", "msg {n}", "lwkt go pthread",
          "messages there and back between N/2 pairs of CPUs", least=2),
    Scale("ipi", "M/s", "high", "scale", "ipi {n}", "lwkt",
          "functions sent from each of N CPUs to all others", least=2),
    Scale("skynet", "ms", "low", "skynet", "{n}", "lwkt go",
          "tree of threads, a million leaves, N CPUs"),
    Scale("spin", "ns", "low", "locks", "spin {n}", "lwkt pthread ck",
          "a taking of a spinlock wanted by N CPUs"),
    Scale("spin-shared", "ns", "low", "locks", "spin-shared {n}", "lwkt ck",
          "the same, shared"),
    Scale("token", "ns", "low", "locks", "token {n}", "lwkt",
          "a taking of a token wanted by N CPUs"),
    Scale("token-shared", "ns", "low", "locks", "token-shared {n}", "lwkt",
          "the same, shared"),
    Scale("mutex", "ns", "low", "locks", "mutex {n}", "lwkt go pthread ck",
          "a taking of a mutex wanted by N CPUs"),
    Scale("rwlock", "ns", "low", "locks", "rwlock {n}", "lwkt go pthread ck",
          "a taking of an rwlock, to read, by N CPUs"),
    Scale("cpusync", "ns", "low", "cpusync", "cpusync {n}",
          "lwkt go pthread", "stop N CPUs, run a function on each, go on",
          least=2),
    Scale("cpusync-quick", "ns", "low", "cpusync", "cpusync-quick {n}",
          "lwkt", "run a function on N CPUs, stopping none", least=2),
    Scale("migrate", "ns", "low", "migrate", "{n}", "lwkt pthread",
          "a thread moves to the next of N CPUs", least=2),
    Scale("wakeup-bcast", "ns", "low", "bcast", "{n}", "lwkt go pthread",
          "one wakeup of 10,000 threads on N CPUs until all have run, each"),
    Scale("kv", "kreq/s", "high", "kv", "scale {n}", "lwkt",
          "the store on N CPUs: GET, 16 under way, clients on the others",
          share=2),
]


def scaling(ncpus):
    """(n, Scale) of all that are to be measured, in order."""
    for scale in SCALES:
        n = 1
        while n * scale.share <= ncpus:
            if n >= scale.least:
                yield n, scale
            n *= 2
