/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The acceptor: one thread that takes connections and deals them out to the
 * CPUs in turn.
 *
 * THEORY: when descriptors run out, the connection that waits cannot be
 * accepted, so it would be reported again and again.  A spare descriptor is
 * kept for this: it is closed, the connection accepted and closed at once,
 * and the spare opened again.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG		511
#define PORT_TRIES	1000
#define LOG_EVERY_MS	1000
#define RETRY_NS	10000000

static int spare = -1;

/* An address as text; the port. */
static uint64_t
format_addr(const struct sockaddr_storage *ss, socklen_t len,
    char text[KV_ADDRLEN])
{
	char host[KV_ADDRLEN - 10] = "?", port[8] = "0";

	getnameinfo((const struct sockaddr *)ss, len, host, sizeof(host),
	    port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(text, KV_ADDRLEN, ss->ss_family == AF_INET6 ? "[%s]:%s" :
	    "%s:%s", host, port);
	return strtoul(port, NULL, 10);
}

/* The same of a socket's own end. */
static uint64_t
local_addr(int fd, char text[KV_ADDRLEN])
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	getsockname(fd, (struct sockaddr *)&ss, &len);
	return format_addr(&ss, len, text);
}

/* A listening socket, or -errno; its options are the accepted ones' too. */
static int
listen_on(const char *addr, int port)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	}, *ai;
	const int on = 1;
	char text[KV_ADDRLEN];
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

/* Listen on s_port, or some port behind it that is free; s_port is it then. */
int
kv_listen(bool any_behind)
{
	char text[KV_ADDRLEN];
	int fd, tries = any_behind ? PORT_TRIES : 1;

	do {
		fd = listen_on(kv_server.s_bind, (int)kv_server.s_port);
	} while (fd == -EADDRINUSE && --tries > 0 &&
	    ++kv_server.s_port < 65536);
	if (fd < 0) {
		fprintf(stderr, "lwkt-kv: %s port %d: %s\n",
		    kv_server.s_bind, (int)kv_server.s_port, strerror(-fd));
		exit(1);
	}
	kv_server.s_port = local_addr(fd, text);
	return fd;
}

static void
open_spare(void)
{
	if (spare < 0)
		spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* There is no descriptor for the next connection: turn it away. */
static void
turn_away(int lfd)
{
	static int64_t logged;
	int64_t now = kv_clock_ms();
	int fd;

	if (now - logged >= LOG_EVERY_MS) {
		kv_log("out of descriptors: a client is turned away");
		logged = now;
	}
	kv_server.s_rejected++;
	if (spare < 0) {
		lwkt_sleep_ns(RETRY_NS);
		open_spare();
		return;
	}
	close(spare);
	spare = -1;
	fd = lwkt_accept_timo(lfd, NULL, NULL, 0);
	if (fd >= 0)
		close(fd);
	open_spare();
}

static void
welcome(int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	static const char full[] = "-ERR max number of clients reached\r\n";
	static unsigned int next;
	struct kv_conn *c;

	if (kv_server.s_conns >= kv_server.s_maxclients) {
		kv_server.s_rejected++;
		lwkt_send_timo(fd, full, sizeof(full) - 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT, 0);
		lwkt_close(fd);
		return;
	}
	c = kv_conn_new(fd, next++ % kv_server.s_ncpus);
	format_addr(peer, len, c->c_addr);
	local_addr(fd, c->c_laddr);
	kv_conn_start(c);
}

/* arg: the listening descriptor; who closes it ends this thread. */
void
kv_acceptor(void *arg)
{
	int lfd = *(int *)arg;

	open_spare();
	while (!kv_server.s_stopping) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd = lwkt_accept(lfd, (struct sockaddr *)&peer, &len);

		if (fd >= 0) {
			welcome(fd, &peer, len);
			lwkt_yield();
		} else if (fd == -EMFILE || fd == -ENFILE) {
			turn_away(lfd);
		} else if (fd == -ENOMEM || fd == -ENOBUFS) {
			kv_log("accept: error %d", -fd);
			lwkt_sleep_ns(RETRY_NS);
		} else if (fd == -ECANCELED || fd == -EBADF) {
			break;
		}
	}
}
