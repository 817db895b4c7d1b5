/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wait on an epoll instance with a limit in nanoseconds.
 *
 * THEORY
 * epoll_pwait2 (Linux 5.11) has such a limit.  Older hosts return ENOSYS, and a
 * container's filter that does not know the call returns any errno.  Then
 * ppoll(2), whose limit is in nanoseconds too, waits until the epoll descriptor
 * is readable, and epoll_wait(2) takes the events.  If a wait failed at once
 * each time, the idle loop would keep its core busy.  So every error but EINTR
 * counts as a refusal of epoll_pwait2, if epoll_wait(2) without waiting works
 * on the descriptor.
 *
 * If epoll_wait(2) does not work either, the descriptor was closed: a program
 * that calls closefrom(3) or close_range(2) closes the library's descriptors,
 * too.  Then nothing could wake the CPU again, so the library panics.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/kassert.h"
#include "machine/linux/host.h"

static uint32_t refused;		/* (a) epoll_pwait2 is refused */

void
lwkt__io_closed(const char *what)
{
	lwkt_panic("the program has closed a descriptor of the library (%s): "
	    "closefrom or close_range?", what);
}

/* Take the events without waiting; panic if the descriptor was closed. */
static int
take(int epfd, struct epoll_event *events, int max)
{
	int n = epoll_wait(epfd, events, max, 0);

	if (n < 0 && (errno == EBADF || errno == EINVAL))
		lwkt__io_closed("epoll");
	return n;
}

static int
wait_by_poll(int epfd, struct epoll_event *events, int max,
    const struct timespec *limit)
{
	struct pollfd pfd = { .fd = epfd, .events = POLLIN };

	if (ppoll(&pfd, 1, limit, NULL) < 0)
		return -1;
	return take(epfd, events, max);
}

int
lwkt__epoll_wait(int epfd, struct epoll_event *events, int max,
    int64_t timeout_ns)
{
	struct timespec ts = { timeout_ns / 1000000000,
	    timeout_ns % 1000000000 };
	const struct timespec *limit = timeout_ns < 0 ? NULL : &ts;
	int n;

	if (timeout_ns == 0)
		return take(epfd, events, max);
	if (atomic_load_32(&refused))
		return wait_by_poll(epfd, events, max, limit);
	n = epoll_pwait2(epfd, events, max, limit, NULL);
	if (n < 0 && errno != EINTR) {
		n = take(epfd, events, max);	/* panics if it was closed */
		atomic_store_32(&refused, 1);
	}
	return n;
}
