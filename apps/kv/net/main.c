/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt-kv: a store that speaks the protocol of Redis.  Its start and its end.
 *
 * THEORY: SIGINT and SIGTERM are blocked in every thread.  The thread that
 * lwkt_boot() starts reads them from a signalfd.  It then stops accepting and
 * shuts the input of every connection.  The connection's thread replies to the
 * commands that have arrived, finds the end of the input, and ends.  When all
 * have ended, or after STOP_MS, the server ends with status 0.
 *
 * One thread accepts connections and gives them to the CPUs round-robin.  When
 * descriptors run out, the next connection cannot be accepted and stays in the
 * queue.  Each accept would then fail at once, and the thread would never sleep
 * again.  For this case there is a spare descriptor: the thread closes it,
 * accepts the connection, closes that at once, and opens the spare again.
 */
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#define STOP_MS		5000
#define BACKLOG		511
#define PORT_TRIES	1000
#define LOG_EVERY_MS	1000
#define RETRY_NS	10000000

static int listen_fd, signal_fd, spare = -1;

/* Lower maxclients to what the descriptors allow (CONFIG SET would fail). */
static void
limit_clients(void)
{
	uint64_t room = kv_clients_room(kv_server.s_maxclients);

	if (room < kv_server.s_maxclients)
		kv_log("too few descriptors for %lu clients (ulimit -n): "
		    "maxclients is now %lu", kv_server.s_maxclients, room);
	kv_server.s_maxclients = room;
}

/* Open a listening socket or return -errno; connections inherit its options. */
static int
listen_on(const char *addr, int port)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	}, *ai;
	const int on = 1;
	char text[8];
	int fd, error = 0;

	snprintf(text, sizeof(text), "%d", port);
	if (getaddrinfo(addr, text, &hints, &ai) != 0)
		return -EINVAL;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
	    listen(fd, BACKLOG) != 0)
		error = errno;
	freeaddrinfo(ai);
	if (error != 0 && fd >= 0)
		close(fd);
	return error != 0 ? -error : fd;
}

/*
 * Listen on s_port; if any_behind, else on the next free port.  s_port becomes
 * the port.  If that fails, exit.
 */
static int
listen_somewhere(bool any_behind)
{
	struct sockaddr_in6 end = { 0 };
	socklen_t len = sizeof(end);
	int fd, tries = any_behind ? PORT_TRIES : 1;

	do {
		fd = listen_on(kv_server.s_bind, (int)kv_server.s_port);
	} while (fd == -EADDRINUSE && --tries > 0 &&
	    ++kv_server.s_port < 65536);
	if (fd < 0) {
		fprintf(stderr, "lwkt-kv: cannot listen on %s port %d: %s\n",
		    kv_server.s_bind, (int)kv_server.s_port, strerror(-fd));
		exit(1);
	}
	getsockname(fd, (struct sockaddr *)&end, &len);
	kv_server.s_port = ntohs(end.sin6_port);	/* of IPv4, too */
	return fd;
}

/*
 * Close the next connection, for which there is no descriptor.  If there is no
 * spare one either, wait for RETRY_NS instead.
 */
static void
turn_away(void)
{
	static int64_t logged;
	int64_t now = kv_clock_ms();
	int fd = -1;

	if (now - logged >= LOG_EVERY_MS) {
		kv_log("out of descriptors (ulimit -n): a client is turned "
		    "away");
		logged = now;
	}
	kv_server.s_rejected++;
	if (spare >= 0) {
		close(spare);
		fd = lwkt_accept_timo(listen_fd, NULL, NULL, 0);
	} else {
		lwkt_sleep_ns(RETRY_NS);
	}
	if (fd >= 0)
		close(fd);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Return whether this is an address of the loopback interface. */
static bool
is_loopback(const struct sockaddr_in6 *v6)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)v6;

	if (v6->sin6_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return v6->sin6_family == AF_INET6 &&
	    (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
	    (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
	    v6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET));
}

