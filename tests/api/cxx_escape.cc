/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exception that nobody catches ends the process where it would leave a
 * thread or a callback, although the caller of lwkt_boot() would catch it.
 */
#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>
#include <lwkt/lwkt.h>
#include <lwkt/lwp.h>
#include <lwkt/mtx.h>
#include <lwkt/sync.h>
#include <lwkt/systimer.h>

#include <signal.h>
#include <stdexcept>
#include <sys/wait.h>

#include "tap.h"

static void
throws(void *arg)
{
	(void)arg;
	throw std::runtime_error("out of it");
}

static struct lwkt_mtx mtx_lock = LWKT_MTX_INITIALIZER("m");
static struct lwkt_mtx_link mtx_link;

/* A thread's own catch blocks are found first. */
static void
catches(void *arg)
{
	try {
		throws(arg);
	} catch (const std::exception &) {
		*static_cast<int *>(arg) += 1;
	}
}

static int
main_thread(void *arg)
{
	throws(arg);
	return 0;
}

static int
thread(void *arg)
{
	lwkt_thread_t td;

	(void)lwkt_create(throws, arg, &td, nullptr, LWKT_JOINABLE, 0,
	    "thrower");
	return lwkt_join(td);
}

static int
lwp(void *arg)
{
	lwkt_lwp_t lp;

	(void)lwkt_lwp_create(throws, arg, &lp, nullptr, LWKT_JOINABLE,
	    "thrower");
	return lwkt_lwp_join(lp);
}

static int
ipi(void *arg)
{
	lwkt_send_ipiq(lwkt_ncpus() - 1, throws, arg);
	return lwkt_sleep_ns(1000000000);
}

static int
own_ipi(void *arg)
{
	try {
		lwkt_send_ipiq(0, throws, arg);
		(void)lwkt_sleep_ns(1000000);
	} catch (...) {
	}
	return 0;
}

static void
timer_throws(struct lwkt_systimer *st, void *arg)
{
	(void)st;
	throws(arg);
}

static int
timer(void *arg)
{
	struct lwkt_systimer st;

	(void)arg;
	try {
		lwkt_systimer_init_oneshot(&st, timer_throws, nullptr, 1000);
		for (int i = 0; i < 1000; i++)
			(void)lwkt_sleep_ns(1000000);
	} catch (...) {
	}
	return 0;
}

static int
cpusync(void *arg)
{
	try {
		lwkt_cpusync_simple(lwkt_cpumask_one(0), throws, arg);
	} catch (...) {
	}
	return 0;
}

static int
once(void *arg)
{
	struct lwkt_once on = LWKT_ONCE_INITIALIZER;

	try {
		lwkt_once(&on, throws, arg);
	} catch (...) {
	}
	return 0;
}

static void
mtx_throws(struct lwkt_mtx_link *link, void *arg, int error)
{
	(void)link, (void)error;
	throws(arg);
}

static void
mtx_asks(void *arg)
{
	lwkt_mtx_link_init_async(&mtx_link, mtx_throws, arg);
	(void)lwkt_mtx_lock_ex_link(&mtx_lock, &mtx_link, 0, LWKT_FOREVER);
}

static int
mtx(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	(void)lwkt_mtx_lock(&mtx_lock);
	(void)lwkt_create(mtx_asks, nullptr, &td, nullptr, LWKT_JOINABLE, 0,
	    "asks");
	(void)lwkt_join(td);
	try {
		lwkt_mtx_unlock(&mtx_lock);
	} catch (...) {
	}
	return 0;
}

static int
direct_throws(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port, (void)msg;
	throw std::runtime_error("out of it");
}

static int
direct(void *arg)
{
	struct lwkt_port port;
	struct lwkt_msg msg;

	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_port_setdirect(&port, direct_throws);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	try {
		(void)lwkt_domsg(&port, &msg, 0);
	} catch (...) {
	}
	return 0;
}

static int
own_catch(void *arg)
{
	lwkt_thread_t td;
	unsigned seq;
	int n = 0;

	(void)arg;
	(void)lwkt_create(catches, &n, &td, nullptr, LWKT_JOINABLE, 0, "c");
	(void)lwkt_join(td);
	seq = lwkt_send_ipiq(lwkt_ncpus() - 1, catches, &n);
	lwkt_wait_ipiq(lwkt_ncpus() - 1, seq);
	lwkt_cpusync_simple(lwkt_cpumask_one(0), catches, &n);
	return n;
}

static int
boot(int (*body)(void *))
{
	struct lwkt_config cfg = lwkt_config();

	cfg.lc_ncpus = 2;
	return lwkt_boot(&cfg, body, nullptr);
}

/* In a child, with its standard error in fd. */
[[noreturn]] static void
child(int (*body)(void *), int fd)
{
	(void)dup2(fd, STDERR_FILENO);
	try {
		(void)boot(body);
	} catch (...) {
		_exit(2);
	}
	_exit(1);
}

static void
ends(const char *name, int (*body)(void *), const char *words)
{
	char said[8192], rest[4096];
	size_t len = 0;
	ssize_t n;
	int fds[2], status = 0;
	pid_t pid;

	if (pipe(fds) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0)
		child(body, fds[1]);
	close(fds[1]);
	while (len < sizeof(said) - 1 &&
	    (n = read(fds[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += static_cast<size_t>(n);
	said[len] = '\0';
	while (read(fds[0], rest, sizeof(rest)) > 0)
		continue;
	close(fds[0]);
	(void)waitpid(pid, &status, 0);
	if (!ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	    strstr(said, words) != nullptr &&
	    strstr(said, "out of it") != nullptr, "%s", name))
		diag("status %#x, said: %.300s", static_cast<unsigned>(status),
		    said);
}

int
main()
{
	ends("the first thread", main_thread, "leaves thread \"main\"");
	ends("a thread", thread, "leaves thread \"thrower\"");
	ends("an lwp", lwp, "leaves thread \"thrower\"");
	ends("an IPI on an idle CPU", ipi, "leaves a callback in thread");
	ends("an IPI to the own CPU", own_ipi, "leaves a callback in thread");
	ends("a timer's function", timer, "leaves a callback in thread");
	ends("a rendezvous", cpusync, "leaves a callback in thread");
	ends("lwkt_once", once, "leaves thread \"main\"");
	ends("the callback of a lock", mtx, "an exception leaves");
	ends("a direct function", direct, "leaves thread \"main\"");
	is_int(boot(own_catch), 3, "what they catch themselves is theirs");
	return tap_done();
}
