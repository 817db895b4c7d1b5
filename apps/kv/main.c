/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt-kv: a store that speaks the protocol of Redis.  The start, the end.
 *
 * THEORY: SIGINT and SIGTERM are blocked in every thread and read from a
 * signalfd, by the thread that lwkt_boot starts.  To end is to stop accepting
 * and to shut every connection's input: its thread answers what has arrived,
 * finds the end, and goes.  When all are gone, or after STOP_MS, the server
 * ends with status 0.
 */
#include "server.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STOP_MS		5000
#define RESERVED_FDS	64	/* not for clients */

static int listen_fd, signal_fd;

/* Descriptors for all clients, or fewer clients. */
static void
raise_fd_limit(void)
{
	rlim_t want = kv_server.s_maxclients + RESERVED_FDS;
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur >= want)
		return;
	rl.rlim_cur = rl.rlim_max < want ? rl.rlim_max : want;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < want) {
		kv_server.s_maxclients = rl.rlim_cur > 2 * RESERVED_FDS ?
		    rl.rlim_cur - RESERVED_FDS : rl.rlim_cur / 2;
		kv_log("only %lu descriptors: maxclients is %lu",
		    (unsigned long)rl.rlim_cur, kv_server.s_maxclients);
	}
}

static void
block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		kv_die("signalfd: %s", strerror(errno));
}

static void
stop(void)
{
	kv_log("stopping: %lu connections", kv_server.s_conns);
	kv_server.s_stopping = true;
	lwkt_close(listen_fd);
	for (int ms = 0; ms < STOP_MS && kv_server.s_conns > 0; ms += 10) {
		for (unsigned int i = 0; ms % 100 == 0 &&
		    i < kv_server.s_ncpus; i++)
			lwkt_create(kv_hang_up_all, NULL, NULL, NULL, 0,
			    (int)i, "stop/%u", i);
		lwkt_sleep_ns(10000000);
	}
	kv_log("bye");
}

static int
server_main(void *arg)
{
	struct signalfd_siginfo si;
	int error;

	(void)arg;
	kv_server.s_ncpus = (unsigned int)lwkt_ncpus();
	kv_shards_start();
	error = lwkt_create(kv_acceptor, &listen_fd, NULL, NULL, 0, 0,
	    "accept");
	if (error != 0)
		kv_die("no thread to accept: error %d", error);
	kv_log("lwkt-kv %s: %u CPUs, pid %d, listening on %s port %lu",
	    lwkt_version(), kv_server.s_ncpus, (int)getpid(),
	    kv_server.s_bind, kv_server.s_port);
	printf("Try: redis-cli -p %lu\n", kv_server.s_port);
	fflush(stdout);
	while (lwkt_read(signal_fd, &si, sizeof(si)) < 0)
		lwkt_sleep_ns(1000000000);
	stop();
	return 0;
}

int
main(int argc, char **argv)
{
	struct lwkt_config cfg = { .lc_name = "lwkt-kv" };
	bool auto_port = false;

	cfg.lc_ncpus = (int)kv_options(argc, argv, &auto_port);
	/* A size from which memory goes back to the kernel when freed. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	/* No fast bins: a million of them are merged in one go, in 0.2 s. */
	mallopt(M_MXFAST, 0);
	kv_hash_seed();
	kv_command_init();
	kv_server.s_since = kv_clock_ms();
	raise_fd_limit();
	listen_fd = kv_listen(auto_port);
	block_signals();
	return lwkt_boot(&cfg, server_main, NULL) == 0 ? 0 : 1;
}