/* Log a warning if clients on other machines can reach the server. */
static void
warn_if_open(void)
{
	struct sockaddr_in6 end = { 0 };
	socklen_t len = sizeof(end);

	getsockname(listen_fd, (struct sockaddr *)&end, &len);
	if (!is_loopback(&end))
		kv_log("warning: other machines may reach %s, and there is no "
		    "password: %s", kv_server.s_bind,
		    kv_server.s_protected != 0 ? "they are refused "
		    "(protected-mode)" : "they can read and change all data");
}

/* Return the error for a client that may not be served, or NULL. */
static const char *
refuse(const struct sockaddr_in6 *peer)
{
	if (kv_server.s_conns >= kv_server.s_maxclients)
		return "-ERR max number of clients reached\r\n";
	if (kv_server.s_protected != 0 && !is_loopback(peer))
		return "-DENIED lwkt-kv runs in protected mode: it has no "
		    "password, so it serves only clients on its own machine, "
		    "by the loopback interface. If nobody reaches it whom you "
		    "do not trust, start it with --protected-mode no, or send "
		    "CONFIG SET protected-mode no from its own machine.\r\n";
	return NULL;
}

/* Admit a new connection, or refuse it. */
static void
welcome(int fd, const struct sockaddr_in6 *peer)
{
	const char *wrong = refuse(peer);
	static unsigned int next;

	if (wrong == NULL) {
		kv_conn_admit(fd, peer, next++ % kv_server.s_ncpus);
		return;
	}
	kv_server.s_rejected++;
	lwkt_send_timo(fd, wrong, strlen(wrong), MSG_NOSIGNAL | MSG_DONTWAIT,
	    0);
	lwkt_close(fd);
}

/* Accept connections until listen_fd is closed. */
static void
acceptor(void *arg)
{
	(void)arg;
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (!kv_server.s_stopping) {
		struct sockaddr_in6 peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd = lwkt_accept(listen_fd, (struct sockaddr *)&peer,
		    &len);

		if (fd >= 0) {
			welcome(fd, &peer);
			lwkt_yield();
		} else if (fd == -EMFILE || fd == -ENFILE) {
			turn_away();
		} else if (fd == -ENOMEM || fd == -ENOBUFS) {
			kv_log("a connection was not accepted: error %d", -fd);
			lwkt_sleep_ns(RETRY_NS);
		} else if (fd == -ECANCELED || fd == -EBADF) {
			break;
		}
	}
}

/* Block the signals that end the server, and open signal_fd for them. */
static void
block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* of a terminal that is closed */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		kv_die("cannot wait for signals: signalfd: %s",
		    strerror(errno));
}

/* End all connections; wait for their ends STOP_MS at most.  Blocks: yes. */
static void
stop(void)
{
	kv_log("stopping: %lu connections are open", kv_server.s_conns);
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

/* Start the threads, and wait for the signal to end. */
static int
server_main(void *arg)
{
	struct signalfd_siginfo si;
	int error;

	(void)arg;
	kv_server.s_ncpus = (unsigned int)lwkt_ncpus();
	kv_shards_start();
	kv_doors_start();
	error = lwkt_create(acceptor, NULL, NULL, NULL, 0, 0, "accept");
	if (error != 0)
		kv_die("no thread could be created to accept clients: error %d",
		    error);
	kv_log("lwkt-kv %s: %u CPUs, pid %d, listening on %s port %lu",
	    lwkt_version(), kv_server.s_ncpus, (int)getpid(),
	    kv_server.s_bind, kv_server.s_port);
	warn_if_open();
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
	bool any_port = kv_options(argv);

	(void)argc;
	cfg.lc_ncpus = (int)kv_server.s_wantcpus;
	/* Blocks of 1 MB or more go back to Linux when they are freed. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	/* No fast bins: a million of them are merged at once, in 0.2 s. */
	mallopt(M_MXFAST, 0);
	if (sodium_init() < 0)
		kv_die("the operating system gives no random numbers");
	kv_hash_seed();
	kv_command_init();
	kv_server.s_since = kv_clock_ms();
	limit_clients();
	listen_fd = listen_somewhere(any_port);
	block_signals();
	return lwkt_boot(&cfg, server_main, NULL) == 0 ? 0 : 1;
}
