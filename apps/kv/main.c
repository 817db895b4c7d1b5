/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt-kv: a store that speaks the protocol of Redis.  Options, start, end.
 *
 * THEORY: SIGINT and SIGTERM are blocked in every thread and read from a
 * signalfd, by the thread that lwkt_boot starts.  To end is to stop accepting
 * and to shut every connection's input: its thread answers what has arrived,
 * finds the end, and goes.  When all are gone, or after STOP_MS, the server
 * ends with status 0.
 */
#include "server.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#define STOP_MS		5000
#define RESERVED_FDS	64	/* not for clients */
#define PORT_TRIES	1000

struct kv_server kv_server = {
	.s_port = 6379,
	.s_bind = "127.0.0.1",
	.s_maxclients = 10000,
	.s_outlimit = 64 << 20,
	.s_outtime = 10,
};

static unsigned int want_cpus;
static bool auto_port;
static int listen_fd, signal_fd;

static const char usage_text[] =
"usage: lwkt-kv [options]\n"
"  --port N         listen on this TCP port (6379; 0: any free one)\n"
"  --port-auto N    the same, or the next port that is free\n"
"  --bind ADDR      address to listen on (127.0.0.1)\n"
"  --cpus N         CPUs to use (all that the process may)\n"
"  --maxmemory N    bytes, or with a unit (100mb); 0: no limit (0)\n"
"  --maxclients N   connections at a time (10000)\n"
"  --version        say which version this is\n"
"  --help           say this\n";

static void __attribute__((noreturn)) KV_PRINTFLIKE(1, 2)
usage_error(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "lwkt-kv: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry lwkt-kv --help.\n");
	exit(2);
}

/* The number of an option; out of its range is an error. */
static uint64_t
number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	int64_t val;

	if (!kv_parse_i64(text, strlen(text), &val) || val < 0 ||
	    (uint64_t)val < min || (uint64_t)val > max)
		usage_error("--%s %s: not a number from %lu to %lu", option,
		    text, (unsigned long)min, (unsigned long)max);
	return (uint64_t)val;
}

static void
parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "port-auto", required_argument, NULL, 'a' },
		{ "bind", required_argument, NULL, 'b' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "maxmemory", required_argument, NULL, 'm' },
		{ "maxclients", required_argument, NULL, 'n' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	uint64_t size;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
		case 'a':
			auto_port = opt == 'a';
			kv_server.s_port = (int)number("port", optarg, 0,
			    65535);
			break;
		case 'b':
			kv_server.s_bind = optarg;
			break;
		case 'c':
			want_cpus = (unsigned int)number("cpus", optarg, 1,
			    KV_MAXCPU);
			break;
		case 'm':
			if (!kv_parse_size(optarg, &size) || size > INT64_MAX)
				usage_error("--maxmemory %s: not a size",
				    optarg);
			kv_server.s_maxmemory = size;
			break;
		case 'n':
			kv_server.s_maxclients = number("maxclients", optarg,
			    1, 1000000);
			break;
		case 'v':
			printf("lwkt-kv %s\n", lwkt_version());
			exit(0);
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			fprintf(stderr, "Try lwkt-kv --help.\n");
			exit(2);
		}
	}
	if (optind < argc)
		usage_error("what is '%s'?", argv[optind]);
}

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
		    (unsigned long)rl.rlim_cur,
		    (unsigned long)kv_server.s_maxclients);
	}
}

static void
open_port(void)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);
	int tries = auto_port ? PORT_TRIES : 1;

	do {
		listen_fd = kv_listen(kv_server.s_bind, kv_server.s_port);
	} while (listen_fd == -EADDRINUSE && --tries > 0 &&
	    ++kv_server.s_port < 65536);
	if (listen_fd < 0) {
		fprintf(stderr, "lwkt-kv: %s port %d: %s\n",
		    kv_server.s_bind, kv_server.s_port,
		    strerror(-listen_fd));
		exit(1);
	}
	if (getsockname(listen_fd, (struct sockaddr *)&sin, &len) == 0)
		kv_server.s_port = ntohs(sin.sin_port);
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

/* Runs in the call of a CPU: end the input of its connections. */
static void
stop_cpu(void *arg)
{
	struct kv_op op = { 0 };

	(void)arg;
	kv_op_hang_up_all(NULL, &op);
}

static void
stop(void)
{
	kv_log("stopping: %lu connections",
	    (unsigned long)atomic_load(&kv_server.s_conns));
	atomic_store(&kv_server.s_stopping, true);
	lwkt_close(listen_fd);
	for (int64_t ms = 0; ms < STOP_MS &&
	    atomic_load(&kv_server.s_conns) > 0; ms += 10) {
		if (ms % 100 == 0) {
			for (unsigned int i = 0; i < kv_server.s_ncpus; i++)
				lwkt_create(stop_cpu, NULL, NULL, NULL, 0,
				    (int)i, "stop/%u", i);
		}
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
	kv_log("lwkt-kv %s: %u CPUs, pid %d, listening on %s port %d",
	    lwkt_version(), kv_server.s_ncpus, (int)getpid(),
	    kv_server.s_bind, kv_server.s_port);
	printf("Try: redis-cli -p %d\n", kv_server.s_port);
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

	parse_options(argc, argv);
	/* A size from which memory goes back to the kernel when freed. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	/* No fast bins: a million of them are merged in one go, in 0.2 s. */
	mallopt(M_MXFAST, 0);
	kv_hash_seed();
	kv_command_init();
	kv_server.s_since = kv_clock_ms();
	raise_fd_limit();
	open_port();
	block_signals();
	cfg.lc_ncpus = (int)want_cpus;
	return lwkt_boot(&cfg, server_main, NULL) == 0 ? 0 : 1;
}
