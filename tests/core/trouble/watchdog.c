/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watchdog names threads that keep a CPU, and no others.
 */
#include <lwkt/systimer.h>
#include <lwkt/token.h>
#include <time.h>

#include "core/trouble/tuned.h"

static uint32_t flag;

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

/* Compute for a while without a call into the library. */
static __attribute__((noinline)) void
compute(int64_t ns)
{
	int64_t end = now_ns() + ns;

	while (now_ns() < end)
		continue;
}

static void
greedy(void *arg)
{
	lwkt_setname("greedy");
	compute(*(int64_t *)arg);
}

static int64_t long_ns = 600 * MS;

static int
greedy_body(void *arg)
{
	(void)arg;
	join(spawn(greedy, &long_ns, 0, 1));
	return 0;
}

/* Blocks its CPU in a system call. */
static void
blocker(void *arg)
{
	const struct timespec ts = { 2, 0 };
	struct timespec left = ts;

	lwkt_setname("blocker");
	while (nanosleep(&left, &left) != 0 && LOAD(flag) == 0)
		continue;
	(void)arg;
}

static void
stop_blocker(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	STORE(flag, 1);
}

static int
blocker_body(void *arg)
{
	static struct lwkt_systimer st;
	lwkt_thread_t td = spawn(blocker, arg, 0, 1);

	lwkt_systimer_init_oneshot(&st, stop_blocker, NULL, 600 * MS);
	join(td);
	return 0;
}

/* Calls the library all the time, and never switches though it should. */
static void
rude(void *arg)
{
	int64_t end = now_ns() + *(int64_t *)arg;

	lwkt_setname("rude");
	while (now_ns() < end) {
		lwkt_crit_enter();
		lwkt_crit_exit();
	}
}

static int
rude_body(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	td[0] = spawn(rude, &long_ns, 0, 1);
	td[1] = spawn(util_nothing, NULL, 0, 1);
	join_all(td, 2);
	return 0;
}

static void
test_greedy(void)
{
	struct child *c = run(greedy_body, "lwkt.watchdog_ms=100", "");
	const char *said = strstr(c->c_err, "watchdog: thread \"greedy\"");

	if (!ok(c->c_status == 0 && said != NULL && child_said(c, "compute") &&
	    strstr(said + 1, "watchdog:") == NULL,
	    "a thread that never comes by is named once, and where it is"))
		child_diag(c);
	c = run(blocker_body, "lwkt.watchdog_ms=100", "");
	if (!ok(c->c_status == 0 &&
	    child_said(c, "watchdog: thread \"blocker\"") &&
	    child_said(c, "nanosleep"),
	    "so is one that blocks its CPU in the host"))
		child_diag(c);
	c = run(rude_body, "lwkt.watchdog_ms=100", "");
	if (!ok(c->c_status == 0 && child_said(c, "watchdog: thread \"rude\""),
	    "and one that others of its priority wait for"))
		child_diag(c);
}

/* The only thread of its CPU: yields; calls the library; sleeps. */
static int
polite_body(void *arg)
{
	int64_t end = now_ns() + long_ns;

	(void)arg;
	while (now_ns() < end)
		lwkt_yield();
	rude(&long_ns);
	lwkt_sleep_ns(300 * MS);
	return 0;
}

/* Asked to make way for a thread that was taken back. */
static int
stale_body(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	td = spawn_pri(util_nothing, NULL, LWKT_PRI_SOFT_NORM, LWKT_NOSTART,
	    lwkt_cpuid());
	lwkt_crit_enter();
	lwkt_schedule(td);
	lwkt_deschedule(td);
	lwkt_crit_exit();
	rude(&long_ns);
	lwkt_schedule(td);
	join(td);
	return 0;
}

static struct lwkt_token tok = LWKT_TOKEN_INITIALIZER("trouble");

static void
takes_token(void *arg)
{
	(void)arg;
	ADD(flag, 1);
	lwkt_gettoken(&tok);
	lwkt_reltoken(&tok);
}

/*
 * Yields every 30 ms, and runs again at once, because the better thread waits
 * for a token.  Each tick that it serves in between asks it to yield.
 */
static void
yields_in_vain(void *arg)
{
	int64_t end = now_ns() + *(int64_t *)arg;
	int i;

	ADD(flag, 1);
	while (now_ns() < end) {
		for (i = 0; i < 3; i++) {
			compute(10 * MS);
			lwkt_splz();
		}
		lwkt_yield_quick();
		compute(MS);
		lwkt_splz();
	}
	ADD(flag, 1);
}

static int
in_vain_body(void *arg)
{
	lwkt_thread_t td[2];

	(void)arg;
	lwkt_gettoken(&tok);
	td[0] = spawn(takes_token, NULL, 0, 1);
	await_deaf(&flag, 1);
	td[1] = spawn_pri(yields_in_vain, &long_ns, LWKT_PRI_USER_NORM, 0, 1);
	while (LOAD(flag) < 3)
		lwkt_splz();	/* no yield: it would give the token away */
	lwkt_reltoken(&tok);
	join_all(td, 2);
	return 0;
}

static void
test_polite(void)
{
	struct child *c = run(polite_body, "lwkt.watchdog_ms=200", "deadlock");

	if (!ok(c->c_status == 0 && !child_said(c, "watchdog") &&
	    !child_said(c, "deadlock"),
	    "nobody is named who lets others have a chance"))
		child_diag(c);
	c = run(stale_body, "lwkt.watchdog_ms=100", "");
	if (!ok(c->c_status == 0 && !child_said(c, "watchdog"),
	    "nor a thread that nobody waits for any more"))
		child_diag(c);
	c = run(in_vain_body, "lwkt.watchdog_ms=100", "");
	if (!ok(c->c_status == 0 && !child_said(c, "watchdog"),
	    "nor one that yields while the better one waits for a token"))
		child_diag(c);
	c = run(greedy_body, "lwkt.watchdog_ms=0", "");
	if (!ok(c->c_status == 0 && !child_said(c, "watchdog"),
	    "nor is anybody when the watchdog is off"))
		child_diag(c);
}

int
main(void)
{
	if (LWKT_TSAN)
		skip_all("TSan keeps signals back");
	test_greedy();
	test_polite();
	return tap_done();
}
