/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test Anything Protocol for tests that run on strange stacks.
 *
 * THEORY: a result is one line, made in a local buffer and written by one
 * write(2): no stdio lock is held over a switch, no jump leaves a thread's
 * stack, and threads, CPUs and plain pthreads may all report at once.  Lines
 * carry no numbers, so their order does not matter.  The plan comes last, so a
 * process that ends early or asserts nothing is a failure.
 *
 *	ok(n == 3, "%d messages arrived", n);
 *	is_int(error, EAGAIN, "a full queue says so");
 *	return tap_done();
 */
#ifndef LWKT_TESTS_TAP_H
#define LWKT_TESTS_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A sanitizer reports faults by its own handler; TSan keeps signals back. */
#if defined(__has_feature)
#define TAP_HAS(x)	__has_feature(x)
#else
#define TAP_HAS(x)	0
#endif
#if defined(__SANITIZE_THREAD__) || TAP_HAS(thread_sanitizer)
#define TAP_TSAN	1
#else
#define TAP_TSAN	0
#endif
#if TAP_TSAN || defined(__SANITIZE_ADDRESS__) || TAP_HAS(address_sanitizer)
#define TAP_SANITIZED	1
#else
#define TAP_SANITIZED	0
#endif

#define TAP_PRINTFLIKE(f, a)	__attribute__((format(printf, f, a), unused))

static int tap_count, tap_failures;	/* atomic */

/* One line: prefix, then the formatted text without what TAP would parse. */
static inline void
tap_line(int fd, const char *prefix, const char *fmt, va_list ap)
{
	char buf[400];
	size_t start = strlen(prefix), len;

	memcpy(buf, prefix, start);
	vsnprintf(buf + start, sizeof(buf) - start - 1, fmt, ap);
	len = start + strcspn(buf + start, "\n");
	for (size_t i = start; i < len; i++) {
		if (buf[i] == '#')
			buf[i] = '*';
	}
	buf[len++] = '\n';
	if (write(fd, buf, len) != (ssize_t)len)
		abort();
}

/* A remark, on stderr: what a person sees of a test that failed. */
static TAP_PRINTFLIKE(1, 2) void
diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_line(STDERR_FILENO, "# ", fmt, ap);
	va_end(ap);
}

/* One assertion, named by a sentence; its value is cond. */
static TAP_PRINTFLIKE(2, 3) int
ok(int cond, const char *fmt, ...)
{
	va_list ap;

	__atomic_fetch_add(&tap_count, 1, __ATOMIC_SEQ_CST);
	va_start(ap, fmt);
	tap_line(STDOUT_FILENO, cond ? "ok - " : "not ok - ", fmt, ap);
	va_end(ap);
	if (!cond) {
		__atomic_fetch_add(&tap_failures, 1, __ATOMIC_SEQ_CST);
		va_start(ap, fmt);
		tap_line(STDERR_FILENO, "# not ok: ", fmt, ap);
		va_end(ap);
	}
	return cond;
}

/* Compare, and say both values when they differ. */
#define is_int(got, want, ...) __extension__ ({				\
	long long got_ = (got), want_ = (want);				\
	int same_ = ok(got_ == want_, __VA_ARGS__);			\
	if (!same_)							\
		diag("%s:%d: got %lld, want %lld", __FILE__, __LINE__,	\
		    got_, want_);					\
	same_;								\
})

#define is_str(got, want, ...) __extension__ ({				\
	const char *got_ = (got), *want_ = (want);			\
	int same_ = ok(got_ != NULL && strcmp(got_, want_) == 0,	\
	    __VA_ARGS__);						\
	if (!same_)							\
		diag("%s:%d: got \"%s\", want \"%s\"", __FILE__,	\
		    __LINE__, got_ != NULL ? got_ : "(null)", want_);	\
	same_;								\
})

/* One assertion that cannot be made here. */
static TAP_PRINTFLIKE(1, 2) void
skip(const char *fmt, ...)
{
	va_list ap;

	__atomic_fetch_add(&tap_count, 1, __ATOMIC_SEQ_CST);
	va_start(ap, fmt);
	tap_line(STDOUT_FILENO, "ok # SKIP ", fmt, ap);
	va_end(ap);
}

/*
 * Nothing can be tested here: the first and only report of a process.  The
 * status is 77; meson's TAP reader, which takes the plan's word, asks for 0.
 */
static TAP_PRINTFLIKE(1, 2) void __attribute__((noreturn))
skip_all(const char *fmt, ...)
{
	const char *status = getenv("TAP_SKIP_STATUS");
	va_list ap;

	va_start(ap, fmt);
	tap_line(STDOUT_FILENO, "1..0 # SKIP ", fmt, ap);
	va_end(ap);
	_exit(status != NULL ? atoi(status) : 77);
}

/* The plan; the status that main returns. */
static inline int
tap_done(void)
{
	int n = __atomic_load_n(&tap_count, __ATOMIC_SEQ_CST);
	int failed = __atomic_load_n(&tap_failures, __ATOMIC_SEQ_CST);

	if (n == 0) {
		ok(0, "the test asserts something");
		n = failed = 1;
	}
	dprintf(STDOUT_FILENO, "1..%d\n", n);
	return failed != 0;
}

#endif
