/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for children: a known one, any one, none.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iotest.h"

/* A child that ends with that status when *wfd is closed. */
static pid_t
child(int status, int *wfd)
{
	int p[2];
	pid_t pid;
	char c;

	if (pipe(p) != 0 || (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		close(p[1]);
		(void)!read(p[0], &c, 1);
		_exit(status);
	}
	close(p[0]);
	*wfd = p[1];
	return pid;
}

struct wait {
	pid_t	w_pid;
	pid_t	w_got;
	int	w_status;
};

static void
waiter(void *arg)
{
	struct wait *w = arg;

	__atomic_store_n(&w->w_got, lwkt_waitpid(w->w_pid, &w->w_status, 0),
	    __ATOMIC_RELEASE);
}

static int
test(void *arg)
{
	struct lwkt_sysmsg sm;
	struct wait w = { 0 };
	lwkt_thread_t td;
	int wfd[2], status;
	pid_t pid[2];

	(void)arg;
	iotest_backend();
	is_int(lwkt_waitpid(-1, &status, 0), -ECHILD, "no children");
	pid[0] = child(7, &wfd[0]);
	is_int(lwkt_waitpid(pid[0], &status, WNOHANG), 0, "it lives");
	w.w_pid = pid[0];
	td = spawn(waiter, &w, lwkt_ncpus() - 1);
	let_others_wait();
	ok(__atomic_load_n(&w.w_got, __ATOMIC_ACQUIRE) == 0,
	    "the wait goes on");
	close(wfd[0]);
	lwkt_join(td);
	ok(w.w_got == pid[0] && WIFEXITED(w.w_status) &&
	    WEXITSTATUS(w.w_status) == 7, "a known child ends");

	pid[0] = child(1, &wfd[0]);
	pid[1] = child(2, &wfd[1]);
	w.w_pid = -1;
	w.w_got = 0;
	td = spawn(waiter, &w, 0);
	let_others_wait();
	close(wfd[1]);
	lwkt_join(td);
	ok(w.w_got == pid[1] && WEXITSTATUS(w.w_status) == 2,
	    "any child: the one that ended");
	lwkt_sysmsg_waitpid(&sm, lwkt_curport(), -1, &status, 0);
	sm.sm_timeout_ns = 10 * MS;
	is_int(lwkt_dosys(&sm), -ETIMEDOUT, "any child, with a limit");
	lwkt_sysmsg_waitpid(&sm, lwkt_curport(), pid[0], &status, 0);
	sm.sm_timeout_ns = 10 * MS;
	is_int(lwkt_dosys(&sm), -ETIMEDOUT, "a known one, with a limit");
	kill(pid[0], SIGKILL);
	is_int(lwkt_waitpid(pid[0], NULL, 0), pid[0], "killed");
	is_int(lwkt_waitpid(pid[0], NULL, 0), -ECHILD, "and gone");
	is_int(lwkt_waitpid(1, NULL, 0), -ECHILD, "not our child");
	close(wfd[0]);
	return 0;
}

/* The descriptors that the process has open. */
static int
open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The kernel ends while a thread waits for a child. */
static int waiting_wfd;

static int
leave(void *arg)
{
	static struct wait w;

	(void)arg;
	w.w_pid = child(3, &waiting_wfd);
	(void)spawn(waiter, &w, 0);
	let_others_wait();
	return 0;
}

int
main(void)
{
	int before, status;

	iotest_boot(test, 2);
	before = open_fds();
	iotest_boot(leave, 1);
	close(waiting_wfd);
	is_int(waitpid(-1, &status, 0) > 0, 1, "its child is there");
	is_int(open_fds(), before, "and its pidfd is closed");
	return tap_done();
}
