/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Name service: getaddrinfo and getnameinfo on carriers.
 *
 * THEORY
 * A name server may answer late or never, and libc's call cannot be ended.  So
 * a look-up with a limit owns copies of all that it reads, and lies in memory
 * of its own: at the limit the carrier keeps it, and frees it with whatever was
 * found.  Memory is libc's, because carriers are plain pthreads.
 *
 * Source: POSIX getaddrinfo, getnameinfo.
 */
#include <lwkt/blocking.h>
#include <lwkt/libc.h>

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "kse/kse_errno.h"

/* A look-up.  Its names follow it in memory. */
struct lookup {
	struct lwkt_blocking_call l_call;	/* first */
	const char	*l_node;		/* or NULL */
	const char	*l_service;		/* or NULL */
	const struct addrinfo *l_hints;		/* l_copy, or NULL */
	struct addrinfo	 l_copy;
	struct addrinfo	*l_found;		/* or NULL */
	char		 l_names[];
};

/* The function of a look-up.  Carrier. */
static intptr_t
look_up(void *arg)
{
	struct lookup *l = arg;

	return getaddrinfo(l->l_node, l->l_service, l->l_hints, &l->l_found);
}

/* Free a look-up whose caller has left, or that never began. */
static void
look_up_free(struct lwkt_blocking_call *bc)
{
	struct lookup *l = (struct lookup *)bc;

	if (l->l_found != NULL)
		freeaddrinfo(l->l_found);
	free(l);
}

/* Copy a string to *to, and advance *to; NULL stays NULL. */
static const char *
copy(char **to, const char *s)
{
	char *begin = *to;

	if (s == NULL)
		return NULL;
	*to = stpcpy(begin, s) + 1;
	return begin;
}

/* Return a look-up with copies of the arguments, or NULL. */
static struct lookup *
look_up_alloc(const char *node, const char *service,
    const struct addrinfo *hints)
{
	size_t size = sizeof(struct lookup) +
	    (node != NULL ? strlen(node) + 1 : 0) +
	    (service != NULL ? strlen(service) + 1 : 0);
	struct lookup *l = calloc(1, size);
	char *names;

	if (l == NULL)
		return NULL;
	names = l->l_names;
	l->l_node = copy(&names, node);
	l->l_service = copy(&names, service);
	if (hints != NULL) {
		l->l_copy = *hints;
		l->l_hints = &l->l_copy;
	}
	l->l_call.bc_fn = look_up;
	l->l_call.bc_arg = l;
	l->l_call.bc_release = look_up_free;
	return l;
}

/* getaddrinfo with a time limit.  Thread; blocks the thread only. */
int
lwkt_getaddrinfo_timo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res, int64_t timeout_ns)
{
	struct lookup *l = look_up_alloc(node, service, hints);
	int error;

	if (l == NULL)
		return EAI_MEMORY;
	error = lwkt_blocking_timo(&l->l_call, timeout_ns);
	if (error != 0) {
		kse_set_errno(-error);
		return EAI_SYSTEM;
	}
	error = (int)l->l_call.bc_result;
	if (error == EAI_SYSTEM)
		kse_set_errno(l->l_call.bc_errno);
	else if (error == 0) {
		*res = l->l_found;
		l->l_found = NULL;
	}
	look_up_free(&l->l_call);
	return error;
}

/* getaddrinfo.  Thread; blocks the thread only. */
int
lwkt_getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
	return lwkt_getaddrinfo_timo(node, service, hints, res, LWKT_FOREVER);
}

/* The arguments of getnameinfo, and its result. */
struct naming {
	const struct sockaddr *n_sa;
	socklen_t	 n_salen;
	char		*n_host;
	socklen_t	 n_hostlen;
	char		*n_serv;
	socklen_t	 n_servlen;
	int		 n_flags;
	int		 n_error;
};

/* Carrier. */
static intptr_t
name_it(void *arg)
{
	struct naming *n = arg;

	n->n_error = getnameinfo(n->n_sa, n->n_salen, n->n_host, n->n_hostlen,
	    n->n_serv, n->n_servlen, n->n_flags);
	return 0;
}

/* getnameinfo.  Thread; blocks the thread only. */
int
lwkt_getnameinfo(const struct sockaddr *sa, socklen_t salen, char *host,
    socklen_t hostlen, char *serv, socklen_t servlen, int flags)
{
	struct naming n = {
		.n_sa = sa, .n_salen = salen, .n_host = host,
		.n_hostlen = hostlen, .n_serv = serv, .n_servlen = servlen,
		.n_flags = flags, .n_error = EAI_SYSTEM,
	};

	(void)lwkt_blocking(name_it, &n);	/* or EAI_SYSTEM, EAGAIN */
	return n.n_error;
}
