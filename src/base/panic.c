/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_panic and lwkt_printf: the last words, and words before them.
 *
 * THEORY
 * Both format into a buffer on the caller's stack and write(2) it whole, so
 * that lines of several CPUs do not mix and nothing here takes a lock or
 * allocates: glibc's vsnprintf does neither for the conversions used (%s %d
 * %u %x %p %c and their lengths).  They may be called from signal handlers.
 * The first host thread to panic reports.  If it panics again, inside the
 * hook, it aborts at once; another one says so and waits for the first to end
 * the process, a few seconds at most.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/kassert.h"

#define LINE_MAX_BYTES	512
#define AGAIN_NAPS	1000		/* of 10 ms */

void (*lwkt__panic_hook)(const char *msg);

static int panicker;		/* who reports; 0: nobody */

static void
put(const char *s, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(STDERR_FILENO, s, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s += n;
		len -= (size_t)n;
	}
}

static void
vput(const char *prefix, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	size_t len = strlen(prefix);
	int n;

	memcpy(line, prefix, len);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	if (n > 0)
		len += (size_t)n < sizeof(line) - len - 1 ?
		    (size_t)n : sizeof(line) - len - 2;
	if (len == 0 || line[len - 1] != '\n')
		line[len++] = '\n';
	put(line, len);
}

void
lwkt_printf(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	vput("", fmt, ap);
	va_end(ap);
	errno = saved;
}

/* Somebody else is at it: let him finish. */
static void
panic_wait(void)
{
	static const struct timespec nap = { 0, 10000000 };
	int i;

	for (i = 0; i < AGAIN_NAPS; i++)
		(void)nanosleep(&nap, NULL);
}

/* A report that nobody reads must not end as a broken pipe. */
static void
sigpipe_block(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int
lwkt__panicking(void)
{
	return __atomic_load_n(&panicker, __ATOMIC_RELAXED) != 0;
}

void
lwkt_panic(const char *fmt, ...)
{
	char msg[LINE_MAX_BYTES / 2];
	int first = 0, self = gettid();
	va_list ap;

	va_start(ap, fmt);
	sigpipe_block();
	if (__atomic_compare_exchange_n(&panicker, &first, self, 0,
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		(void)vsnprintf(msg, sizeof(msg), fmt, ap);
		lwkt_printf("lwkt: panic: %s", msg);
		if (lwkt__panic_hook != NULL)
			lwkt__panic_hook(msg);
	} else {
		vput("lwkt: panic again: ", fmt, ap);
		if (first != self)
			panic_wait();
	}
	va_end(ap);
	abort();
}
