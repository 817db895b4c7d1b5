/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report of a deadlock says which thread waits for which; there is none in
 * a program whose pthreads may wake a thread.
 */
#include <lwkt/blocking.h>
#include <lwkt/io.h>
#include <lwkt/lock.h>
#include <lwkt/msgport.h>
#include <lwkt/mtx.h>
#include <lwkt/sync.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/trouble/tuned.h"

static uint32_t flag;
static lwkt_thread_t peers[3];
static struct lwkt_port spin;

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
	join(peers[0]);
	(void)arg;
	return 0;
}

/* A kernel whose threads wait for ever; it is ended after the report. */
static struct child *
reported(int (*body)(void *))
{
	return run_until(body, "lwkt.watchdog_ms=200", "", "a cycle of");
}

static void
test_locks(void)
{
	struct child *c = reported(locks_body);

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
	struct child *c = reported(circle_body);
	const char *said = strstr(c->c_err, "deadlock?");

	if (!ok(child_died(c, SIGALRM) && said != NULL &&
	    child_said(c, "sleeping on \"the end\"") &&
	    child_said(c, "a cycle of 3:") &&
	    child_said(c, "waits for the end of thread \"joiner 2\"") &&
	    strstr(said + 1, "deadlock?") == NULL,
	    "threads that join each other are reported, once"))
		child_diag(c);
	c = reported(ask_body);
	if (!ok(child_died(c, SIGALRM) && child_said(c, "a cycle of 2:") &&
	    child_said(c, "for the reply to message") &&
	    child_said(c, "at a port of thread \"asker 0\""),
	    "so are threads that wait for each other's reply"))
		child_diag(c);
	c = reported(after_children_body);
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

/* A pthread that might. */
static void *
idler(void *arg)
{
	(void)pause();
	return arg;
}

static int
idle_foreign_body(void *arg)
{
	pthread_t pth;

	if (pthread_create(&pth, NULL, idler, arg) != 0)
		return 1;
	lwkt_initport_spin(&spin);
	lwkt_waitport(&spin, 0);
	return 1;
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

/* The same in a function on a carrier: the pthread inherits that name. */
static intptr_t
starts_sender(void *arg)
{
	return pthread_create(arg, NULL, sender, &spin);
}

static int
foreign_called_body(void *arg)
{
	pthread_t pth;

	lwkt_initport_spin(&spin);
	if (lwkt_blocking(starts_sender, &pth) != 0)
		return 1;
	lwkt_waitport(&spin, 0);
	(void)arg;
	return pthread_join(pth, NULL);
}

/* The same in a program that has the name of a carrier. */
static int
foreign_named_body(void *arg)
{
	return prctl(PR_SET_NAME, "lwkt-carrier", 0, 0, 0) != 0 ||
	    foreign_body(arg);
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
	c = run(foreign_called_body, "lwkt.watchdog_ms=200", "");
	if (!ok(c->c_status == 0 && !child_said(c, "deadlock"),
	    "a function on a carrier included"))
		child_diag(c);
	c = run(foreign_named_body, "lwkt.watchdog_ms=200", "");
	if (!ok(c->c_status == 0 && !child_said(c, "deadlock"),
	    "and whatever its name"))
		child_diag(c);
	c = run_until(idle_foreign_body, "lwkt.watchdog_ms=200", "deadlock",
	    "deadlock?");
	if (!ok(child_died(c, SIGALRM) && child_said(c, "deadlock?"),
	    "unless it asks for that"))
		child_diag(c);
}

int
main(void)
{
	if (LWKT_TSAN)
		skip_all("TSan keeps signals back");
	test_deadlock();
	test_locks();
	test_foreign();
	return tap_done();
}
