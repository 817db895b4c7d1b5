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

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG		511
#define LOG_EVERY_MS	1000
#define RETRY_NS	10000000

static int spare = -1;

/*
 * A listening socket, or -errno.  Options set here are those of the accepted
 * sockets too.
 */
int
kv_listen(const char *addr, int port)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	}, *ai;
	const int on = 1;
	char service[16];
	int fd, error = 0;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(addr, service, &hints, &ai) != 0)
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

static void
format_addr(const struct sockaddr_storage *ss, char *buf, size_t size)
{
	const struct sockaddr_in *in = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;
	char host[INET6_ADDRSTRLEN] = "?";

	if (ss->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(buf, size, "[%s]:%d", host, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(buf, size, "%s:%d", host, ntohs(in->sin_port));
	}
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
	atomic_fetch_add(&kv_server.s_rejected, 1);
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
refuse(int fd)
{
	static const char text[] = "-ERR max number of clients reached\r\n";

	atomic_fetch_add(&kv_server.s_rejected, 1);
	lwkt_send_timo(fd, text, sizeof(text) - 1,
	    MSG_NOSIGNAL | MSG_DONTWAIT, 0);
	lwkt_close(fd);
}

static void
welcome(int fd, const struct sockaddr_storage *peer)
{
	static unsigned int next;
	char addr[KV_ADDRLEN], laddr[KV_ADDRLEN];
	struct sockaddr_storage local = { 0 };
	socklen_t len = sizeof(local);

	if (atomic_load(&kv_server.s_conns) >=
	    atomic_load(&kv_server.s_maxclients)) {
		refuse(fd);
		return;
	}
	getsockname(fd, (struct sockaddr *)&local, &len);
	format_addr(peer, addr, sizeof(addr));
	format_addr(&local, laddr, sizeof(laddr));
	kv_conn_start(fd, next++ % kv_server.s_ncpus, addr, laddr);
}

/* arg: the listening descriptor; who closes it ends this thread. */
void
kv_acceptor(void *arg)
{
	int lfd = *(int *)arg;

	open_spare();
	while (!atomic_load(&kv_server.s_stopping)) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		int fd = lwkt_accept(lfd, (struct sockaddr *)&peer, &len);

		if (fd >= 0) {
			welcome(fd, &peer);
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
