/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_panic and lwkt_printf: the last words, and words before them.
 *
 * THEORY
 * Both format into a buffer on the caller's stack and write(2) it whole, so
 * that lines of several CPUs do not mix and nothing here takes a lock or
 * allocates: glibc's vsnprintf does neither for the conversions used (%s %d
 * %u %x %p %c and their lengths).  They may be called from signal handlers.
 * The first CPU to panic reports; one that panics meanwhile, or inside the
 * hook, aborts at once.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/kassert.h"

#define LINE_MAX_BYTES	512

void (*lwkt__panic_hook)(const char *msg);

static int panicked;

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

void
lwkt_panic(const char *fmt, ...)
{
	char msg[LINE_MAX_BYTES / 2];
	va_list ap;

	va_start(ap, fmt);
	if (__atomic_exchange_n(&panicked, 1, __ATOMIC_SEQ_CST) == 0) {
		(void)vsnprintf(msg, sizeof(msg), fmt, ap);
		lwkt_printf("lwkt: panic: %s", msg);
		if (lwkt__panic_hook != NULL)
			lwkt__panic_hook(msg);
	} else {
		vput("lwkt: panic again: ", fmt, ap);
	}
	va_end(ap);
	abort();
}
