/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: lines with the time on stderr, each one write(2), so that lines of
 * different CPUs never mix and no lock of libc is held.
 */
#include "kv.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void
line(const char *fmt, va_list ap)
{
	char date[32], text[440], buf[512];
	struct timespec ts;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	vsnprintf(text, sizeof(text), fmt, ap);
	n = snprintf(buf, sizeof(buf), "%s.%03ld %s\n", date,
	    ts.tv_nsec / 1000000, text);
	if (write(STDERR_FILENO, buf, (size_t)n) < 0)
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
