/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of libc that wait: name service and programs.
 *
 * Each has the form and the result of the call of libc without the prefix, and
 * sets errno like it.  It runs on a carrier (<lwkt/blocking.h>), so only the
 * calling thread waits.  If the host refuses the carrier, the call fails with
 * errno EAGAIN; the name service calls return EAI_SYSTEM then.
 *
 * Context: thread, not in a critical section, without spinlocks (panics).
 * Tokens are released meanwhile.  Blocks the thread only.
 *
 * Source: POSIX; popen's streams are those of fopencookie(3).
 */
#ifndef LWKT_LIBC_H
#define LWKT_LIBC_H

#include <lwkt/types.h>
#include <stdio.h>
#include <sys/socket.h>

LWKT_BEGIN_DECLS

struct addrinfo;

/* freeaddrinfo(3) frees *res. */
LWKT_API int lwkt_getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);
/*
 * The same with a time limit: EAI_SYSTEM with errno ETIMEDOUT when timeout_ns
 * is over (LWKT_FOREVER: never).  The look-up itself goes on, and what it finds
 * is freed.
 */
LWKT_API int lwkt_getaddrinfo_timo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res, int64_t timeout_ns);
LWKT_API int lwkt_getnameinfo(const struct sockaddr *sa, socklen_t salen,
    char *host, socklen_t hostlen, char *serv, socklen_t servlen, int flags);

LWKT_API int lwkt_system(const char *command);

/*
 * A stream from or to a program that the shell runs.  Reads and writes of the
 * stream block the calling thread only; it is used by one thread at a time.
 * lwkt_pclose() ends it and returns the wait status of the program; -1 with
 * errno EINVAL if lwkt_popen() has not made the stream.
 */
LWKT_API FILE *lwkt_popen(const char *command, const char *type);
LWKT_API int lwkt_pclose(FILE *stream);

LWKT_END_DECLS

#endif
