/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stack overflow ends the process with one clear report.
 */
#include "core/child.h"
#include "core/util.h"

struct attempt {
	const char	*a_name;
	size_t		a_stack;
	void		(*a_fn)(void *);
};

static __attribute__((noinline)) int
recurse(int n)
{
	volatile char frame[400];	/* TSan sees 65,536 frames at most */

	frame[0] = (char)n;
	if (n == 0)
		return 0;
	return recurse(n + 1) + frame[0];
}

static void
deep(void *arg)
{
	*(volatile int *)arg = recurse(1);
}

/* One frame larger than the whole stack, touched page by page. */
static __attribute__((noinline)) void
big_leaf(void *arg)
{
	volatile char frame[1 << 17];
	size_t i;

	for (i = sizeof(frame); i > 0; i -= 512)
		frame[i - 1] = 1;
	*(volatile int *)arg = frame[100];
}

/*
 * A frame of 64 KiB at the end of the stack whose far end is written first, as
 * compilers do without -fstack-clash-protection.
 */
static __attribute__((noinline)) void
steps_over(void *arg)
{
	volatile char *p = (char *)curthread->td_stack + 1024 - (64 << 10);

	*p = 1;
	*(volatile int *)arg = *p;
}

static int
body(void *arg)
{
	const struct attempt *a = arg;
	lwkt_thread_t td = lwkt_alloc_thread(a->a_stack, 1, LWKT_JOINABLE);
	static int sink;

	if (td == NULL || lwkt_create(a->a_fn, &sink, NULL, td, 0, 0,
	    "glutton") != 0)
		return 1;
	join(td);
	return 0;
}

static void
boot(void *arg)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };

	(void)lwkt_boot(&cfg, body, arg);
}

/* The report's size and addresses make sense. */
static int
sensible(const struct child *c, const struct attempt *a)
{
	const char *s = strstr(c->c_err, "stack overflow: thread");
	unsigned long size = 0, addr = 0, sp = 0;
	const char *again;

	if (s == NULL || sscanf(s, "stack overflow: thread \"glutton\" on cpu "
	    "1, stack %lu bytes, address %lx (sp %lx)", &size, &addr, &sp) != 3)
		return 0;
	again = strstr(s + 1, "stack overflow: thread");
	return again == NULL && size <= a->a_stack && size * 2 >= a->a_stack &&
	    addr != 0 && sp != 0 && addr - sp + (1 << 20) < 2 << 20;
}

int
main(void)
{
	static const struct attempt list[] = {
		{ "endless recursion on 16 KiB", 16384, deep },
		{ "endless recursion on 32 KiB", 32768, deep },
		{ "endless recursion on 64 KiB", 65536, deep },
		{ "endless recursion on 1 MiB", 1 << 20, deep },
		{ "endless recursion on 16 MiB", 16 << 20, deep },
		{ "a big frame on 16 KiB", 16384, big_leaf },
		{ "a big frame on 64 KiB", 65536, big_leaf },
		{ "a step over the guard, 64 KiB", 65536, steps_over },
		{ "a step over the guard, 256 KiB", 1 << 18, steps_over },
	};
	static struct child c;
	size_t i;

	for (i = 0; i < nitems(list); i++) {
		child_run(&c, boot, (void *)(uintptr_t)&list[i]);
		/* A checker's own handler ends the process otherwise. */
		if (!ok((child_died(&c, SIGSEGV) || LWKT_ASAN || LWKT_TSAN) &&
		    sensible(&c, &list[i]),
		    "%s: thread, CPU, size and address, then SIGSEGV",
		    list[i].a_name))
			child_diag(&c);
		ok(child_said(&c, "#0") && (child_said(&c, "recurse") ||
		    child_said(&c, "big_leaf") ||
		    child_said(&c, "steps_over") || child_said(&c, "+0x")),
		    "and a backtrace");
	}
	return tap_done();
}
