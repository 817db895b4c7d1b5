/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_panic and lwkt_printf: reports on stderr.
 *
 * THEORY
 * Both format a line into a buffer on the caller's stack and pass the whole
 * line to one write(2).  So lines of several CPUs do not mix, unless the host
 * writes only a part and put() must write the rest.  No function here takes a
 * lock or allocates.  glibc's vsnprintf does neither for the conversions %s %d
 * %i %u %x %p %c with width, precision and length; with these alone a signal
 * handler may call both functions.
 *
 * The first host thread to panic reports.  If it panics again, inside the hook,
 * it prints the second message and aborts at once.  Another host thread that
 * panics prints its message and waits about 10 s for the first to end the
 * process; then it aborts itself.
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

static int panicker;		/* tid of the host thread that reports, or 0 */

/* Write len bytes to stderr; an error other than EINTR drops the rest. */
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

/*
 * Write prefix and message to stderr as one line.  A newline is added if there
 * is none; what does not fit into the buffer is cut off.
 */
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

/*
 * Print one line on stderr; takes no lock.  Any context; in a signal handler
 * only with the conversions that THEORY lists.  The CPU waits for write(2).
 */
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

/*
 * Wait for the host thread that reports to end the process.  Return after about
 * 10 s if it does not, sooner if signals interrupt the waits.
 */
static void
panic_wait(void)
{
	static const struct timespec nap = { 0, 10000000 };
	int i;

	for (i = 0; i < AGAIN_NAPS; i++)
		(void)nanosleep(&nap, NULL);
}

/* Block SIGPIPE: a report to a closed pipe must not hide the panic. */
static void
sigpipe_block(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Return 1 if lwkt_panic() was called in this process, else 0. */
int
lwkt__panicking(void)
{
	return __atomic_load_n(&panicker, __ATOMIC_RELAXED) != 0;
}

/*
 * Report on stderr and abort; does not return.  Any context; in a signal
 * handler with the same conversions as lwkt_printf().
 */
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
