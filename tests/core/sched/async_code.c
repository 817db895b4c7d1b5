/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a preemptible thread is not interrupted: in libc, under libc, without
 * a stack; and what it sees of signals, and debuggers of it.
 */
#include <lwkt/io.h>
#include <lwkt/msgport.h>
#include <lwkt/preempt.h>
#include <lwkt/systimer.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/child.h"
#include "core/util.h"
#include "machine/machine.h"

static uint32_t stop, fired, inside;
static uint64_t intruded;

static void
timer_fires(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	ADD(fired, 1);
	if (LOAD(inside))
		ADD(intruded, 1);
}

static __attribute__((noinline)) void
compute_until(const uint32_t *flag, uint32_t least)
{
	while (__atomic_load_n(flag, __ATOMIC_RELAXED) < least)
		__asm__ __volatile__("" ::: "memory");
}

/* Run fn as a preemptible thread under a timer of 50 us; the hits. */
static int64_t
under_timers(void (*fn)(void *))
{
	int64_t hits = counter("lwkt.async_hit");
	struct lwkt_systimer st;

	STORE(stop, 0);
	STORE(fired, 0);
	STORE(inside, 0);
	intruded = 0;
	lwkt_systimer_init_periodic(&st, timer_fires, NULL, 50000, 0);
	join(spawn_pri(fn, NULL, LWKT_PRI_USER_NORM, LWKT_PREEMPTIBLE,
	    lwkt_cpuid()));
	lwkt_systimer_del(&st);
	return counter("lwkt.async_hit") - hits;
}

/* qsort calls us: our instructions, but libc's frame above them. */
static int
compares(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	STORE(inside, 1);
	for (int i = 0; i < 200; i++)
		__asm__ __volatile__("" ::: "memory");
	STORE(inside, 0);
	return (x > y) - (x < y);
}

static void
sorts(void *arg)
{
	static int v[3000];
	struct rng r = { 3 };

	(void)arg;
	for (int round = 0; round < 10; round++) {
		for (size_t i = 0; i < nitems(v); i++)
			v[i] = (int)rng_below(&r, 1u << 20);
		qsort(v, nitems(v), sizeof(v[0]), compares);
		for (size_t i = 1; i < nitems(v); i++)
			check(v[i - 1] <= v[i], "not sorted at %zu", i);
	}
}

static int
not_under_libc(void *arg)
{
	int64_t refused = counter("lwkt.async_frame");

	(void)arg;
	(void)under_timers(sorts);
	check(intruded == 0, "%llu timers under qsort",
	    (unsigned long long)intruded);
	check(counter("lwkt.async_frame") > refused, "nobody tried");
	return 0;
}

/* Nearly always in memset, whatever waits. */
static void
fills(void *arg)
{
	static char page[1 << 20];

	(void)arg;
	for (int i = 0; i < 100; i++) {
		memset(page, i, sizeof(page));
		__asm__ __volatile__("" : : "r" (page) : "memory");
	}
}

static int
not_in_libc(void *arg)
{
	int64_t refused = counter("lwkt.async_code");

	(void)arg;
	(void)under_timers(fills);
	check(counter("lwkt.async_code") > refused, "nobody tried");
	return 0;
}

static void
asks_nothing(void *arg)
{
	(void)arg;
	compute_until(&fired, 2000);
}

/* Memory and text made by several threads of a CPU, which take turns. */
static void
mallocs(void *arg)
{
	char *p[16] = { NULL }, text[64];
	struct rng r = { (uintptr_t)arg + 1 };
	uint32_t i, n;

	for (int round = 0; round < 20000; round++) {
		i = rng_below(&r, 16);
		if (p[i] != NULL) {
			n = (uint32_t)snprintf(text, sizeof(text), "%p %u",
			    (void *)p[i], i);
			check(strcmp(p[i], text) == 0, "%s for %s", p[i],
			    text);
			free(p[i]);
			p[i] = NULL;
			(void)n;
			continue;
		}
		p[i] = malloc(64 + rng_below(&r, 2000));
		snprintf(p[i], 64, "%p %u", (void *)p[i], i);
	}
	for (i = 0; i < 16; i++)
		free(p[i]);
}

static int
libc_is_whole(void *arg)
{
	struct lwkt_systimer st;
	lwkt_thread_t td[4];

	(void)arg;
	lwkt_systimer_init_periodic(&st, timer_fires, NULL, 50000, 0);
	for (int i = 0; i < 4; i++)
		td[i] = spawn_pri(mallocs, (void *)(intptr_t)i,
		    LWKT_PRI_USER_NORM, LWKT_PREEMPTIBLE, lwkt_cpuid());
	join_all(td, 4);
	lwkt_systimer_del(&st);
	return 0;
}

/* With less than what an interruption needs: only refusals. */
static __attribute__((noinline)) int
deeper(size_t left)
{
	volatile char page[1024];
	char here;

	page[0] = (char)left;
	if ((size_t)(&here - (char *)lwkt_self()->td_stack) > left)
		return deeper(left) + page[0];
	STORE(inside, 1);
	compute_until(&stop, 1);
	STORE(inside, 0);
	return page[0];
}

