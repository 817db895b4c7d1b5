/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plain pthread sends signals all the time, to a handler without
 * SA_RESTART: no call ever says EINTR, and nothing is lost.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "iotest.h"

#define ROUNDS	300

static pthread_t target[2];
static unsigned hits, stop;

static void
handler(int sig)
{
	(void)sig;
	__atomic_add_fetch(&hits, 1, __ATOMIC_RELAXED);
}

static void *
storm(void *arg)
{
	struct timespec ts = { 0, 20000 };

	(void)arg;
	for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_SEQ_CST); i++) {
		pthread_kill(target[i % 2], SIGUSR1);
		nanosleep(&ts, NULL);
	}
	return NULL;
}

static int
is_interrupted(int64_t r)
{
	return r == -EINTR;
}

struct end {
	int	e_fd;
	unsigned e_interrupted;
	unsigned e_bytes;
};

static void
learn_thread(void *arg)
{
	target[(intptr_t)arg] = pthread_self();
}

static void
echo(void *arg)
{
	struct end *e = arg;
	char buf[256];
	ssize_t n;

	while ((n = lwkt_recv(e->e_fd, buf, sizeof(buf), 0)) > 0) {
		e->e_bytes += (unsigned)n;
		n = lwkt_send(e->e_fd, buf, (size_t)n, 0);
		e->e_interrupted += is_interrupted(n);
	}
	e->e_interrupted += is_interrupted(n);
}

static void
talk(void *arg)
{
	struct end *e = arg;
	char buf[64];
	int64_t r;

	for (int i = 0; i < ROUNDS; i++) {
		memset(buf, i, sizeof(buf));
		r = lwkt_send(e->e_fd, buf, sizeof(buf), 0);
		e->e_interrupted += is_interrupted(r);
		r = lwkt_recv(e->e_fd, buf, sizeof(buf), MSG_WAITALL);
		e->e_interrupted += is_interrupted(r);
		if (r == sizeof(buf) && buf[7] == (char)i)
			e->e_bytes += sizeof(buf);
		r = lwkt_recv_timo(e->e_fd, buf, 1, 0, 30000);
		e->e_interrupted += is_interrupted(r);
		if (i % 16 == 0)
			(void)lwkt_sleep_ns(MS);
	}
	shutdown(e->e_fd, SHUT_RDWR);
}

static unsigned
other_calls(void)
{
	char name[] = "/tmp/lwkt-storm-XXXXXX", buf[32];
	unsigned bad = 0;
	int fd, status;
	pid_t pid;

	close(mkstemp(name));
	for (int i = 0; i < 20; i++) {
		fd = lwkt_open(name, O_RDWR, 0);
		bad += fd < 0;
		bad += lwkt_write(fd, "0123456789", 10) != 10;
		bad += lwkt_fsync(fd) != 0;
		bad += lwkt_pread(fd, buf, 32, 0) != 10;
		bad += lwkt_close(fd) != 0;
	}
	unlink(name);
	if ((pid = fork()) == 0) {
		usleep(20000);
		_exit(3);
	}
	bad += lwkt_waitpid(pid, &status, 0) != pid;
	bad += WEXITSTATUS(status) != 3;
	return bad;
}

static int
test(void *arg)
{
	struct sigaction sa = { .sa_handler = handler };
	struct end a = { 0 }, b = { 0 };
	lwkt_thread_t td[2];
	pthread_t stormer;
	sigset_t set;
	int fd[2];

	(void)arg;
	iotest_backend();
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	for (intptr_t i = 0; i < 2; i++)
		lwkt_join(spawn(learn_thread, (void *)i, (int)i));
	pair(fd);
	a.e_fd = fd[0];
	b.e_fd = fd[1];
	pthread_create(&stormer, NULL, storm, NULL);
	td[0] = spawn(echo, &a, 0);
	td[1] = spawn(talk, &b, 1);
	is_int(other_calls(), 0, "files and children did as told");
	lwkt_join(td[0]);
	lwkt_join(td[1]);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(stormer, NULL);
	ok(__atomic_load_n(&hits, __ATOMIC_RELAXED) > 0, "signals came");
	is_int(a.e_interrupted + b.e_interrupted, 0, "no call was interrupted");
	is_int(b.e_bytes, ROUNDS * 64, "every byte came back");
	is_int(a.e_bytes, ROUNDS * 64, "and was there once");
	lwkt_close(fd[0]);
	lwkt_close(fd[1]);
	return 0;
}

int
main(void)
{
	return iotest_run(test, 2);
}
