/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watchdog names threads that keep a CPU; the deadlock report says who
 * waits for whom.  And both are silent when all is well.
 */
#include <lwkt/io.h>
#include <lwkt/lock.h>
#include <lwkt/msgport.h>
#include <lwkt/mtx.h>
#include <lwkt/sync.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/child.h"
#include "core/util.h"

static uint32_t flag;
static lwkt_thread_t peers[3];
static struct lwkt_port spin;

struct run {
	int	(*r_body)(void *);
	const char *r_tune;
	const char *r_debug;
};

static void
boot2(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	struct run *r = arg;

	setenv("LWKT_TUNE", r->r_tune, 1);
	setenv("LWKT_DEBUG", r->r_debug, 1);
	(void)lwkt_boot(&cfg, r->r_body, NULL);
}

static struct child *
run(int (*body)(void *), const char *tune, const char *debug)
{
	static struct child c;
	struct run r = { body, tune, debug };

	child_run(&c, boot2, &r);
	return &c;
}

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

/* Comes by, and never switches though it should. */
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

/* Yields, alone; comes by, alone; sleeps. */
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
 * Yields every 30 ms, in vain: a better thread waits for a token.  Each tick
 * that it serves in between asks it to yield.
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

/* Three threads on two CPUs join each other in a circle. */
static void
join_next(void *arg)
{
	int i = (int)(intptr_t)arg;

	lwkt_setname("joiner %d", i);
	await(&flag, 1);
	lwkt_join(peers[(i + 1) % 3]);
}

static int
circle_body(void *arg)
{
	int i;

	for (i = 0; i < 3; i++)
		peers[i] = spawn(join_next, (void *)(intptr_t)i, 0, i % 2);
	STORE(flag, 1);
	alarm(2);			/* ends it */
	lwkt_tsleep(&peers, 0, "the end", LWKT_FOREVER);
	(void)arg;
	return 0;
}

/* Two threads send each other a message and wait for the reply. */
static void
ask_other(void *arg)
{
	int i = (int)(intptr_t)arg;
	struct lwkt_msg msg;

	lwkt_setname("asker %d", i);
	await(&flag, 1);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_domsg(lwkt_threadport(peers[1 - i]), &msg, 0);
}

static int
ask_body(void *arg)
{
	int i;

	for (i = 0; i < 2; i++)
		peers[i] = spawn(ask_other, (void *)(intptr_t)i, 0, i);
	STORE(flag, 1);
	alarm(2);
	lwkt_waitport(lwkt_curport(), 0);
	(void)arg;
	return 0;
}

/* The same after a wait for any child, which a host thread tries again. */
static void
reap_any(void *arg)
{
	*(pid_t *)arg = lwkt_waitpid(-1, NULL, 0);
}

static int
after_children_body(void *arg)
{
	pid_t pid, got = 0;
	lwkt_thread_t td;
	int fd[2];
	char c;

	if (pipe(fd) != 0 || (pid = fork()) < 0)
		return 1;
	if (pid == 0) {
		close(fd[1]);
		_exit((int)read(fd[0], &c, 1));
	}
	td = spawn(reap_any, &got, 0, lwkt_cpuid());
	lwkt_yield();			/* it waits now: the child lives */
	close(fd[1]);
	join(td);
	return got != pid || ask_body(arg);
}

/* Three locks, each of another kind, and three threads that want two each. */
static struct lwkt_mutex mutex = LWKT_MUTEX_INITIALIZER("mutex");
static struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("mtx");
static struct lwkt_lock lock;
static uint32_t holders;

static void
take(int which)
{
	if (which == 0)
		lwkt_mutex_lock(&mutex);
	else if (which == 1)
		lwkt_mtx_lock(&mtx);
	else
		lwkt_lockmgr(&lock, LWKT_LK_EXCLUSIVE);
}

static void
take_two(void *arg)
{
	int i = (int)(intptr_t)arg;

	lwkt_setname("locker %d", i);
	take(i);
	ADD(holders, 1);
	await(&holders, 3);
	take((i + 1) % 3);
}