static void *
stops_later(void *arg)
{
	usleep(20000);
	STORE(stop, 1);
	return arg;
}

static void
digs(void *arg)
{
	(void)arg;
	(void)deeper(9000);
}

static int
not_without_stack(void *arg)
{
	int64_t refused = counter("lwkt.async_stack");
	pthread_t pt;

	(void)arg;
	STORE(stop, 0);
	if (pthread_create(&pt, NULL, stops_later, NULL) != 0)
		return 1;
	(void)under_timers(digs);
	pthread_join(pt, NULL);
	check(intruded == 0, "%llu timers", (unsigned long long)intruded);
	check(counter("lwkt.async_stack") > refused, "nobody tried");
	return 0;
}

/* Deep recursion is no hindrance as long as the stack lasts. */
static __attribute__((noinline)) uint64_t
fib(unsigned n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void
recurses(void *arg)
{
	(void)arg;
	while (LOAD(fired) < 50)
		check(fib(20) == 6765, "fib");
}

static int
in_recursion(void *arg)
{
	(void)arg;
	check(under_timers(recurses) >= 10, "not interrupted");
	return 0;
}

/* What is not registered refuses; and what must not be cannot be. */
static int
registration(void *arg)
{
	(void)arg;
	check(lwkt_preempt_register((const void *)(uintptr_t)strlen, 0) ==
	    EINVAL, "libc was taken");
	check(lwkt_preempt_register((const void *)(uintptr_t)getpid, 16) ==
	    EINVAL, "a part of libc was taken");
	check(lwkt_preempt_register(&stop, 4) == EINVAL, "data was taken");
	check(lwkt_preempt_register(NULL, 0) == EINVAL, "nothing was taken");
	check(lwkt_preempt_unregister((const void *)(uintptr_t)strlen, 0) ==
	    ENOENT, "libc was there");
	check(lwkt_preempt_register((const void *)(uintptr_t)fib, 16) == 0,
	    "a range of our own");
	check(lwkt_preempt_register((const void *)(uintptr_t)fib, 16) == 0,
	    "twice");
	check(lwkt_preempt_unregister((const void *)(uintptr_t)fib, 16) == 0,
	    "not taken back");
	check(lwkt_preempt_unregister((const void *)(uintptr_t)fib, 16) ==
	    ENOENT, "taken back twice");
	return 0;
}

/* The program's own signals, and a system call that they do not end. */
static uint32_t alarms;

static void
on_alarm(int sig)
{
	(void)sig;
	ADD(alarms, 1);
}

static void *
writes_later(void *arg)
{
	usleep(20000);
	(void)!write(*(int *)arg, "x", 1);
	return NULL;
}

static void
reads(void *arg)
{
	int fds[2];
	pthread_t pt;
	char c = 0;

	(void)arg;
	lwkt_crit_enter();
	if (pipe(fds) != 0 || pthread_create(&pt, NULL, writes_later,
	    &fds[1]) != 0)
		abort();
	lwkt_crit_exit();
	errno = 0;
	check(read(fds[0], &c, 1) == 1 && c == 'x', "errno %d", errno);
	lwkt_crit_enter();
	pthread_join(pt, NULL);
	close(fds[0]);
	close(fds[1]);
	lwkt_crit_exit();
	compute_until(&alarms, LOAD(alarms) + 3);
}

static int
signals_of_the_program(void *arg)
{
	struct sigaction sa = { .sa_handler = on_alarm,
	    .sa_flags = SA_RESTART }, old;
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, none = { 0 };

	(void)arg;
	STORE(alarms, 0);
	sigaction(SIGALRM, &sa, &old);
	setitimer(ITIMER_REAL, &it, NULL);
	(void)under_timers(reads);
	setitimer(ITIMER_REAL, &none, NULL);
	sigaction(SIGALRM, &old, NULL);
	check(alarms > 0, "no alarm came");
	return 0;
}

/* A message from a plain pthread, and one from the host, under a hog. */
static struct lwkt_port port;

static void *
sends(void *arg)
{
	struct lwkt_msg msg;

	usleep(2000);
	lwkt_initmsg(&msg, &port, 0);
	check(lwkt_domsg(arg, &msg, 0) == 7, "no answer");
	return NULL;
}

static void
answers(void *arg)
{
	(void)arg;
	lwkt_replymsg(lwkt_waitport(lwkt_curport(), 0), 7);
	STORE(stop, 1);
}

static void
computes_until_stop(void *arg)
{
	(void)arg;
	compute_until(&stop, 1);
}

static int
pthreads_reach_a_hog(void *arg)
{
	lwkt_thread_t td, hog;
	pthread_t pt;

	(void)arg;
	STORE(stop, 0);
	lwkt_initport_spin(&port);
	td = spawn(answers, NULL, 0, lwkt_cpuid());
	hog = spawn_pri(computes_until_stop, NULL, LWKT_PRI_USER_NORM,
	    LWKT_PREEMPTIBLE, lwkt_cpuid());
	if (pthread_create(&pt, NULL, sends, lwkt_threadport(td)) != 0)
		return 1;
	join(td);
	join(hog);
	pthread_join(pt, NULL);
	return 0;
}

static void
receives(void *arg)
{
	char c = 0;

	check(lwkt_read(*(int *)arg, &c, 1) == 1 && c == 'x', "not read");
	STORE(stop, 1);
}

static int
input_reaches_a_hog(void *arg)
{
	lwkt_thread_t td, hog;
	pthread_t pt;
	int fds[2];

	(void)arg;
	STORE(stop, 0);
	if (pipe(fds) != 0)
		return 1;
	td = spawn(receives, &fds[0], 0, lwkt_cpuid());
	hog = spawn_pri(computes_until_stop, NULL, LWKT_PRI_USER_NORM,
	    LWKT_PREEMPTIBLE, lwkt_cpuid());
	if (pthread_create(&pt, NULL, writes_later, &fds[1]) != 0)
		return 1;
	join(td);
	join(hog);
	pthread_join(pt, NULL);
	lwkt_close(fds[0]);
	lwkt_close(fds[1]);
	return 0;
}

/* A backtrace from within shows the function that was interrupted. */
static uint32_t inside, shown;

static void
shows(void *arg)
{
	lwkt_show_threads();
	STORE(shown, 1);
	(void)arg;
}

static void
timer_shows(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	if (LOAD(inside))
		lwkt_schedule(arg);
}

/* From here on it calls nothing. */
static __attribute__((noinline)) void
innermost(void)
{
	STORE(inside, 1);
	while (!LOAD(shown))
		cc_fence();
	STORE(inside, 0);
}

static void
is_looked_at(void *arg)
{
	struct lwkt_systimer st;
	lwkt_thread_t td;

	(void)arg;
	td = spawn(shows, NULL, LWKT_INTERRUPT | LWKT_NOSTART, lwkt_cpuid());
	lwkt_systimer_init_periodic(&st, timer_shows, td, 100000, 0);
	innermost();
	lwkt_systimer_del(&st);
	join(td);
}

static int
looks_body(void *arg)
{
	(void)arg;
	lwkt_setname("main");
	join(spawn_pri(is_looked_at, NULL, LWKT_PRI_USER_NORM,
	    LWKT_PREEMPTIBLE, lwkt_cpuid()));
	return 0;
}

static void
looks(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 1 };

	(void)arg;
	(void)lwkt_boot(&cfg, looks_body, NULL);
}

