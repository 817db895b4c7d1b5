/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The addresses of a connection.
 */
#include "shard/server.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

/* Write an end of the connection as text. */
static const char *
address(const struct sockaddr_in6 *end, char text[KV_ADDRLEN])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)end;
	char host[INET6_ADDRSTRLEN] = "?";

	if (end->sin6_family == AF_INET6) {
		inet_ntop(AF_INET6, &end->sin6_addr, host, sizeof(host));
		snprintf(text, KV_ADDRLEN, "[%s]:%d", host,
		    ntohs(end->sin6_port));
	} else {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(text, KV_ADDRLEN, "%s:%d", host,
		    ntohs(v4->sin_port));
	}
	return text;
}

/* Write the client's address as text.  Context: any CPU. */
const char *
kv_peer_text(const struct kv_conn *c, char text[KV_ADDRLEN])
{
	return address(&c->c_peer, text);
}

/*
 * Return the client's address as text, which is made on the first call.
 * CPU: the connection's.
 */
const char *
kv_conn_addr(struct kv_conn *c)
{
	return c->c_addr[0] != '\0' ? c->c_addr :
	    kv_peer_text(c, c->c_addr);
}

/* Do the same for the server's end. */
const char *
kv_conn_laddr(struct kv_conn *c)
{
	struct sockaddr_in6 end = { 0 };
	socklen_t len = sizeof(end);

	if (c->c_laddr[0] != '\0')
		return c->c_laddr;
	getsockname(c->c_fd, (struct sockaddr *)&end, &len);
	return address(&end, c->c_laddr);
}