static int
locks_body(void *arg)
{
	int i;

	lwkt_lockinit(&lock, "lockmgr", 0, 0);
	for (i = 0; i < 3; i++)
		peers[i] = spawn(take_two, (void *)(intptr_t)i, 0, i % 2);
	alarm(2);
	join(peers[0]);
	(void)arg;
	return 0;
}

static void
test_locks(void)
{
	struct child *c = run(locks_body, "lwkt.watchdog_ms=200", "");

	if (!ok(child_died(c, SIGALRM) && child_said(c, "a cycle of 3:") &&
	    child_said(c, "for lock \"mutex\" of thread \"locker 0\"") &&
	    child_said(c, "for lock \"mtx\" of thread \"locker 1\"") &&
	    child_said(c, "for lock \"lockmgr\" of thread \"locker 2\""),
	    "so are threads that took locks in different orders"))
		child_diag(c);
}

static void
test_deadlock(void)
{
	struct child *c = run(circle_body, "lwkt.watchdog_ms=200", "");
	const char *said = strstr(c->c_err, "deadlock?");

	if (!ok(child_died(c, SIGALRM) && said != NULL &&
	    child_said(c, "sleeping on \"the end\"") &&
	    child_said(c, "a cycle of 3:") &&
	    child_said(c, "waits for the end of thread \"joiner 2\"") &&
	    strstr(said + 1, "deadlock?") == NULL,
	    "threads that join each other are reported, once"))
		child_diag(c);
	c = run(ask_body, "lwkt.watchdog_ms=200", "");
	if (!ok(child_died(c, SIGALRM) && child_said(c, "a cycle of 2:") &&
	    child_said(c, "for the reply to message") &&
	    child_said(c, "at a port of thread \"asker 0\""),
	    "so are threads that wait for each other's reply"))
		child_diag(c);
	c = run(after_children_body, "lwkt.watchdog_ms=200", "");
	if (!ok(child_died(c, SIGALRM) && child_said(c, "a cycle of 2:"),
	    "the host thread that tries calls again is not the program's"))
		child_diag(c);
}

/* A pthread of the program will send a message, later. */
static void *
sender(void *arg)
{
	static struct lwkt_msg msg;

	usleep(600000);
	lwkt_initmsg(&msg, arg, 0);
	lwkt_sendmsg(arg, &msg);
	return NULL;
}

static int
foreign_body(void *arg)
{
	pthread_t pth;

	lwkt_initport_spin(&spin);
	if (pthread_create(&pth, NULL, sender, &spin) != 0)
		return 1;
	lwkt_waitport(&spin, 0);
	(void)arg;
	return pthread_join(pth, NULL);
}

/* The same of one that was created on another CPU: it inherits the name. */
static void
waits_for_pthread(void *arg)
{
	STORE(*(int *)arg, foreign_body(NULL));
}

static int
foreign_elsewhere_body(void *arg)
{
	int error = -1;

	(void)arg;
	join(spawn(waits_for_pthread, &error, 0, 1));
	return error;
}

static void
test_foreign(void)
{
	struct child *c = run(foreign_body, "lwkt.watchdog_ms=200", "");

	if (!ok(c->c_status == 0 && !child_said(c, "deadlock"),
	    "a program with pthreads of its own is not suspected"))
		child_diag(c);
	c = run(foreign_elsewhere_body, "lwkt.watchdog_ms=200", "");
	if (!ok(c->c_status == 0 && !child_said(c, "deadlock"),
	    "wherever it creates them"))
		child_diag(c);
	c = run(foreign_body, "lwkt.watchdog_ms=200", "deadlock");
	if (!ok(c->c_status == 0 && child_said(c, "deadlock?"),
	    "unless it asks for that"))
		child_diag(c);
}

int
main(void)
{
	if (LWKT_TSAN)
		skip_all("TSan keeps signals back");
	test_greedy();
	test_polite();
	test_deadlock();
	test_locks();
	test_foreign();
	return tap_done();
}