static void
test_backtrace(void)
{
	static struct child c;

	child_run(&c, looks, NULL);
	if (!ok(child_said(&c, "lwkt__machine_interrupted+") &&
	    child_said(&c, "innermost+") && child_said(&c, "is_looked_at+"),
	    "a backtrace shows what was interrupted"))
		child_diag(&c);
}

/*
 * A preemptible thread that computes serves all there is; the watchdog has
 * nothing to say, though its looks come together with timers.
 */
static int
watched_body(void *arg)
{
	struct lwkt_systimer st;

	lwkt_systimer_init_periodic(&st, timer_fires, NULL, 100000, 0);
	join(spawn_pri(asks_nothing, arg, LWKT_PRI_USER_NORM,
	    LWKT_PREEMPTIBLE, lwkt_cpuid()));
	lwkt_systimer_del(&st);
	return 0;
}

static void
watched(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 1 };

	setenv("LWKT_TUNE", "lwkt.watchdog_ms=20", 1);
	(void)lwkt_boot(&cfg, watched_body, arg);
}

static void
test_watchdog(void)
{
	static struct child c;

	child_run(&c, watched, NULL);
	if (!ok(!child_said(&c, "watchdog"),
	    "the watchdog does not name a preemptible thread"))
		child_diag(&c);
}

int
main(void)
{
	if (!TICKS_COME)
		skip_all("TSan keeps signals until the next call of libc");
	test_backtrace();
	test_watchdog();
	/* The watchdog's looks would do for what a test has to miss. */
	setenv("LWKT_TUNE", "lwkt.watchdog_ms=0", 1);
	sim_explore("not under qsort", not_under_libc, NULL, 0);
	sim_explore("not in libc", not_in_libc, NULL, 0);
	sim_explore("malloc and printf stay whole", libc_is_whole, NULL, 0);
	sim_explore("not with a stack nearly used up", not_without_stack, NULL,
	    0);
	sim_explore("in recursion", in_recursion, NULL, 0);
	sim_explore("code is registered", registration, NULL, 0);
	sim_explore("signals of the program come, reads go on",
	    signals_of_the_program, NULL, 0);
	sim_explore("a message of a plain pthread reaches a hog's CPU",
	    pthreads_reach_a_hog, NULL, 0);
	sim_explore("so does input", input_reaches_a_hog, NULL, 0);
	return tap_done();
}
