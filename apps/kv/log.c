/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: lines with the time on stderr, each one write(2), so that lines of
 * different CPUs never mix and no lock of libc is held.
 */
#include "kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void
line(const char *fmt, va_list ap)
{
	char buf[512];
	struct timespec ts;
	struct tm tm;
	size_t n;
	int len;

	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	n = strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm);
	n += (size_t)snprintf(buf + n, sizeof(buf) - n, ".%03ld ",
	    ts.tv_nsec / 1000000);
	len = vsnprintf(buf + n, sizeof(buf) - n - 1, fmt, ap);
	if (len > 0)
		n += (size_t)len;
	if (n > sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, n) < 0)
		return;			/* nobody reads: nothing to do */
}

void
kv_log(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void
kv_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
	_exit(1);
}
