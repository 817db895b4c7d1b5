/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Echo: a TCP server with a thread for each connection, and its clients.
 *
 * serve() and server() are the whole server.  Its calls block the thread, and
 * the CPU runs other threads meanwhile.
 */
#include <lwkt/lwkt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define NCLIENTS	50
#define NROUNDS		20

static void
serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[512];
	ssize_t n;

	while ((n = lwkt_recv(fd, buf, sizeof(buf), 0)) > 0)
		if (lwkt_send(fd, buf, (size_t)n, 0) != n)
			break;
	lwkt_close(fd);
}

static void
server(void *arg)
{
	int fd, lfd = *(int *)arg;

	while ((fd = lwkt_accept(lfd, NULL, NULL)) >= 0)
		if (lwkt_create(serve, (void *)(intptr_t)fd, NULL, NULL, 0,
		    LWKT_CPU_ROTATE, "serve %d", fd) != 0)
			lwkt_close(fd);
}

static struct sockaddr_in address = { .sin_family = AF_INET };

static void
client(void *arg)
{
	int *good = arg, fd = socket(AF_INET, SOCK_STREAM, 0);
	char out[64] = "", in[64];

	if (lwkt_connect(fd, (struct sockaddr *)&address,
	    sizeof(address)) != 0)
		return;
	for (int i = 0; i < NROUNDS; i++) {
		snprintf(out, sizeof(out), "%s, round %d",
		    lwkt_name(lwkt_self()), i);
		if (lwkt_send(fd, out, sizeof(out), 0) != sizeof(out) ||
		    lwkt_recv(fd, in, sizeof(in), MSG_WAITALL) != sizeof(in))
			break;
		*good += memcmp(in, out, sizeof(in)) == 0;
	}
	lwkt_close(fd);
}

static int
echo(void *arg)
{
	int lfd = socket(AF_INET, SOCK_STREAM, 0), good[NCLIENTS], sum = 0;
	socklen_t len = sizeof(address);
	lwkt_thread_t serving, td[NCLIENTS];

	(void)arg;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(lfd, (struct sockaddr *)&address, len) != 0 ||
	    listen(lfd, NCLIENTS) != 0 ||
	    getsockname(lfd, (struct sockaddr *)&address, &len) != 0 ||
	    lwkt_create(server, &lfd, &serving, NULL, LWKT_JOINABLE, 0,
	    "server") != 0)
		return 1;
	for (int i = 0; i < NCLIENTS; i++) {
		good[i] = 0;
		if (lwkt_create(client, &good[i], &td[i], NULL, LWKT_JOINABLE,
		    LWKT_CPU_ROTATE, "client %d", i) != 0)
			return 1;
	}
	for (int i = 0; i < NCLIENTS; i++) {
		lwkt_join(td[i]);
		sum += good[i];
	}
	lwkt_close(lfd);		/* ends the wait of the server */
	lwkt_join(serving);
	printf("%d clients, %d rounds each: %d echoed\n", NCLIENTS, NROUNDS,
	    sum);
	return sum != NCLIENTS * NROUNDS;
}

int
main(void)
{
	struct lwkt_config cfg = { .lc_ncpus = 2 };

	return lwkt_boot(&cfg, echo, NULL);
}
